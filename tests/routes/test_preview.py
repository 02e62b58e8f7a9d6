"""The contact sheet: what is on it is what is sent, both files are whole, and the command finds the study's people."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.models.images import decode
from vlmunl.models.locate import TINY
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.preview import PICTURE, Preview, chat_of, preview
from vlmunl.routes.preview_html import page
from vlmunl.routes.preview_png import COLUMNS, SIDE, WIDE, sheet

pytestmark = pytest.mark.model
REPO = Path(__file__).parents[2]
STUDY = """
[study]
name = "s"
seeds = [0]
[model]
id = "tiny"
[benchmark]
people = 6
forget = 2
photos = 5
[gate]
min_identities = 2
[methods.ga]
"""


@pytest.fixture(scope="module")
def made(benchmark_small: Benchmark) -> Preview:
    chosen = ("canonical", "new_photo", "text_only", "chain", "prefix", "choice_rotated", "language_fr", "few_shot")
    return preview("A & B", [CATALOGUE[r] for r in chosen], benchmark_small, chat_of(TINY), 2)


def test_every_variant_is_shown_on_every_item(made: Preview) -> None:
    assert made.skipped == ()
    assert len(made.shown) == 2 * (1 + 3 + 1 + 1 + 1 + 4 + 1 + 1)
    assert len({(s.question.identity.id, s.question.attribute) for s in made.shown}) == 2


def test_prompts_are_the_tokens_that_are_sent(made: Preview) -> None:
    prompts = {s.route.id: s.prompt for s in made.shown if s.question.attribute == "birthplace"}
    assert prompts["canonical"] == "<s><user>[picture] Where was this person born?<assistant>"
    assert PICTURE not in prompts["text_only"]
    assert prompts["chain"].count("(the model's own reply)") == 2
    assert prompts["prefix"].endswith("<assistant> The answer is")
    assert "née" in prompts["language_fr"]
    assert prompts["few_shot"].count("<user>") == 4


def test_pictures_are_those_of_the_route(made: Preview, benchmark_small: Benchmark) -> None:
    first, *_ = made.shown
    assert first.picture is not None
    assert first.picture.tobytes() == decode(benchmark_small.forget[0].photos[0]).tobytes()
    photos = [s.picture.tobytes() for s in made.shown if s.route.id == "new_photo" and s.picture is not None]
    assert len(set(photos)) == 6
    assert all(s.picture is None for s in made.shown if s.route.id == "text_only")


def test_what_cannot_be_shown_is_named(benchmark_small: Benchmark) -> None:
    from dataclasses import replace

    lacking = replace(CATALOGUE["para_4"], id="lacking", ask=(99,))
    found = preview("t", [lacking, CATALOGUE["flip"]], benchmark_small, chat_of(TINY), 1)
    assert [s.route.id for s in found.shown] == ["flip"]
    assert found.skipped == ("route lacking: the benchmark has no wording open:99 of birthplace",)


def test_the_page_is_self_contained_and_whole(made: Preview) -> None:
    text = page(made)
    assert "<title>A &amp; B</title>" in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "prefers-color-scheme: dark" in text
    for shown in made.shown:
        assert shown.prompt in unescape(text)
        assert f'<span class="answer">{shown.question.answer}</span>' in text
    data = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(data) == sum(s.picture is not None for s in made.shown)
    assert Image.open(io.BytesIO(base64.b64decode(data[0]))).size == (64, 64)
    assert page(made) == text


def test_the_sheet_has_a_cell_for_each_question(made: Preview) -> None:
    data = sheet(made)
    image = Image.open(io.BytesIO(data))
    rows = -(-len(made.shown) // COLUMNS)
    assert image.width == COLUMNS * WIDE
    assert image.height >= rows * SIDE
    assert sheet(made) == data
    corner = image.crop((12, 52, 12 + SIDE, 52 + SIDE))
    assert made.shown[0].picture is not None
    assert corner.tobytes() == made.shown[0].picture.resize((SIDE, SIDE), Image.Resampling.NEAREST).tobytes()


def test_an_empty_sheet_can_be_written() -> None:
    assert Image.open(io.BytesIO(sheet(Preview("t", (), ())))).width == COLUMNS * WIDE


def _call(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "VLMUNL_WORKSPACE": str(folder)}
    command = [sys.executable, "-m", "vlmunl", *args]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "s.toml").write_text(STUDY)
    return tmp_path


def test_the_command_writes_both_files_without_a_store(space: Path) -> None:
    done = _call(space, "routes", "s", "--preview", "--family", "few_shot", "--items", "2", "--to", "out", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["routes"], document["questions"], document["skipped"]) == (2, 4, [])
    assert document["files"] == ["out/routes.html", "out/routes.png"]
    assert (space / "out" / "routes.html").read_text().count('class="card"') == 4
    assert Image.open(space / "out" / "routes.png").format == "PNG"
    assert not (space / "store").exists(), "looking writes nothing into the store"


def test_a_stored_benchmark_is_used(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlmunl.commands import routes
    from vlmunl.commands.session import Session
    from vlmunl.manifests.external import base_model
    from vlmunl.manifests.load import load_study
    from vlmunl.manifests.plan import plan
    from vlmunl.stage import run_stage
    from vlmunl.store import Store

    study = load_study(space / "manifests" / "s.toml")
    planned, store = plan(study, base_model(study, space)), Store.open(space / "store")
    session = Session(options=None, out=None, workspace=None, store=store, plan=planned)  # type: ignore[arg-type]
    fresh = routes._benchmark(session)
    cell = planned.by_name["data"]
    run_stage(cell.stage, cell.config, {}, store, cell="data")
    monkeypatch.setattr("vlmunl.stages.data.run", lambda config, ctx: pytest.fail("made again"))
    assert routes._benchmark(session).forget == fresh.forget


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--to", "out"), "for example: vlmunl routes quick --preview"),
        (("--items", "2"), "for example: vlmunl routes quick --preview"),
        (("--tier", "T9"), "unknown tier 'T9'"),
        (("--family", "geometri"), "did you mean 'geometry'?"),
        (("tex_only",), "did you mean 'text_only'?"),
        (("s", "--preview", "--route", "scene"), "the study s does not ask by the route 'scene'"),
        (("s", "--preview", "--route", "scenes"), "unknown route 'scenes'"),
    ],
)
def test_what_is_typed_wrongly_is_named(space: Path, args: tuple[str, ...], message: str) -> None:
    done = _call(space, "routes", *args)
    assert done.returncode == 2
    assert message in done.stderr


def test_lists_by_tier_and_family(space: Path) -> None:
    done = _call(space, "routes", "--tier", "T0", "--family", "few_shot", "--json")
    document = json.loads(done.stdout)
    assert {r["id"] for r in document["routes"]} == {"few_shot", "few_shot_image", "few_shot_1", "few_shot_6"}
    assert all(r["budget"] == 1 and r["leak"] == "" for r in document["routes"])
