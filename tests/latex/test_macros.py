"""Number macros: one name per figure, nothing blank, and all that the paper asks for."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from tests.latex import synthetic
from tests.latex.texcheck import problems
from vlmunl.errors import StudyError
from vlmunl.latex.macros import macro_name, numbers_tex
from vlmunl.latex.read import parse_results

PAPER = Path(__file__).parents[2] / "latex"
_MACRO = re.compile(r"\\newcommand\{\\(vlm[A-Za-z]+)\}\{(.*)\}")


def macros(document: synthetic.Json) -> list[tuple[str, str]]:
    text = numbers_tex(parse_results(document))
    assert problems(text) == []
    return _MACRO.findall(text)


@pytest.mark.parametrize("document", [synthetic.results(), synthetic.minimal(), synthetic.crowded()])
def test_names_are_unique_letters_and_values_never_blank(document: synthetic.Json) -> None:
    found = macros(document)
    assert len(found) == len({name for name, _ in found}) == numbers_tex(parse_results(document)).count(r"\newcommand")
    assert all(value for _, value in found)


def test_values() -> None:
    found = dict(macros(synthetic.results()))
    assert found["vlmNpoWcrLower"] == ".71"
    assert found["vlmNpoWideCanonical"] == "$-$.01"
    assert found["vlmIdkWcrLower"] == r"\vlmmissing{pending}"
    assert found["vlmGoldWcrLower"] == "\u2013"
    assert found["vlmSeedOneStatus"] == "failed gate"
    assert found["vlmNIdentities"] == "16"


def test_nothing_measured_is_never_a_number() -> None:
    found = dict(macros(synthetic.minimal()))
    assert found["vlmNIdentities"] == found["vlmNpoWcrCrossFit"] == found["vlmRoutesLive"] == r"\vlmmissing{pending}"


def test_two_figures_of_one_name_are_refused() -> None:
    document = copy.deepcopy(synthetic.results())
    document["rows"].append(copy.deepcopy(document["rows"][-1]) | {"name": "IDK."})
    document["rows"].append(copy.deepcopy(document["rows"][-1]) | {"name": "IDK"})
    assert macro_name(("a", "b1")) == "vlmABOne"
    with pytest.raises(StudyError, match="share the macro"):
        numbers_tex(parse_results(document))


def test_a_path_without_letters_has_no_name() -> None:
    with pytest.raises(StudyError):
        macro_name(("\u7532",))


def test_the_paper_asks_for_macros_and_files_that_exist() -> None:
    text = (PAPER / "paper.tex").read_text()
    names = {name for name, _ in macros(synthetic.results())}
    asked = set(re.findall(r"\\num\{([A-Za-z]+)\}", text))
    assert asked
    assert {f"vlm{name}" for name in asked} <= names
    bibliography = (PAPER / "references.bib").read_text()
    cited = {key for group in re.findall(r"\\citep?\{([^}]*)\}", text) for key in group.split(",")}
    assert cited == set(re.findall(r"@\w+\{(\w+),", bibliography))
    assert not re.search(r"\d\.\d", text.split(r"\begin{document}")[1])  # no number is typed by hand
