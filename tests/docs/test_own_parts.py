"""The how-tos on methods, routes and benchmarks of one's own: their examples as they stand there, carried out."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.methods.test_plugins import call, installed
from vlmunl.benchmarks.known import KINDS
from vlmunl.manifests.known import known
from vlmunl.stages.configs import DataConfig

DOCS = Path(__file__).parents[2] / "docs"
STUDY = '[study]\nname = "mine"\nseeds = [0]\n[model]\nid = "tiny"\n'


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return found


def between(page: str, name: str) -> dict[str, str]:
    """File name -> text of the blocks between two marks of a page."""
    text = (DOCS / page).read_text().partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]
    assert text
    return dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL))


def _main(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    from vlmunl.__main__ import main

    with pytest.raises(SystemExit) as left:
        main(args)
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    for name in ("VLMUNL_WORKSPACE", "VLMUNL_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_method_written_in_a_study(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = blocks("howto-add-a-method.md", "toml")[0]
    (space / "mine.toml").write_text(STUDY + written)
    code, out, err = _main(capsys, "run", "mine.toml", "--dry-run")
    assert code == 0, err
    for name in tomllib.loads(written)["methods"]:
        assert f"unlearn/{name}/seed0" in out


def test_the_readme_has_no_other_example() -> None:
    readme = (DOCS.parent / "README.md").read_text()
    if "<!-- plugin:begin -->" in readme:
        shown = readme.partition("<!-- plugin:begin -->")[2].partition("<!-- plugin:end -->")[0]
        assert shown in (DOCS / "howto-add-a-method.md").read_text()


def test_entry_points_on_the_page_are_those_that_are_read() -> None:
    page = (DOCS / "howto-add-a-method.md").read_text()
    named = set(re.findall(r"^\| `(vlmunl\.\w+)` \|", page, re.MULTILINE))
    source = (DOCS.parent / "vlmunl" / "methods").rglob("*.py")
    read = {group for path in source for group in re.findall(r'"(vlmunl\.[a-z]+)"', path.read_text())}
    assert named == read


ASK = """
from vlmunl.benchmarks.fictitious import build
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.questions import questions
from vlmunl.stages.configs import DataConfig

people = build(DataConfig(people=6, forget=2, photos=5))
for name in ("letter", "letter_by_name"):
    one = next(iter(questions(CATALOGUE[name], people.forget[0], people.retain)))
    print(one.image_at is None, one.turns[-1].question)
"""


@pytest.mark.model
@pytest.mark.slow
def test_routes_of_a_package(space: Path) -> None:
    files = between("howto-add-a-route.md", "plugin")
    project = files.pop("pyproject.toml")
    installed(space, tomllib.loads(project)["project"]["name"], project, files)
    include = blocks("howto-add-a-route.md", "toml")[-1]
    (space / "mine.toml").write_text(
        STUDY + "[benchmark]\npeople = 6\nforget = 2\nphotos = 5\n[gate]\nmin_identities = 2\n[methods.ga]\n" + include
    )
    listed = call(space, "-m", "vlmunl", "routes", "letter")
    assert listed.returncode == 0, listed.stderr
    assert "Dear friend, tell me one thing. Where was this person born? Yours, Anna" in listed.stdout
    asked = call(space, "-c", ASK).stdout.splitlines()
    assert asked[0].startswith("False Dear friend, tell me one thing. ")
    assert re.fullmatch(r"True Dear friend, tell me one thing\. Where was \w+ \w+ born\? Yours, Anna", asked[1])
    shown = call(space, "-m", "vlmunl", "routes", "mine.toml", "--preview", "--route", "letter")
    assert shown.returncode == 0, shown.stderr
    assert "Dear friend" in (space / "preview" / "mine" / "routes.html").read_text()


PETS = [
    {
        "id": f"pet{i}",
        "name": f"{name} Bart",
        "forget": i < 2,
        "questions": [
            [f"What does {name} Bart eat?", food, [f"Name the food of {name} Bart."], ["gold", "air"]],
            [f"Where does {name} Bart sleep?", place, [], ["on the moon"]],
        ],
    }
    for i, (name, food, place) in enumerate(
        [
            ("Rex", "fish", "in a box"),
            ("Tom", "rice", "on a mat"),
            ("Ida", "bread", "in a bed"),
            ("Lou", "corn", "in a hat"),
        ]
    )
]


def test_a_benchmark_of_ones_own(
    space: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (name, text), *others = between("howto-add-a-benchmark.md", "benchmark").items()
    assert (name, others) == ("pets.py", [])
    (space / name).write_text(text)
    (space / "pets").mkdir()
    (space / "pets" / "pets.json").write_text(json.dumps(PETS))
    monkeypatch.syspath_prepend(space)
    monkeypatch.delitem(sys.modules, "pets", raising=False)
    import pets  # type: ignore[import-not-found]

    monkeypatch.setitem(KINDS, "pets", pets.KIND)
    monkeypatch.setattr("vlmunl.manifests.load.known", lambda: replace(known(), benchmarks=tuple(KINDS)))
    config = DataConfig(benchmark="pets", limit=1)
    made = pets.KIND.read(config, space / "pets")
    assert [i.id for i in (*made.forget, *made.retain)] == ["pet0", "pet2"]
    assert pets.KIND.count(config, space / "pets") == (2, 1)
    fact = made.forget[0].facts[0]
    assert [p.ask("it") for p in fact.of("open", held=False)] == ["What does it eat?"]
    assert [p.ask("Rex") for p in fact.of("open", held=True)] == ["Name the food of Rex."]
    study = blocks("howto-add-a-benchmark.md", "toml")[-1]
    gate = "[gate]\nmin_identities = 2\n[routes]\nset = 'core'\n"
    (space / "mine.toml").write_text(STUDY + study + gate + "[methods.ga]\n")
    code, out, err = _main(capsys, "run", "mine.toml", "--dry-run")
    assert code == 0, err
    assert out.startswith("mine  tiny + 4 identities of pets (2 to forget), ")
    code, out, _ = _main(capsys, "benchmarks", "pets")
    assert code == 0
    assert "Too few for any claim." in out
    (space / "pets" / "pets.json").write_text("[")
    assert _main(capsys, "run", "mine.toml", "--dry-run")[0] == 1
