"""Tables, macros and the heat map of studies with more tiers than one, and the table of differences."""

from __future__ import annotations

import copy
import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.latex import synthetic
from tests.latex.test_figures import test_no_text_covers_another_or_leaves_the_page as keeps_apart
from tests.latex.test_stage import make
from tests.latex.test_tables import HOSTILE
from tests.latex.texcheck import problems, widths
from vlmunl.latex.comparisons_table import comparisons_table
from vlmunl.latex.figure_routes import _groups
from vlmunl.latex.macros import numbers_tex
from vlmunl.latex.main_table import main_table
from vlmunl.latex.read import parse_results
from vlmunl.latex.tiers_table import tiers_table
from vlmunl.latex.writers import WRITERS, to_csv, to_tex
from vlmunl.trail.document import Document
from vlmunl.trail.spellings import spellings

REASON = "attack/npo/seed0/prune-0.1 is pending: not run yet"


def tiered() -> synthetic.Json:
    """The made-up study with routes of T2, T4 and T5, one model without figures of T4, and differences."""
    document: Any = copy.deepcopy(synthetic.results())
    document["catalogue"] |= {"tiers": ["T0", "T2", "T4", "T5"], "headline": "T0"}
    old = document["routes"][0]
    for name, tier in (("rank", "T2"), ("prune", "T4"), ("relearn", "T4"), ("guided", "T5")):
        document["routes"].append(old | {"id": name, "family": name, "tier": tier})
    for row in document["rows"]:
        row["tiers"] = {}
        for tier, route in (("T2", "rank"), ("T4", "relearn"), ("T5", "guided")):
            part = {"status": "verified", "reason": "", "seeds": [0], "upper_bound": tier == "T5"}
            missing = not row["seeds"] or (row["name"], tier) == ("npo", "T4") or (row["name"], tier) == ("base", "T4")
            if missing:
                figures = dict.fromkeys(synthetic._wcr(0.5, route)) | {"worst_route": None}
                part |= {"status": "pending", "reason": REASON}
            else:
                figures = synthetic._wcr(0.5, route)
            row["tiers"][tier] = figures | part
    return compared(document)


def compared(document: synthetic.Json | None = None) -> synthetic.Json:
    """With differences from the best method and from the placebo."""
    made: Any = copy.deepcopy(document or synthetic.results())
    apart = {"estimate": 0.4, "low": 0.2, "high": 0.6, "p": 1e-6, "p_holm": 0.00042, "n_seeds": 1}
    for row in made["rows"]:
        if row["kind"] == "method":
            best = None if row["name"] == "retrain" or not row["seeds"] else apart
            row["versus"] = {"best": best, "placebo": apart | {"p_holm": 0.21} if row["seeds"] else None}
        row["identity_wcr"] = {"estimate": 0.75, "low": 0.5, "high": 0.9, "threshold": 0.3} if row["seeds"] else None
    made["best"] = {"method": "retrain", "alike": ["npo_wide"], "apart": 4}
    made["comparisons"] = {"retrain": {"npo": apart}}
    made["detectable"] = {"power": 0.8, "recovery": 0.18, "least": 0.15, "most": 0.24, "routes": 19, "unseen": 0}
    return made


def hostile() -> synthetic.Json:
    document: Any = tiered()
    for i, row in enumerate(document["rows"]):
        row["label"] = HOSTILE[i % len(HOSTILE)]
        for part in row["tiers"].values():
            part["reason"] = HOSTILE[(i + 3) % len(HOSTILE)]
    return document


@pytest.mark.parametrize("document", [tiered(), hostile(), tiered() | {"rows": []}], ids=["tiered", "hostile", "empty"])
def test_both_tables_are_well_formed(document: Any) -> None:
    results = parse_results(document)
    for table in (tiers_table(results), comparisons_table(results)):
        text = to_tex(table)
        assert problems(text) == []
        declared, found = widths(text)
        assert not table.rows or found == {declared}
        assert [write(table) for write in WRITERS.values()] == [write(table) for write in WRITERS.values()]
        rows = list(csv.reader(io.StringIO(to_csv(table))))
        assert len({len(row) for row in rows}) == 1


