"""The table on the terminal: within 100 columns, the same in plain text, nothing missing unsaid."""

from __future__ import annotations

import copy
import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.latex import synthetic
from vlmunl.latex import terminal
from vlmunl.latex.read import parse_results


def wide() -> synthetic.Json:
    """The longest of everything."""
    document = copy.deepcopy(synthetic.crowded())
    for i, row in enumerate(document["rows"]):
        row["label"] = f"[bold]\u7532\u4e59{i} with a name that does not end\x1b[31m"
        row["verdict"] = "not assessable (no live route)" if i % 2 else "no recovery shown"
        for part in ("canonical", "cross_fit"):
            holder = row if part == "canonical" else row["wcr"] or {}
            holder[part] = {"estimate": -1.234, "low": -2.345, "high": -0.123}
    return document


@pytest.mark.parametrize("document", [synthetic.results(), synthetic.minimal(), synthetic.crowded(), wide()])
def test_it_fits_and_cuts_nothing_but_names(document: synthetic.Json) -> None:
    results = parse_results(document)
    text = terminal.plain(results)
    assert max(map(cell_len, text.split("\n"))) <= terminal.WIDTH
    out = io.StringIO()
    Console(file=out, width=terminal.WIDTH).print(terminal.render(results))
    assert [line.split() for line in out.getvalue().rstrip("\n").split("\n")] == [
        line.split() for line in text.split("\n")
    ]
    assert "\x1b" not in text + "".join(terminal.notes(results))


def test_what_is_shown() -> None:
    results = parse_results(synthetic.results())
    lines = terminal.plain(results).split("\n")
    npo = next(line for line in lines if line.startswith("NPO "))
    assert npo.split()[1:] == [".02", "[-.04", ".08]", ".84", "[.75", ".93]", "few_shot", ".71", ".97", "recovers"]
    assert next(line for line in lines if line.startswith("IDK")).split()[2:4] == ["pending", "pending"]
    notes = terminal.notes(results)
    assert "seed 1: failed gate (open headroom .11): open D=.11 (> .02) failed" in "\n".join(notes)
    assert notes[-1] == "routes: 19 live of 22; catalogue 8c1f8c1f8c1f, tiers T0"


def test_roles_stand_around_the_methods() -> None:
    lines = terminal.plain(parse_results(synthetic.results())).split("\n")
    assert [line.split()[0] for line in (lines[1], lines[2], lines[-2], lines[-1])] == [
        "Base",
        "Imprint",
        "Gold",
        "Placebo",
    ]
