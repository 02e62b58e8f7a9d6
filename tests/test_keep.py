"""What a cell keeps: it is used by the same key and code alone, goes when it is not needed, and never fails a cell."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from vlmunl import stage_keep
from vlmunl.errors import CellFailed, Stopped
from vlmunl.keys import keyed
from vlmunl.stage import Context, Stage, Stop, run_stage
from vlmunl.store import Record, Store, doing, partial
from vlmunl.store.gc import collect
from vlmunl.store.owner import unique_name
from vlmunl.store.verify import verify

pytestmark = pytest.mark.model


@dataclass(frozen=True, kw_only=True)
class Toy:
    steps: int = keyed(default=4)


begun: list[tuple[int, int]] = []
"""Where each part of each attempt began."""
trouble: list[Exception] = []


def work(config: Toy, ctx: Context) -> Mapping[str, Any]:
    """Two parts of some steps each; the result is what both add up to."""
    totals = []
    for number in range(2):
        part = ctx.keep.part("steps")
        state = part.load() or {"done": 0, "sum": 0.0}
        begun.append((number, state["done"]))
        done, total = state["done"], state["sum"]
        while done < config.steps:
            done, total = done + 1, total + 0.1 * done
            ctx.progress(done, config.steps, f"part {number}")
            if number == 1 and done == 3 and trouble:
                raise trouble.pop()
            if done < config.steps and part.due():
                part.save(done, config.steps, {"done": done, "sum": total})
        part.end(done, lambda done=done, total=total: {"done": done, "sum": total})  # type: ignore[misc]
        totals.append(total)
    (ctx.out / "total.json").write_text(json.dumps(totals))
    return {}


STAGE = Stage(name="toy", version=1, config=Toy, inputs=(), outputs=("total",), run=f"{__name__}:work")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    begun.clear()
    trouble.clear()
    return Store.open(tmp_path / "store")


def run(store: Store, after: int | None = None, steps: int = 4) -> Record:
    """One attempt, stopped when it has looked so often."""
    looks = iter(range(1, 1000))
    stop = Stop(asked=lambda: after is not None and next(looks) >= after)
    return run_stage(STAGE, Toy(steps=steps), {}, store, cell="toy/test", stop=stop)


def stopped(store: Store, after: int, steps: int = 4) -> Path:
    """A stopped attempt; returns its checkpoint's folder."""
    with pytest.raises(Stopped, match=r"toy/test was stopped at \d of 4$"):
        run(store, after, steps)
    (found,) = (store.root / "partial").iterdir()
    return found


def test_the_next_attempt_goes_on_in_the_part_that_was_left(store: Store, tmp_path: Path) -> None:
    whole = run(Store.open(tmp_path / "other"))
    begun.clear()
    stopped(store, 5)  # each stop is looked for twice: is it due, and was it a stop
    record = run(store)
    assert begun == [(0, 0), (1, 0), (0, 4), (1, 2)]
    assert record.outputs == whole.outputs
    assert record.env["resumed"] == {"part": "steps2", "done": 2, "total": 4, "attempt": 2} | {
        "earlier_wall_s": record.env["resumed"]["earlier_wall_s"]
    }
    assert not list((store.root / "partial").iterdir())


def test_without_a_stop_nothing_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "put", lambda *a, **k: pytest.fail("nothing is to be saved"))
    run(store)
    assert not (store.root / "partial").exists()


def test_every_so_often_it_is_saved_though_nobody_asks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stage_keep.SECONDS, "0")
    monkeypatch.setattr(stage_keep, "_SHARE", 0.0)
    trouble.append(ValueError("the machine goes down"))
    with pytest.raises(CellFailed):
        run(store)
    (key,) = (p.name for p in (store.root / "partial").iterdir())
    listed = partial.read(store.root, key)
    assert listed is not None
    assert {name: part.done for name, part in listed.parts.items()} == {"steps1": 4, "steps2": 2}
    assert len(list((store.root / "partial" / key).iterdir())) == 3, "each part once, and the list"
    run(store)
    assert begun[2:] == [(0, 4), (1, 2)]


@pytest.mark.parametrize(
    "change", [{"code": "other"}, {"key": "other"}, {"libraries": {"torch": "0"}}], ids=["code", "key", "libraries"]
)
def test_a_checkpoint_of_something_else_is_not_used(store: Store, change: dict[str, Any]) -> None:
    listed = stopped(store, 1) / "parts.json"
    document = json.loads(listed.read_bytes())
    listed.write_text(json.dumps(document | {"identity": document["identity"] | change}))
    record = run(store)
    assert begun[-2:] == [(0, 0), (1, 0)]
    assert "another version" in record.env["checkpoint_ignored"]
    assert not list((store.root / "partial").iterdir())


