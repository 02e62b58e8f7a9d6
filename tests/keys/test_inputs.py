"""What lies outside the study file: the base model's bytes, pictures, the words that code writes, equal outcomes."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

from tests.keys import pretend
from tests.keys.reach import STUDY
from vlmunl.benchmarks import wording
from vlmunl.keys import digest_file
from vlmunl.manifests import external
from vlmunl.manifests.plan import plan
from vlmunl.stage import External
from vlmunl.stages import prompts

FILES = {
    "config.json": "{}",
    "chat_template.jinja": "{% for m in messages %}{{ m.content }}{% endfor %}",
    "processor_config.json": '{"image_processor": {"size": 64, "image_mean": [0.5, 0.5, 0.5]}}',
    "tokenizer.json": '{"model": {"vocab": {"a": 1}}}',
    "generation_config.json": '{"eos_token_id": 1}',
    "model.safetensors": "\x00" * 64,
    "parts/model-00002.safetensors": "\x01" * 64,
}


@pytest.fixture
def space(tmp_path):
    (tmp_path / "s.toml").write_text(STUDY)
    for name, text in FILES.items():
        file = tmp_path / "base" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.fixture
def study(space):
    return pretend.study(space / "s.toml")


def planned(study, space):
    """The plan on the base model as it lies on the disk now."""
    external._hashed.cache_clear()
    return plan(study, external.base_model(study, space))


def using_the_base(given):
    return {cell.name for cell in given.cells if any(isinstance(i, External) for i in cell.inputs.values())}


def assert_every_use_of_the_base_changes(before, study, space):
    after = planned(study, space)
    expected = pretend.downstream(before, using_the_base(before)) - {"eval/retrain/seed1"}
    assert pretend.changed(pretend.keys(before), pretend.keys(after)) == expected
    assert "data" not in expected
    assert {"imprint/gold/seed0", "eval/base", "gate/seed0", "aggregate", "tables"} < expected


@pytest.mark.parametrize("name", FILES)
def test_one_byte_of_weights_template_or_processor_reaches_all_that_loads_the_model(space, study, name):
    before = planned(study, space)
    file = space / "base" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert_every_use_of_the_base_changes(before, study, space)


@pytest.mark.parametrize("change", ["added", "removed", "renamed"])
def test_a_file_more_or_less_or_under_another_name_does_too(space, study, change):
    before = planned(study, space)
    file = space / "base" / "tokenizer.json"
    if change == "added":
        (space / "base" / "chat_templates.json").write_text("{}")
    elif change == "removed":
        file.unlink()
    else:
        file.rename(file.with_name("tokenizer.bak"))
    assert_every_use_of_the_base_changes(before, study, space)


def test_where_the_base_lies_how_it_may_be_read_and_when_it_was_written_change_nothing(space, study):
    before = pretend.keys(planned(study, space))
    (space / "base" / ".cache" / "huggingface").mkdir(parents=True)
    (space / "base" / ".cache" / "huggingface" / "base.metadata").write_text("downloaded yesterday")
    for file in (space / "base").rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o700)
    elsewhere = space / "far" / "away"
    elsewhere.mkdir(parents=True)
    (space / "base").rename(elsewhere / "base")
    assert pretend.keys(planned(study, elsewhere)) == before
    (space / "base").symlink_to(elsewhere / "base")
    assert pretend.keys(planned(study, space)) == before


def benchmark_file(folder: Path, photo: bytes) -> str:
    """sha256 of a stored benchmark of two people, one of whom has this photo."""
    from vlmunl.benchmarks.schema import Benchmark, Identity, save

    def person(i: int, photo: bytes) -> Identity:
        parts = {"name": f"n{i}", "description": "", "train_photos": 1, "facts": (), "name_prompts": ()}
        return Identity(id=f"p{i}", split="forget" if i else "retain", photos=(photo,), **parts)

    people = (person(0, b"another photo"), person(1, photo))
    save(Benchmark(name="b", identities=people, replay=(), general=()), folder / "b.parquet")
    return digest_file(folder / "b.parquet").sha256


def test_one_byte_of_one_picture_reaches_all_that_reads_the_benchmark(space, study):
    given = planned(study, space)
    hashes = [benchmark_file(space, photo) for photo in (b"photo 1", b"photo 1", b"photo 2")]
    assert hashes[0] == hashes[1]
    keys = [pretend.keys(given, {"data": sha256}) for sha256 in hashes]
    assert keys[0] == keys[1]
    expected = pretend.downstream(given, {"data"}) - {"data", "eval/retrain/seed1"}
    assert pretend.changed(keys[0], keys[2]) == expected


def test_equal_bytes_upstream_are_equal_keys_downstream_whatever_made_them(space, study):
    """Early cut-off: a change that makes no difference to what a cell writes stops at that cell."""
    other = pretend.study(space / "s.toml", ("imprint.lr=0.5",))
    plans = [plan(s, pretend.BASE) for s in (study, other)]
    taught = {c.name for c in plans[0].cells if c.stage.name == "imprint" or c.name.startswith("unlearn/retrain")}
    keys = [pretend.keys(p, dict.fromkeys(taught, "the same")) for p in plans]
    # the list of evidence names the records, so the results are made anew, and nothing between
    assert pretend.changed(*keys) == taught | {"aggregate", "tables"}


@pytest.fixture
def forgetful():
    """Digests are remembered per process; forget them before and after."""

    def forget():
        prompts.wordings.cache_clear()
        prompts.asking.cache_clear()

    forget()
    yield forget
    forget()


@pytest.mark.parametrize("name", ["MCQ_FRAMES", "CLOZE_FRAMES", "TRUEFALSE_FRAMES", "NAME_QUESTIONS", "ATTRIBUTES"])
def test_a_wording_of_the_built_in_benchmark_reaches_the_people_and_all_that_follows(
    space, study, monkeypatch, forgetful, name
):
    before = planned(study, space)
    first, *rest = getattr(wording, name)
    if name == "ATTRIBUTES":
        last = (*first.questions[:-1], first.questions[-1] + " Please.")
        other = type(first)(first.name, first.noun, first.values, last, first.statements)
    else:
        other = first + " "
    monkeypatch.setattr(wording, name, (other, *rest))
    forgetful()
    expected = pretend.downstream(before, {"data"}) - {"eval/retrain/seed1"}
    assert pretend.changed(pretend.keys(before), pretend.keys(planned(study, space))) == expected


ASKED = {
    "questions.subject": lambda expression, draft: "that person",
    "questions.before": lambda expression, draft: ((), (), 0),
    "questions._wrong": lambda prompt, fact: ("one", "two", "three", "four", "five", "six", "seven"),
    "questions._reply": lambda text, draft: "no",
    "questions._pictured": lambda expression, draft: "none",
    "rewrites.swapped": lambda word: word[::-1],
    "contexts.SHOTS": 1,
    "phrases.WHO": "Who?",
    "phrases.NAME_GIVEN": "{name}!",
    "reforms.LETTERS": ("W", "X", "Y", "Z"),
}


@pytest.mark.parametrize("part", ASKED)
def test_how_routes_put_their_questions_reaches_gates_and_scorings(space, study, monkeypatch, forgetful, part):
    before = planned(study, space)
    room, _, name = part.partition(".")
    monkeypatch.setattr(import_module(f"vlmunl.routes.{room}"), name, ASKED[part])
    forgetful()
    expected = pretend.downstream(before, {"gate/*", "eval/*", "scout/*", "search/*"}) - {"eval/retrain/seed1"}
    assert pretend.changed(pretend.keys(before), pretend.keys(planned(study, space))) == expected


@pytest.mark.parametrize(
    ("room", "table"), [("subjects", "SUBJECTS"), ("contexts", "CONTEXTS"), ("rewrites", "REWRITES")]
)
def test_each_subject_context_and_rewrite_is_in_the_digest(monkeypatch, forgetful, room, table):
    known = getattr(import_module(f"vlmunl.routes.{room}"), table)
    before = prompts.asking()
    for name in known:
        if name in ("none", "contentless"):  # says nothing, or a phrase of the tables
            continue
        with monkeypatch.context() as patched:
            other = (lambda draft, *args: iter(["other"])) if table == "CONTEXTS" else (lambda draft, *args: "other")
            patched.setitem(known, name, other)
            forgetful()
            assert prompts.asking() != before, name


@pytest.mark.parametrize("table", ["BEFORE", "AFTER", "FRAMES", "SYNONYMS", "LANGUAGES", "ANSWER_IN_ENGLISH"])
def test_each_phrase_is_in_the_digest(monkeypatch, forgetful, table):
    from vlmunl.routes import phrases

    before, known = prompts.asking(), getattr(phrases, table)
    for key, value in known.items():
        with monkeypatch.context() as patched:
            patched.setitem(known, key, ("they", value[1]) if table == "LANGUAGES" else f"{value}!")
            forgetful()
            assert prompts.asking() != before, key
