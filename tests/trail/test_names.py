"""Every name that the tables, the macros and the claims use leads to the number that stands there."""

from __future__ import annotations

import csv
import json
import re

import pytest

from vlmunl.errors import StudyError, UsageError
from vlmunl.latex.macros import Missing, figures, macro_names
from vlmunl.latex.numerals import decimal
from vlmunl.metrics.claims import parse
from vlmunl.metrics.claims_judge import judge
from vlmunl.trail.names import index_of, resolve
from vlmunl.trail.origin import open_origin
from vlmunl.trail.spellings import spellings


@pytest.fixture(scope="module")
def origin(finished):
    return open_origin(finished.store, finished.workspace.results("small"), "small")


@pytest.fixture(scope="module")
def find(origin):
    index, summary = index_of(spellings(origin.document, origin.parsed)), origin.summary()
    return lambda name: resolve(name, origin.document, index, summary)


def test_the_small_study_has_every_kind_of_gap(origin):
    rows = origin.document.rows
    assert {name: row["seeds"] for name, row in rows.items() if name not in ("base", "imprint", "gold", "placebo")} == {
        "ga": [0, 1],
        "npo": [0],
        "npo_wide": [],
    }
    assert origin.document.counted == (0, 1)
    assert origin.document.tree["seeds"]["2"]["status"] == "failed-gate"


def test_every_macro_of_numbers_tex_leads_to_its_number(finished, origin, find):
    text = (finished.workspace.generated("small") / "numbers.tex").read_text()
    macros = dict(re.findall(r"\\vlmdef\{small\}\{([^{}]+)\}\{(.*)\}", text))
    shown = {name: leaf for path, leaf in figures(origin.parsed) for name in macro_names(path)}
    assert set(macros) == set(shown)
    assert len(macros) > 400
    for name, leaf in shown.items():
        value = find(name).value
        assert find(f"\\vlmunl[small]{{{name}}}").path == find(name).path == find(f"\\vlmunl{{{name}}}").path
        if isinstance(leaf, Missing) or leaf is None:
            assert value is None, name
        elif isinstance(leaf, float):
            assert decimal(value) == decimal(leaf), name
        elif name.startswith("claims."):
            assert value is (leaf == "supported") or value is None, name
        elif isinstance(value, int | str) and not isinstance(value, bool):
            assert str(value).startswith(str(leaf)) or str(value).replace("-", " ") == leaf or leaf == value, name
        else:  # words for a flag, a list in one line
            assert isinstance(value, bool | list | type(None)), name


def test_every_name_that_claims_accept_leads_to_its_number(origin, find):
    rows, accepted = origin.document.rows, 0
    for path, value in origin.document.leaves(("rows",)):
        name = ".".join(path[1:])
        try:
            judge(parse(f"{name} > 0"), rows)
        except StudyError:
            continue  # no number: a text or a list
        accepted += 1
        target = find(name)
        assert target.path[: len(path)] == path
        assert target.value == value
    assert accepted > 300


def test_every_cell_of_every_table_leads_to_its_number(finished, find):
    lines = {
        **dict.fromkeys(("main", "gap", "utility", "ablations"), "{model}"),
        "routes": "{route}",
        "gate": "{seed}/{format}",
        "seeds": "{model}/{seed}",
    }
    named = ("model", "label", "reason", "trials", "seed")
    for table, line in lines.items():
        text = (finished.workspace.generated("small") / f"{table}.csv").read_text()
        for row in csv.DictReader(text.splitlines()):
            fields = [f for f in row if f not in ("group", "study", "catalogue")]
            for field in fields:
                target = find(f"{table}/{line.format(**row)}/{field}")
                if re.fullmatch(r"-?\d+\.\d+(e-\d+)?", row[field]):
                    assert float(row[field]) == target.value, (table, row, field)
                elif row[field] == "NA" or row.get("verdict") == "pending":
                    assert target.value in (None, "pending", []) or field in named, target


def test_lines_of_the_summary(origin, find):
    seen = {}
    for number, line in enumerate(origin.summary().splitlines(), 1):
        if not line or line[0] == "#" or line.startswith(("|---", "| model", "| seed")):
            with pytest.raises(UsageError, match="holds no figure"):
                find(f"summary:{number}")
            continue
        seen[line] = find(f"summary:{number}").path
    rows = [path for line, path in seen.items() if path[0] == "rows"]
    names = list(origin.document.rows)
    assert rows == [("rows", name) for name in names] + [("rows", name, "named") for name in names]
    gates = {path for path in seen.values() if path[0] == "seeds"}
    assert ("seeds", "2", "gate", "open", "headroom", "estimate") not in gates
    assert ("seeds", "2", "gate", "open") in gates
    assert [path for path in seen.values() if path[0] == "claims"] == [
        ("claims", "worse", "supported"),
        ("claims", "wide", "supported"),
    ]
    with pytest.raises(UsageError, match="none of number 999"):
        find("summary:999")


def test_headlines(find):
    assert find("npo.wcr").path == ("rows", "npo", "wcr", "cross_fit", "estimate")
    assert find("npo.wcr").low < find("npo.wcr").value < find("npo.wcr").high
    assert find("npo.canonical").name == "npo.canonical.estimate"
    assert find("npo_wide.wcr").value is None
    assert find("npo.routes.canonical").path[-1] == "rho"
    assert find("ga").is_group
    assert "main/npo/wcr" in find("npo.wcr").also


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("npo.wrc", "npo.wcr"),
        ("nop.wcr", "npo.wcr"),
        ("\\vlmunl{npo.wcr.lowr}", "npo.wcr.lower"),
        ("main/npo/wrc", "main/npo/wcr"),
        ("zzzzzz", "rows: base, imprint"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(find, name, near):
    with pytest.raises(UsageError) as caught:
        find(name)
    assert near in caught.value.hint
    assert json.dumps(name)[1:-1] in str(caught.value) or name in str(caught.value)