@pytest.mark.parametrize("damage", ["cut", "altered", "lost", "no torch file", "no list"])
def test_a_damaged_one_is_not_used(store: Store, damage: str) -> None:
    folder = stopped(store, 1)
    (file,) = folder.glob("*.pt")
    data = file.read_bytes()
    if damage == "no list":
        (folder / "parts.json").write_bytes(b"[")
    elif damage == "no torch file":  # though its digest is as the list says
        key = folder.name
        listed = partial.read(store.root, key)
        assert listed is not None
        partial.put(store.root, key, "steps1", lambda p: p.write_bytes(b"x") and None, done=1, total=4, listed=listed)
    else:
        new = {"cut": data[:-1], "altered": data[:-1] + bytes([data[-1] ^ 1]), "lost": None}[damage]
        file.unlink()
        if new is not None:
            file.write_bytes(new)
    record = run(store)
    assert begun[-2:] == [(0, 0), (1, 0)]
    assert record.env.get("checkpoint_ignored") == (None if damage == "no list" else "it is damaged")
    assert not list((store.root / "partial").iterdir())


def test_an_error_after_taking_up_has_the_next_attempt_begin_anew(store: Store) -> None:
    stopped(store, 1)
    trouble.append(ValueError("bad luck"))
    with pytest.raises(CellFailed, match="bad luck"):
        run(store)
    run(store)
    assert begun == [(0, 0), (0, 1), (1, 0), (0, 0), (1, 0)]


def test_a_disk_that_takes_nothing_stops_the_cell_all_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(partial, "put", full)
    with pytest.raises(Stopped, match=r"stopped at 1 of 4, and its state could not be saved: .*No space left"):
        run(store, 1)
    assert run(store).outputs


def test_code_that_cannot_be_told_keeps_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_keep, "code_digest", lambda: None)
    assert run(store, 1).outputs, "it did not stop either: nothing could be taken up"


def test_a_kill_while_saving_leaves_the_one_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stopped(store, 1)

    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    for broken in ("_write_list", "_flush"):
        with monkeypatch.context() as patch:
            patch.setattr(partial, broken, die)
            with pytest.raises(KeyboardInterrupt):
                run(store, 2)
        listed = partial.read(store.root, folder.name)
        assert listed is not None
        assert listed.last.done == 1
        assert partial.is_sound(store.root, folder.name, listed.last)
    (folder / "steps1.left-by-a-kill.pt").touch()
    run(store)
    assert begun[-2:] == [(0, 1), (1, 0)]


# ------------------------------------------------------------------------- beside the rest of the store


def test_gc_takes_old_ones_and_those_of_finished_cells(store: Store) -> None:
    folder = stopped(store, 1)
    other = store.root / "partial" / ("0" * 32)
    other.mkdir()
    (other / "parts.json").write_text("{}")

    def taken(*, do: bool = False, later: float = 0.0) -> set[str]:
        real, grace = time.time, 14 * 86400.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: real() + later)
            return {i.name for i in collect(store, list, grace=grace, do=do).items if i.what == "partial"}

    assert taken() == set()
    assert taken(later=15 * 86400.0) == {folder.name, other.name}
    with store.claim(other.name):
        assert taken(later=15 * 86400.0) == {folder.name}
    found = verify(store)
    assert (found.damages, found.gaps, found.leftovers) == ((), (), ())
    record = run(store)
    (store.root / "partial" / record.key).mkdir()
    assert taken(do=True) == {record.key}
    assert [p.name for p in (store.root / "partial").iterdir()] == [other.name]


# ------------------------------------------------------------------------------------ what it does now


def test_what_a_cell_does_is_told_while_it_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("VLMUNL_LOG", "/logs/77.out")
    monkeypatch.setattr(doing.Telling.__init__, "__defaults__", (0.0,))
    seen: list[doing.Doing] = []
    stopped(store, 1)

    def progress(done: int, total: int, note: str) -> None:
        seen.extend(doing.read(store.root))

    run_stage(STAGE, Toy(), {}, store, cell="toy/test", progress=progress)
    first, last = seen[0], seen[-1]
    assert [(d.done, d.total, d.note) for d in (first, last)] == [(2, 4, "part 0"), (4, 4, "part 1")]
    assert (first.cell, first.pid, first.job, first.log) == ("toy/test", os.getpid(), "77", "/logs/77.out")
    assert first.since <= first.updated <= last.updated
    assert first.first == 1, "the rate is that of this attempt"
    assert not list((store.root / "doing").iterdir())


def test_time_left_is_by_the_pace_of_this_attempt() -> None:
    now = doing.Doing(key="k", cell="c", host="h", pid=1, since=100.0, updated=110.0, done=50, total=100)
    assert now.left == pytest.approx(10.0)
    assert replace(now, first=40).left == pytest.approx(50.0)
    assert replace(now, first=50).left is None


def test_files_of_the_dead_are_cleared(store: Store) -> None:
    folder = store.root / "doing"
    folder.mkdir()
    mine = unique_name()
    machine, _, rest = mine.rsplit("-", 2)
    dead = [f"{'0' * 32}.{machine}-999999999-{rest}.json", f".t-{'0' * 32}.{machine}-999999999-{rest}.json"]
    kept = [f"{'0' * 32}.{mine}.json", f"{'1' * 32}.elsewhere.0123456789ab-7-8.ff.json"]
    for name in (*dead, *kept):
        (folder / name).write_text("{}")
    doing.clear(store.root)
    assert sorted(p.name for p in folder.iterdir()) == sorted(kept)
