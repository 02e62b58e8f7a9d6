"""Plug-ins: the example of docs/routes.md as it stands there, and what a plug-in's code and version reach."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.methods.test_plugins import call, installed

REPO = Path(__file__).parents[2]
STUDY = """
[study]
name = "s"
seeds = [0]
[model]
id = "tiny"
[methods.ga]
"""
LOAD = """
from pathlib import Path
from vlmunl.manifests.known import known
from vlmunl.manifests.checks import select
from vlmunl.manifests.load import load_study
names = known()
chosen = select(load_study(Path('s.toml')).routes, names)
print(len(chosen), 'mosaic' in [r.id for r in chosen], names.catalogue_hash(chosen))
"""
ASK = """
from vlmunl.benchmarks.fictitious import build
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import questions
from vlmunl.stages.configs import DataConfig

people = build(DataConfig(people=6, forget=2, photos=5))
pictures, person = Pictures(people.retain), people.forget[0]
asked = list(questions(CATALOGUE["{route}"], person, people.retain))
picture = pictures.image(pictures.of(person, asked[0].image))
print(picture.size, len(set(picture.getdata())), [tuple(t) for t in asked[0].turns], asked[0].answer)
"""
WORDS = """
from vlmunl.models.chat import Turn
from vlmunl.routes.route import Route

ROUTES = [
    Route(id="hum", family="hum", modality="textual", description="d", source="mine", version={version},
          rewrite=("own_words.hum:la", "shout"), context="own_words.told | name_given"),
]


def hum(draft, what):
    return f"{{what}}, {{draft.text}}"


def told(draft):
    yield Turn(f"Is {{draft.identity.name}} nice?", "Yes")
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A folder in which the package of docs/routes.md is installed."""
    text = (REPO / "docs" / "routes.md").read_text()
    text = text.partition("<!-- plugin:begin -->")[2].partition("<!-- plugin:end -->")[0]
    blocks = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL))
    assert sum(bool(line.strip()) for block in blocks.values() for line in block.splitlines()) <= 20
    project = blocks.pop("pyproject.toml")
    installed(tmp_path, tomllib.loads(project)["project"]["name"], project, blocks)
    (tmp_path / "s.toml").write_text(STUDY)
    return tmp_path


def _words(folder: Path, version: int = 1) -> None:
    project = '[project.entry-points."vlmunl.routes"]\nown = "own_words:ROUTES"\n'
    if (folder / "own_words.py").exists():
        (folder / "own_words.py").write_text(WORDS.format(version=version))
    else:
        installed(folder, "own-words", project, {"own_words.py": WORDS.format(version=version)})


def test_the_example_is_listed_and_explained(example: Path) -> None:
    done = call(example, "-m", "vlmunl", "routes", "mosaic")
    assert done.returncode == 0, done.stderr
    assert re.search(r"picture +photo:0 \| vlmunl_mosaic.mosaic:8", done.stdout)
    assert re.search(r"plug-in +vlmunl_mosaic:ROUTE", done.stdout)
    assert "mosaic" in call(example, "-m", "vlmunl", "routes", "--family", "mosaic").stdout


@pytest.mark.model
def test_the_example_draws(example: Path) -> None:
    done = call(example, "-c", ASK.format(route="mosaic"))
    assert done.returncode == 0, done.stderr
    size, colours = re.match(r"(\(\d+, \d+\)) (\d+)", done.stdout).groups()  # type: ignore[union-attr]
    assert size == "(64, 64)"
    assert 1 < int(colours) <= 64, "8 by 8 squares"


@pytest.mark.model
def test_a_plug_ins_rewrite_and_context_are_said(example: Path) -> None:
    _words(example)
    done = call(example, "-c", ASK.format(route="hum"))
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"\('Is (\w+ \w+) nice\?', 'Yes'\), \('The person in the picture is called \1\. LA, WH", done.stdout
    )


def _chosen(folder: Path, extra: str = "") -> list[str]:
    (folder / "s.toml").write_text(STUDY + extra)
    done = call(folder, "-c", LOAD)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_plug_ins_route_is_asked_where_it_is_included_and_nowhere_else(example: Path) -> None:
    core, full = _chosen(example), _chosen(example, '[routes]\nset = "full"\n')
    assert (core[:2], full[1]) == (["40", "False"], "False")
    with_it = _chosen(example, '[routes]\ninclude = ["mosaic"]\n')
    assert with_it[:2] == ["41", "True"]
    assert with_it[2] != core[2]


def test_the_code_version_of_a_plug_in_enters_the_hash(example: Path) -> None:
    hashes = []
    for version in (1, 2):
        _words(example, version)
        hashes.append(_chosen(example, '[routes]\ninclude = ["hum"]\n')[2])
    assert len(set(hashes)) == 2


def test_a_study_of_built_in_routes_never_looks_at_plug_ins(example: Path) -> None:
    project = '[project.entry-points."vlmunl.routes"]\na = "loud:A"'
    installed(example, "loud", project, {"loud.py": "print('looked')"})
    for extra in ("", '[routes]\nset = "full"\n', '[routes]\nexclude = ["crop"]\nheld_out = ["choice"]\n'):
        assert "looked" not in _chosen(example, extra)
    assert "looked" not in call(example, "-m", "vlmunl", "routes", "crop").stdout


def test_a_broken_plug_in_is_named_and_in_nobodys_way(example: Path) -> None:
    project = '[project.entry-points."vlmunl.routes"]\nbroken = "broken_one:ROUTE"\n'
    installed(example, "broken-one", project, {"broken_one.py": "from vlmunl.routes.catalogue import CATALOGUE\n"
                                               "ROUTE = CATALOGUE['crop']"})  # fmt: skip
    listed = call(example, "-m", "vlmunl", "routes")
    assert listed.returncode == 0, listed.stderr
    assert "mosaic" in listed.stdout
    (line,) = listed.stderr.splitlines()
    assert line.startswith("the plug-in broken_one:ROUTE (vlmunl.routes) cannot be used: it declares 'crop'")


@pytest.mark.model
def test_code_that_is_not_there_is_named(example: Path) -> None:
    text = (example / "vlmunl_mosaic.py").read_text()
    (example / "vlmunl_mosaic.py").write_text(text.replace("def mosaic", "def other"))
    done = call(example, "-c", ASK.format(route="mosaic"))
    assert "the code at 'vlmunl_mosaic:mosaic' cannot be loaded" in done.stderr.splitlines()[-1]