def test_a_tier_without_figures_says_pending_and_why() -> None:
    table = tiers_table(parse_results(tiered()))
    line = next(row for row in table.rows if row[0].raw[0] == "npo")
    texts = [cell.text for cell in line]
    assert texts[1:5] == [".84", "few_shot", ".50", "rank"]
    assert texts[5:7] == ["pending", "pending"]
    assert texts[7:] == [".50", "guided"]
    assert any(REASON in note for note in table.marks)
    assert any("upper bound" in note for note in table.notes)
    assert len(table.columns) == 9


def test_differences_are_shown_against_the_best_and_the_placebo() -> None:
    table = comparisons_table(parse_results(tiered()))
    line = next(row for row in table.rows if row[0].raw[0] == "npo")
    assert [cell.text for cell in line[2:]] == [".40", "< .001", ".40", ".210", ".75"]
    assert [cell.emphasis for cell in line[2:6]] == ["plain", "strong", "plain", "plain"]
    best = next(row for row in table.rows if row[0].raw[0] == "retrain")
    assert best[2].text == best[3].text == "\u2013"
    pending = next(row for row in table.rows if row[0].text == "IDK tuning")
    assert {cell.text for cell in pending[1:]} == {"pending"}
    assert any("Best: Retrain" in note for note in table.notes)
    assert any("could have seen a recovery of .18" in note for note in table.notes)


def test_the_main_table_does_not_change_with_further_tiers() -> None:
    plain, more = (main_table(replace(parse_results(d), best=None)) for d in (synthetic.results(), tiered()))
    assert (plain.columns, plain.groups) == (more.columns, more.groups)


def test_the_stage_writes_what_there_is(tmp_path: Any) -> None:
    files, metrics = make(tiered(), tmp_path / "tiered", figures=False)
    assert {"tiers.tex", "tiers.csv", "comparisons.tex", "comparisons.md"} <= set(files)
    assert metrics["tables"] == 9
    files, metrics = make(compared(), tmp_path / "compared", figures=False)
    assert "comparisons.html" in files
    assert "tiers.tex" not in files


def test_macros_name_tiers_and_differences() -> None:
    text = numbers_tex(parse_results(tiered()))
    found = dict(re.findall(r"\\vlmdef\{quick\}\{([^{}]+)\}\{(.*)\}", text))
    assert found["ga.tiers.T4.cross_fit"] == found["ga.tiers.T4"] == ".50"
    assert found["ga.tiers.T5.plug_in"] == ".53"
    assert found["npo.tiers.T4.lower"] == r"\vlmmissing{pending}"
    assert (found["npo.versus.best"], found["npo.versus.placebo.p_holm"]) == (".40", ".21")
    assert (found["detectable.recovery"], found["npo.identity_wcr.high"]) == (".18", ".90")
    assert found["best.method"] == "retrain"


def test_the_heat_map_stands_tier_by_tier() -> None:
    results = parse_results(tiered())
    names = [name for name, _ in _groups(results)]
    assert [name.partition(" ")[0] for name in names] == sorted(name.partition(" ")[0] for name in names)
    assert names[-4:] == ["T2 rank", "T4 prune", "T4 relearn", "T5 guided"]
    assert next(name for name, _ in _groups(parse_results(synthetic.results()))) == "canonical"
    keeps_apart("figure_routes", tiered())


def test_every_field_of_the_tables_has_its_place_in_the_results() -> None:
    document: Any = tiered()
    tree, names = Document.of(document), {}
    for name, path in spellings(tree, parse_results(document)):
        names.setdefault(name, path)
    assert tree.node(names["tiers/ga/T4.wcr_low"]) == document["rows"][6]["tiers"]["T4"]["cross_fit"]["low"]
    assert names["tiers/ga/T4.worst_route"] == ("rows", "ga", "tiers", "T4", "worst_route")
    assert names["tiers/ga/wcr"] == ("rows", "ga", "wcr", "cross_fit", "estimate")
    assert tree.node(names["comparisons/npo/minus_best_p_holm"]) == 0.00042
    assert tree.node(names["comparisons/npo/minus_placebo_low"]) == 0.2
    assert tree.node(names["comparisons/npo/people"]) == 0.75
    assert names["ga.tiers.T4.lower"] == ("rows", "ga", "tiers", "T4", "lower")
    assert names["detectable.recovery"] == ("detectable", "recovery")
