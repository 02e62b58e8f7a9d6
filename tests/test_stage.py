"""`run_stage` and `explain`: once is enough, failures leave a trace and no outputs, and every reason is told."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from vlmunl.errors import CellFailed, MissingInput, Stopped, StoreDamaged, UsageError
from vlmunl.keys import keyed, unkeyed
from vlmunl.stage import Context, External, Stage, cell_key, explain, input_refs, run_stage
from vlmunl.store import Ref, Store, tree_ref_of_directory


@dataclass(frozen=True, kw_only=True)
class Toy:
    text: str = keyed(default="hello")
    lr: float = keyed(default=0.5)
    seed: int = keyed(default=0)
    workers: int = unkeyed(default=1)


calls: list[str] = []


def hook(config: Toy, ctx: Context) -> Mapping[str, Any] | None:
    """Replaced by tests that want something else to happen."""
    return None


def work(config: Toy, ctx: Context) -> Mapping[str, Any]:
    """Write `text` and a folder; `hook` may do something else on the way."""
    calls.append(config.text)
    (ctx.scratch / "notes").write_text("gone afterwards")
    metrics = hook(config, ctx)
    (ctx.out / "text.txt").write_text(config.text)
    (ctx.out / "folder" / "deep").mkdir(parents=True)
    (ctx.out / "folder" / "deep" / "length").write_text(str(len(config.text)))
    return {"length": len(config.text)} if metrics is None else metrics


def follow(config: Toy, ctx: Context) -> Mapping[str, Any]:
    calls.append("follow")
    text = ctx.input("text").read_text()
    assert (ctx.input("folder") / "deep" / "length").read_text() == str(len(text))
    (ctx.out / "upper.txt").write_text(text.upper())
    return {}


TOY = Stage(name="toy", version=1, config=Toy, inputs=("base?",), outputs=("text", "folder"), run=f"{__name__}:work")
NEXT = Stage(
    name="next",
    version=1,
    config=Toy,
    inputs=("text", "folder", "more/*"),
    outputs=("upper",),
    run=f"{__name__}:follow",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    monkeypatch.setattr(sys.modules[__name__], "hook", hook)


def behave(monkeypatch: pytest.MonkeyPatch, action: Callable[[Toy, Context], Any]) -> None:
    monkeypatch.setattr(sys.modules[__name__], "hook", action)


def toss(error: BaseException) -> Callable[[Toy, Context], Any]:
    def action(config: Toy, ctx: Context) -> None:
        raise error

    return action


def contents(store: Store) -> dict[str, bytes]:
    return {str(p.relative_to(store.root)): p.read_bytes() for p in sorted(store.root.rglob("*")) if p.is_file()}


def leftovers(store: Store) -> list[Path]:
    return [*(store.root / "tmp").iterdir(), *(store.root / "claims").iterdir()]


# ---------------------------------------------------------------------------------------- run_stage


def test_a_run_stores_its_outputs_and_a_record(store: Store) -> None:
    record = run_stage(TOY, Toy(), {}, store, cell="toy/0", seed=3)
    assert record.key == cell_key(TOY, Toy(), {})
    assert (record.outcome, record.cell, record.stage, record.stage_version) == ("ok", "toy/0", "toy", 1)
    assert store.read(record.outputs["text"]) == b"hello"
    assert [e.path for e in store.tree(record.outputs["folder"])] == ["deep/length"]
    assert record.metrics == {"length": 5}
    assert record.env["seed"] == 3
    assert {"host", "wall_s", "versions", "started"} <= set(record.env)
    assert Store.open(store.root).best(record.key) == record
    assert leftovers(store) == []


def test_the_second_run_is_a_hit_and_leaves_every_byte(store: Store) -> None:
    first = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    before = contents(store)
    for again in (store, Store.open(store.root), Store.open(store.root, read_only=True)):
        assert run_stage(TOY, Toy(workers=8), {}, again, cell="toy/0") == first
    assert calls == ["hello"]
    assert contents(store) == before


def test_equal_bytes_upstream_are_a_hit_downstream(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_stage(TOY, Toy(lr=0.1), {}, store, cell="a")
    run_stage(NEXT, Toy(), first.outputs, store, cell="n")
    second = run_stage(TOY, Toy(lr=0.2), {}, store, cell="b")
    run_stage(NEXT, Toy(), second.outputs, store, cell="n")
    assert calls == ["hello", "follow", "hello"]


def test_a_read_only_store_runs_nothing(store: Store) -> None:
    with pytest.raises(UsageError, match="reading only"):
        run_stage(TOY, Toy(), {}, Store.open(store.root, read_only=True), cell="toy/0")
    assert calls == []


def test_force_runs_again_and_keeps_the_record(store: Store) -> None:
    first = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    before = contents(store)
    assert run_stage(TOY, Toy(), {}, store, cell="toy/0", force=True).name == first.name
    assert len(calls) == 2
    assert contents(store) == before


def test_a_divergent_result_is_kept_and_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    behave(monkeypatch, lambda config, ctx: {"length": 6})
    second = run_stage(TOY, Toy(), {}, store, cell="toy/0", force=True)
    assert second.metrics == {"length": 6}
    assert store.divergent(first.key)
    assert {r.name for r in store.all_for(first.key)} == {first.name, second.name}
    assert store.best(first.key) == min(first, second, key=lambda r: r.name.address)


def test_global_random_state_neither_enters_nor_leaves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, lambda config, ctx: {"named": ctx.rng.python().random(), "ambient": random.random()})
    random.seed(1)
    first = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    random.seed(2)
    before = random.getstate()
    assert run_stage(TOY, Toy(), {}, store, cell="toy/0", force=True).metrics == first.metrics
    assert random.getstate() == before
    assert run_stage(TOY, Toy(seed=1), {}, store, cell="toy/1").metrics != first.metrics


def test_metrics_come_back_as_they_will_be_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, lambda config, ctx: {"e\u0301": (1, 2.0)})
    record = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    assert record.metrics == {"\u00e9": [1, 2.0]}
    assert Store.open(store.root).load(record.name) == record


def test_inputs_are_given_read_only_and_checked(store: Store, tmp_path: Path) -> None:
    base = tmp_path / "model"
    base.mkdir()
    (base / "weights").write_text("w")
    outside = External(ref=tree_ref_of_directory(base), path=base)
    record = run_stage(TOY, Toy(), {"base": outside}, store, cell="toy/0")
    assert record.inputs == input_refs({"base": outside}) == {"base": outside.ref}
    assert record.env["external"] == {"base": str(base)}
    gone = replace(outside, path=tmp_path / "gone")
    assert run_stage(TOY, Toy(), {"base": gone}, store, cell="toy/0") == record  # a hit needs no model
    with pytest.raises(MissingInput, match="is not at"):
        run_stage(TOY, Toy(lr=9), {"base": gone}, store, cell="toy/9")


def test_wrong_calls_are_refused_before_anything_runs(store: Store) -> None:
    ref = store.put_bytes(b"x")
    with pytest.raises(TypeError, match="takes a Toy"):
        run_stage(TOY, {"text": "x"}, {}, store, cell="c")
    with pytest.raises(MissingInput, match="next needs folder, text"):
        run_stage(NEXT, Toy(), {}, store, cell="c")
    with pytest.raises(ValueError, match="declares no input 'other'"):
        run_stage(NEXT, Toy(), {"text": ref, "folder": ref, "more/1": ref, "other": ref}, store, cell="c")
    assert calls == []
    assert list(store.records()) == []


# ----------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (toss(ValueError("no such\nthing")), "ValueError: no such"),
        (toss(StoreDamaged("inner")), "StoreDamaged: inner"),
        (toss(MemoryError()), "MemoryError"),
        (toss(RuntimeError("\ud800")), r"RuntimeError: \?"),
        (lambda c, ctx: ctx.input("nothing"), "no input named 'nothing'"),
        (lambda c, ctx: {"loss": float("nan")}, "nan has no canonical form"),
        (lambda c, ctx: {"path": ctx.out}, "has no canonical form"),
        (lambda c, ctx: (ctx.out / "extra.txt").write_text("") and None, r"wrote extra\.txt"),
        (lambda c, ctx: (ctx.out / "text.bak").write_text("") and None, "declares one each"),
        (lambda c, ctx: (ctx.out / "text.txt").mkdir(), "IsADirectoryError"),
    ],
)
def test_a_failure_leaves_an_error_record_and_no_outputs(
    store: Store, monkeypatch: pytest.MonkeyPatch, action: Callable[[Toy, Context], Any], message: str
) -> None:
    behave(monkeypatch, action)
    with pytest.raises(CellFailed, match=message):
        run_stage(TOY, Toy(), {}, store, cell="toy/0")
    (record,) = store.all_for(cell_key(TOY, Toy(), {}))
    assert (record.outcome, record.outputs, record.metrics) == ("error", {}, {})
    assert str(store.root / "tmp") not in str(record.to_json())
    assert record.env["traceback"]
    assert leftovers(store) == []
    monkeypatch.setattr(sys.modules[__name__], "hook", lambda config, ctx: None)
    assert run_stage(TOY, Toy(), {}, store, cell="toy/0").outcome == "ok"


def test_an_output_that_is_not_written_is_a_failure(store: Store) -> None:
    stage = replace(TOY, outputs=("text", "folder", "curve"))
    with pytest.raises(CellFailed, match="did not write curve"):
        run_stage(stage, Toy(), {}, store, cell="toy/0")


def test_a_module_that_cannot_be_imported_is_a_failure(store: Store) -> None:
    with pytest.raises(CellFailed, match="ModuleNotFoundError"):
        run_stage(replace(TOY, run="no_such_module:run"), Toy(), {}, store, cell="toy/0")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped("time limit"), SystemExit(143)])
def test_an_interruption_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    before = contents(store)
    behave(monkeypatch, toss(error))
    with pytest.raises(type(error)):
        run_stage(TOY, Toy(), {}, store, cell="toy/0")
    assert contents(store) == before
    assert leftovers(store) == []


# ------------------------------------------------------------------------------------------- damage


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_truncated_output_is_made_anew(store: Store) -> None:
    record = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    before = contents(store)
    for ref in (record.outputs["text"], record.outputs["folder"], store.tree(record.outputs["folder"])[0].ref):
        rewrite(store.root / "objects" / ref.xxh3[:2] / ref.xxh3, b"")
        fresh = Store.open(store.root)
        assert explain(TOY, Toy(), {}, fresh).kind == "output missing"
        assert run_stage(TOY, Toy(), {}, fresh, cell="toy/0") == record or len(calls) > 1
        assert contents(store) == before
    assert len(calls) == 4


def test_an_object_altered_within_its_size_is_found_when_it_is_read_and_then_made_anew(store: Store) -> None:
    record = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    for ref in (record.outputs["text"], store.tree(record.outputs["folder"])[0].ref):
        rewrite(store.root / "objects" / ref.xxh3[:2] / ref.xxh3, b"x" * ref.size)
        fresh = Store.open(store.root)
        with pytest.raises(StoreDamaged, match="altered"):
            run_stage(NEXT, Toy(), record.outputs, fresh, cell="n")
        assert explain(TOY, Toy(), {}, fresh).kind == "output missing"
        run_stage(TOY, Toy(), {}, fresh, cell="toy/0")
        fresh.verify(record.outputs["text"])
        fresh.verify(record.outputs["folder"])
    done = run_stage(NEXT, Toy(), record.outputs, Store.open(store.root), cell="n")
    assert store.read(done.outputs["upper"]) == b"HELLO"
    assert calls == ["hello"] * 3 + ["follow"]


@pytest.mark.parametrize("data", [b"", b"{}", None])
def test_a_damaged_or_deleted_record_reruns_just_that_cell(store: Store, data: bytes | None) -> None:
    records = [run_stage(TOY, Toy(text=t), {}, store, cell=t) for t in ("one", "two", "three")]
    ends = run_stage(NEXT, Toy(), records[1].outputs, store, cell="n")
    names = {p for p in contents(store) if p.startswith("records")}
    path = store.root / "records" / records[1].key[:2] / records[1].name.file
    if data is None:
        path.unlink()
    else:
        rewrite(path, data)
    calls.clear()
    fresh = Store.open(store.root)
    for text in ("one", "two", "three"):
        run_stage(TOY, Toy(text=text), {}, fresh, cell=text)
    assert run_stage(NEXT, Toy(), records[1].outputs, fresh, cell="n") == ends
    assert calls == ["two"]
    assert {p for p in contents(store) if p.startswith("records")} == names
    assert Store.open(store.root).best(records[1].key) is not None


# ------------------------------------------------------------------------------------------ explain


def test_explain_first_run_then_hit_then_forced(store: Store) -> None:
    first = explain(TOY, Toy(), {}, store, cell="toy/0")
    assert (str(first), first.runs) == ("first run", True)
    run_stage(TOY, Toy(), {}, store, cell="toy/0")
    hit = explain(TOY, Toy(workers=4), {}, store, cell="toy/0")
    assert (str(hit), hit.runs) == ("hit", False)
    forced = explain(TOY, Toy(), {}, store, cell="toy/0", force=True)
    assert (str(forced), forced.runs) == ("forced", True)
    assert str(explain(TOY, Toy(), {}, Store.open(store.root), cell="toy/0")) == "hit"


def test_explain_names_what_changed_old_and_new(store: Store) -> None:
    run_stage(TOY, Toy(), {}, store, cell="toy/0")
    run_stage(TOY, Toy(text="far", seed=5), {}, store, cell="toy/0")
    reason = explain(TOY, Toy(lr=0.25), {}, store, cell="toy/0")
    assert (str(reason), reason.runs) == ("changed: lr 0.5 -> 0.25", True)
    assert str(explain(replace(TOY, version=2), Toy(), {}, store, cell="toy/0")) == "changed: stage_version 1 -> 2"
    ref = store.put_bytes(b"x")
    expected = f"changed: inputs.base (none) -> {ref.sha256[:12]}"
    assert str(explain(TOY, Toy(), {"base": ref}, store, cell="toy/0")) == expected
    assert str(explain(TOY, Toy(lr=0.25), {}, store, cell="another")) == "first run"
    assert str(explain(TOY, Toy(lr=0.25), {}, store)) == "changed: lr 0.5 -> 0.25"


def test_explain_an_input_that_is_missing(store: Store) -> None:
    record = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    store.path(record.outputs["text"]).unlink()
    reason = explain(NEXT, Toy(), record.outputs, store, cell="n")
    assert (str(reason), reason.runs) == ("input missing: text missing or damaged in the store", False)
    with pytest.raises(StoreDamaged, match=r"n: input 'text': .* is missing"):
        run_stage(NEXT, Toy(), record.outputs, store, cell="n")
    assert [r.cell for r in store.history("next")] == []
    assert str(explain(TOY, Toy(), {}, store)) == "output missing: text missing or damaged in the store"


def test_explain_a_failure_and_a_damaged_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, toss(ValueError("no such\nthing")))
    with pytest.raises(CellFailed):
        run_stage(TOY, Toy(), {}, store, cell="toy/0")
    reason = explain(TOY, Toy(), {}, store, cell="toy/0")
    assert (str(reason), reason.runs) == ("failed before: ValueError: no such thing", True)
    behave(monkeypatch, lambda config, ctx: None)
    record = run_stage(TOY, Toy(), {}, store, cell="toy/0")
    rewrite(store.root / "records" / record.key[:2] / record.name.file, b"")
    assert explain(TOY, Toy(), {}, Store.open(store.root), cell="toy/0").kind == "record damaged"


# ------------------------------------------------------------------------------- several processes

RACER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import test_stage
from vlmunl.errors import CellFailed
from vlmunl.stage import run_stage
from vlmunl.store import Store

def slow(config, ctx):
    with open(sys.argv[2], "a") as log:
        log.write("ran\\n")
    Path(sys.argv[2] + ".running").touch()
    time.sleep(0.5)
    if config.text == "bad":
        raise ValueError("bad text")

test_stage.hook = slow
stage = __import__("dataclasses").replace(test_stage.TOY, run="test_stage:work")
try:
    store = Store.open(Path(sys.argv[1]))
    print(run_stage(stage, test_stage.Toy(text=sys.argv[3]), {{}}, store, cell="toy/0").name.file)
except CellFailed as error:
    print(error)
"""


