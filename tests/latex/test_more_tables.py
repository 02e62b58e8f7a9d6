"""The tables of gaps, ablations and single seeds; routes that were not asked; claims in LaTeX, Markdown and CSV."""

from __future__ import annotations

import copy
import csv
import io
from typing import Any

from tests.latex import synthetic
from tests.latex.texcheck import problems, widths
from vlmunl.latex.ablations_table import ablations_table
from vlmunl.latex.claims import claims_csv, claims_markdown, claims_tex, not_supported
from vlmunl.latex.gap_table import gap_table
from vlmunl.latex.main_table import main_table
from vlmunl.latex.read import parse_results
from vlmunl.latex.results import Results
from vlmunl.latex.routes_table import routes_table
from vlmunl.latex.seeds_table import of_rows, seeds_table
from vlmunl.latex.table import Cell, Table
from vlmunl.latex.writers import to_csv, to_markdown, to_tex
from vlmunl.stages.configs import Variant

PAIR = {"npo": {"npo_wide": {"estimate": 0.79, "low": 0.5, "high": 1.0, "p": 1e-4, "p_holm": 4e-4, "n_seeds": 1}}}
VARIANTS = (
    Variant(name="npo", family="npo"),
    Variant(name="npo_wide", family="npo", differs="views wide"),
    Variant(name="idk", family="npo", differs="lr 0.1"),
)


def parsed(**more: Any) -> Results:
    return parse_results(copy.deepcopy(synthetic.results()) | {"comparisons": PAIR} | more)


def line(table: Table, name: str) -> tuple[Cell, ...]:
    return next(row for row in table.rows if row[0].raw[0] == name)


def test_what_the_canonical_question_misses() -> None:
    results = parsed()
    npo, row = line(gap_table(results), "npo"), results.row("npo")
    assert row is not None
    assert row.wcr is not None
    assert npo[3].raw == (row.wcr.gap,)
    assert npo[6].text == row.wcr.worst_route == "few_shot"
    assert npo[7].text == "few_shot"
    pending = line(gap_table(results), "idk")
    assert {cell.text for cell in pending[1:]} == {"pending"}
    assert problems(to_tex(gap_table(results))) == []


def test_forms_of_a_method_stand_against_the_first_by_the_paired_difference() -> None:
    table = ablations_table(parsed(), VARIANTS)
    first, wide, idk = (line(table, name) for name in ("npo", "npo_wide", "idk"))
    assert (first[4].text, first[5].text) == ("\u2013", "\u2013")
    assert (wide[4].text, wide[4].aside, wide[5].text) == ("-.79", "[-1.00, -.50]", "< .001")
    assert wide[1].text == "views wide"
    assert {cell.text for cell in idk[2:]} == {"pending"}
    declared, found = widths(to_tex(table))
    assert found == {declared}


def test_every_seed_has_its_line_with_figures_or_a_status() -> None:
    results = parsed()
    table = seeds_table(results, of_rows(results))
    assert len(table.rows) == len(results.rows) * len(results.seeds)
    npo = [row for row in table.rows if row[0].raw[0] == "npo"]
    assert [row[-1].text for row in npo] == ["recovers", "failed gate", "pending"]
    row = results.row("npo")
    assert row is not None
    assert row.wcr is not None
    assert row.wcr.cross_fit is not None
    assert npo[0][3].raw == (row.wcr.cross_fit.estimate, row.wcr.cross_fit.low, row.wcr.cross_fit.high)
    values = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert {value["wcr"] for value in values if value["model"] == "npo"} >= {"failed-gate", "pending"}
    assert all(value for row in values for key, value in row.items())


def test_the_least_and_what_cannot_be_told_from_it_are_marked() -> None:
    table = main_table(parsed(best={"method": "npo_wide", "alike": ["npo"], "apart": 3}))
    assert (line(table, "npo_wide")[2].emphasis, line(table, "npo")[2].emphasis) == ("strong", "alike")
    assert line(table, "klmin")[2].emphasis == "plain"
    assert r"\underline{" in to_tex(table)
    assert "<u>" in to_markdown(table)


def test_routes_that_were_not_asked_are_not_dead() -> None:
    document = copy.deepcopy(synthetic.results())
    nothing = {"live": False, "headroom": None}
    document["routes"][3] |= nothing | {"not_asked": "the benchmark has no pictures"}
    document["routes"][4] |= nothing | {"unjudged": "no fact passed the gate in the format cloze"}
    for row in document["rows"]:
        for route in (document["routes"][3]["id"], document["routes"][4]["id"]):
            if row["routes"]:
                row["routes"][route] = dict.fromkeys(("rho", "low", "high", "accuracy"))
    table = routes_table(parse_results(document))
    not_asked, unjudged = line(table, "para_indirect"), line(table, "cloze")
    assert not_asked[3].text == not_asked[4].text == "not asked"
    assert unjudged[3].text.startswith("not judged")
    assert any("no pictures" in note for note in table.marks)
    values = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [v["state"] for v in values if v["route"] in ("para_indirect", "cloze")] == ["not-asked", "not-judged"]
    assert {v["npo.rho"] for v in values if v["route"] == "para_indirect"} == {"not-asked"}
    assert any("1 further route not asked" in note for note in table.background)


def test_only_the_text_of_supported_claims_is_in_latex() -> None:
    results = parsed()
    tex, markdown = claims_tex(results), claims_markdown(results)
    for claim in results.claims:
        told = claim.text.rstrip(".")[:20]
        assert (told in tex) == (claim.state == "supported")
        assert claim.text[:20] in markdown
    assert "canonical_is_not_enough" not in "".join(not_supported(results))
    assert len(not_supported(results)) == len(results.claims) - 1
    rows = list(csv.DictReader(io.StringIO(claims_csv(results))))
    assert [row["state"] for row in rows] == [claim.state for claim in results.claims]
    assert "npo.wcr.lower=" in rows[0]["figures"]
