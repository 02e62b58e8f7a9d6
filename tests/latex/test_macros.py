"""Number macros: one name per figure, nothing blank, and all that the paper asks for."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from tests.latex import synthetic
from tests.latex.texcheck import problems
from vlmunl.errors import StudyError
from vlmunl.latex.macros import macro_names, numbers_tex
from vlmunl.latex.read import parse_results

PAPER = Path(__file__).parents[2] / "latex"
_MACRO = re.compile(r"\\vlmdef\{([^{}]+)\}\{([^{}]+)\}\{(.*)\}")


def macros(document: synthetic.Json) -> list[tuple[str, str]]:
    text = numbers_tex(parse_results(document))
    found = _MACRO.findall("\n".join(line for line in text.splitlines() if line.startswith(r"\vlmdef")))
    assert {study for study, _, _ in found} == {document["study"]}
    return [(name, value) for _, name, value in found]


@pytest.mark.parametrize("document", [synthetic.results(), synthetic.minimal(), synthetic.crowded()])
def test_names_are_unique_and_values_never_blank(document: synthetic.Json) -> None:
    found = macros(document)
    lines = numbers_tex(parse_results(document)).splitlines()
    assert len(found) == len({name for name, _ in found}) == sum(line.startswith(r"\vlmdef") for line in lines)
    assert all(value for _, value in found)
    assert all(problems(rf"\textbf{{{value}}}") == [] for _, value in found)


def test_values() -> None:
    found = dict(macros(synthetic.results()))
    assert found["npo.wcr.lower"] == ".71"
    assert found["npo.wcr"] == found["npo.wcr.cross_fit"] == found["npo.wcr.cross_fit.estimate"]
    assert found["npo_wide.canonical"] == found["npo_wide.canonical.estimate"] == "$-$.01"
    assert found["idk.wcr.lower"] == r"\vlmmissing{pending}"
    assert found["gold.wcr.lower"] == "\u2013"
    assert found["seeds.1.status"] == "failed gate"
    assert found["n.identities"] == "16"
    assert (found["claims.wide_is_robust"], found["claims.canonical_is_not_enough"]) == ("undecided", "supported")


def test_the_names_are_those_of_trace() -> None:
    from vlmunl.trail.document import Document
    from vlmunl.trail.spellings import spellings

    raw = synthetic.results()
    known = {name for name, _ in spellings(Document.of(raw), parse_results(raw))}
    assert {name for name, _ in macros(raw)} <= known


def test_nothing_measured_is_never_a_number() -> None:
    found = dict(macros(synthetic.minimal()))
    assert found["n.identities"] == found["npo.wcr"] == found["catalogue.n_live"] == r"\vlmmissing{pending}"


def test_two_figures_of_one_name_are_refused() -> None:
    document = copy.deepcopy(synthetic.results())
    document["rows"].append(copy.deepcopy(document["rows"][-1]) | {"name": "n", "routes": {}})
    document["n"] |= {"label": 1}
    document["rows"].append(copy.deepcopy(document["rows"][-1]))
    assert macro_names(("npo", "wcr", "cross_fit", "estimate"))[-1] == "npo.wcr"
    with pytest.raises(StudyError, match=r"would both be \\vlmunl"):
        numbers_tex(parse_results(document))


def test_a_name_that_tex_cannot_hold_is_refused() -> None:
    document = copy.deepcopy(synthetic.results())
    document["rows"][-1]["name"] = "50%"
    with pytest.raises(StudyError, match="no macro can be called"):
        numbers_tex(parse_results(document))


def sources() -> str:
    return "\n".join(path.read_text() for path in [*sorted(PAPER.glob("*.tex")), *sorted(PAPER.glob("sections/*.tex"))])


def test_the_paper_types_no_number_and_cites_what_it_lists() -> None:
    text = re.sub(r"(?<!\\)%.*", "", sources())
    bibliography = (PAPER / "references.bib").read_text()
    cited = {key for group in re.findall(r"\\citep?\{([^}]*)\}", text) for key in group.split(",")}
    assert cited == set(re.findall(r"@\w+\{(\w+),", bibliography))
    for part in ("abstract", "introduction", "measure", "results", "limits"):
        body = re.sub(r"\\vlmunl(\[\w+\])?\{[^}]*\}", "", (PAPER / f"sections/{part}.tex").read_text())
        body = re.sub(r"\\begin\{minipage\}.*|\\cite\w*\{[^}]*\}", "", body)
        assert not re.search(r"\d*\.\d|\b\d\d+\b", body.replace("sha256", "")), part


def test_the_paper_asks_for_figures_that_exist() -> None:
    """Of the rows that the paper names, every figure is one of `numbers.tex`; their names are those of quick."""
    raw = copy.deepcopy(synthetic.results())
    tail = {name.partition(".")[2] for name, _ in macros(raw)}
    whole = {name for name, _ in macros(raw)}
    asked = re.findall(r"\\(?:vlmunl|ci)\{([^}#]*)\}", sources())
    assert len(asked) > 20
    beside = ("evidence.", "comparisons.", "oracle.")
    for name in asked:
        assert name in whole or name.partition(".")[2] in tail or name.startswith(beside), name