@pytest.mark.parametrize("text", ["hello", "bad"])
def test_two_processes_on_one_key_make_one_record_in_one_execution(tmp_path: Path, text: str) -> None:
    code = textwrap.dedent(RACER).format(here=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(tmp_path / "log"), text]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [racer.communicate(timeout=50)[0] for racer in racers]
    store = Store.open(tmp_path / "store")
    (name,) = store.records()
    assert name.outcome == ("error" if text == "bad" else "ok")
    assert all("bad text" in line if text == "bad" else line == f"{name.file}\n" for line in said), said
    assert (tmp_path / "log").read_text() == "ran\n"
    assert leftovers(store) == []


def test_a_killed_process_leaves_its_key_free(tmp_path: Path) -> None:
    code = textwrap.dedent(RACER).format(here=str(Path(__file__).parent)).replace("0.5", "60")
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(tmp_path / "log"), "hello"]
    racer = subprocess.Popen(command)
    while not (tmp_path / "log.running").exists():
        assert racer.poll() is None
    racer.kill()
    racer.wait()
    store = Store.open(tmp_path / "store")
    assert len(leftovers(store)) == 2
    assert run_stage(TOY, Toy(), {}, store, cell="toy/0").outcome == "ok"
    assert leftovers(store) == []


def test_a_reference_never_enters_by_its_quick_hash_alone(store: Store) -> None:
    ref = store.put_bytes(b"x")
    forged = Ref(xxh3=ref.xxh3, sha256="0" * 64, size=ref.size)
    assert cell_key(TOY, Toy(), {"base": forged}) != cell_key(TOY, Toy(), {"base": ref})
