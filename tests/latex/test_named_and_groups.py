"""The named metrics' table, and methods at inference only, which stand apart wherever methods stand."""

from __future__ import annotations

import copy
import csv
import io
from typing import Any

import pytest

from tests.latex import synthetic
from vlmunl.latex import terminal
from vlmunl.latex.macros import numbers_tex
from vlmunl.latex.main_table import main_table
from vlmunl.latex.named_table import named_table
from vlmunl.latex.numerals import decimal
from vlmunl.latex.read import parse_results
from vlmunl.latex.results import AT_INFERENCE
from vlmunl.latex.routes_table import routes_table
from vlmunl.latex.utility_table import utility_table
from vlmunl.latex.writers import to_csv


def document() -> Any:
    """The full document in which the method in the middle, GradDiff, works at inference only."""
    found = copy.deepcopy(synthetic.results())
    next(row for row in found["rows"] if row["name"] == "graddiff")["group"] = "inference"
    return found


@pytest.mark.parametrize("build", [main_table, utility_table, named_table])
def test_methods_at_inference_have_a_group_with_the_caveat(build: Any) -> None:
    groups = build(parse_results(document())).groups
    assert [group.title for group in groups] == ["references", "methods", AT_INFERENCE]
    assert [row[0].text for row in groups[2].rows] == ["GradDiff"]
    assert "GradDiff" not in [row[0].text for row in groups[1].rows]
    assert "weights still hold the knowledge" in groups[2].title


def test_a_study_without_them_shows_no_empty_group() -> None:
    assert AT_INFERENCE not in to_csv(main_table(parse_results(synthetic.results())))


def test_the_route_table_has_their_column_last_and_marked() -> None:
    columns = routes_table(parse_results(document())).columns
    assert columns[-1].fields[0] == "graddiff.rho"
    assert "weights still hold" in columns[-1].note


def test_the_terminal_sets_them_apart_and_says_why() -> None:
    results = parse_results(document())
    lines = [line.split()[0] for line in terminal.plain(results).split("\n")]
    at = lines.index("at")
    assert lines[at + 1 : at + 3] == ["GradDiff", "Gold"]
    assert f"GradDiff: {AT_INFERENCE}" in terminal.notes(results)
    assert "at" not in [line.split()[0] for line in terminal.plain(parse_results(synthetic.results())).split("\n")]


def test_the_capped_figures_stand_beside_what_they_cap() -> None:
    table = named_table(parse_results(synthetic.results()))
    headers = [column.header.replace("\n", " ") for column in table.columns]
    assert headers[1:5] == ["forget perplexity", "over imprint", "over gold", "Forget Efficacy"]
    line = {
        h: cell.text for h, cell in zip(headers, next(r for r in table.rows if r[0].text == "Retrain"), strict=True)
    }
    assert line["Forget Efficacy"] == "97"
    assert table.rows[0][2].text == "1.0e6"  # of no use in digits


def test_the_csv_keeps_every_bound() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(named_table(parse_results(synthetic.results()))))))
    npo = next(row for row in rows if row["model"] == "npo")
    assert float(npo["mia_auc_low"]) < float(npo["mia_auc"]) < float(npo["mia_auc_high"])
    assert npo["mia_gold_gap_low"] == "NA"


def test_macros_have_the_figures_and_the_trials() -> None:
    text = numbers_tex(parse_results(synthetic.results()))
    assert r"\vlmdef{quick}{npo.named.forget_efficacy}{16.00}" in text
    assert r"\vlmdef{quick}{npo.named.mia_auc.low}" in text
    assert r"\vlmdef{quick}{npo.trials}{1}" in text
    assert r"\vlmdef{quick}{idk.named.mia_auc}{\vlmmissing{pending}}" in text


def test_trials_and_what_was_chosen_on_whom_are_told() -> None:
    found = document()
    npo = next(row for row in found["rows"] if row["name"] == "npo")
    npo |= {"trials": 6, "tried": [{"seed": 0, "trial": 2, "settings": "lr=0.002 beta=0.1"}]}
    found["policy"]["tuning"] = {"people": 4, "families": ["canonical", "visual"], "budget": 6, "score": "worst"}
    table = main_table(parse_results(found))
    at = [column.header for column in table.columns].index("trials")
    cell = next(row for row in table.rows if row[0].text == "NPO")[at]
    assert (cell.text, cell.raw) == ("6", (6,))
    assert cell.note == "NPO, settings chosen: seed 0: lr=0.002 beta=0.1"
    assert any("4 further people to forget, who are in no figure here" in note for note in table.notes)
    assert not any("Trials:" in note for note in main_table(parse_results(document())).notes)


@pytest.mark.parametrize(
    ("value", "text"), [(99999.0, "99999.00"), (1e5, "1.0e5"), (-1234567.0, "-1.2e6"), (0.5, ".50")]
)
def test_large_numbers_are_powers_of_ten(value: float, text: str) -> None:
    assert decimal(value) == text
