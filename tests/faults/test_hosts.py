"""Clocks that jump, and two hosts on one store: no result depends on what time or place it is."""

from __future__ import annotations

import os
import shlex
import signal
import time
from pathlib import Path

from tests.faults.ground import (
    INLINE,
    SMALL_CELLS,
    apart,
    assert_clean,
    assert_like,
    content,
    need,
    published,
    rounds,
    said,
)
from vlmunl.store import Store
from vlmunl.store.owner import machine

MAIN = Path(__file__).parents[1] / "engine" / "toy_main.py"
HOST = ("--net", "--uts", "--mount", "--propagation", "private")


DECADE = str(10 * 365 * 86400)


def test_a_wall_clock_that_jumps_decades_changes_no_result(small, undisturbed_small):
    """It jumps between any two looks at it, also within one cell; before, between and after cells."""
    for only, jump in (("data", DECADE), ("imprint", "-" + DECADE), ("", DECADE)):
        chosen = ("--only", only) if only else ()
        process = apart((), "true", INLINE, "run", "toy", *chosen, TOY_CLOCK=jump)
        assert (said(process), process.returncode)[1] == 0
    assert_like(small, undisturbed_small)
    assert content(small) == content(undisturbed_small)


def test_time_stamps_from_other_ages_run_nothing_again(finished, undisturbed_small, vlmunl_, calls):
    for stamp in (0, 1, 4_000_000_000):
        for path in (finished / "store").rglob("*"):
            os.utime(path, (stamp, stamp))
        assert vlmunl_("run", "toy")[0] == 0
        assert calls() == []
        assert_like(finished, undisturbed_small)


def test_two_machines_whose_uptimes_differ(small, undisturbed_small):
    flags = need("--time", "--fork", "--boottime", "1000000")
    pair = [
        apart((*flags[:-1], offset, "--monotonic", offset), "true", INLINE, "run", "toy")
        for offset in ("500000", "90000000")
    ]
    texts = [said(process) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], texts
    assert_like(small, undisturbed_small)


# --------------------------------------------------------------------------------------------- hosts


def host(flags: tuple[str, ...], name: str, root: Path, space: Path, script: Path, *args: str, **env: str):
    """Start `vlmunl ARGS` on a "host" of that name, which has the store mounted at another place."""
    (space / "store").mkdir(exist_ok=True)
    root.mkdir(exist_ok=True)
    setup = f"hostname {name} && mount --bind {shlex.quote(str(space / 'store'))} {shlex.quote(str(root))}"
    return apart(flags, setup, script, "--store", str(root), *args, **env)


def test_two_hosts_share_one_study(small, calls, undisturbed_small, tmp_path_factory):
    flags = need(*HOST, then="hostname other && mount --bind /tmp /mnt")
    for _ in range(rounds(1)):
        roots = [tmp_path_factory.mktemp("mounted") for _ in range(2)]
        pair = [
            host(flags, f"node{i}", root, small, MAIN, "run", "toy", "--jobs", "2", TOY_SLEEP="0.05")
            for i, root in enumerate(roots)
        ]
        texts = [said(process) for process in pair]
        assert [process.returncode for process in pair] == [0, 0], texts
        assert_like(small, undisturbed_small)
        assert content(small) == content(undisturbed_small)
        store = Store.open(small / "store")
        assert {store.load(name).env["host"] for name in store.records()} == {"node0", "node1"}
        assert len(calls()) == SMALL_CELLS, "no cell was run twice"
        os.rename(small / "store", small / f"store-{time.monotonic_ns()}")


def test_a_host_that_is_lost_is_waited_for_and_then_replaced(small, undisturbed_small, tmp_path_factory):
    flags = need(*HOST, then="hostname other && mount --bind /tmp /mnt")
    lost = host(flags, "node0", tmp_path_factory.mktemp("a"), small, INLINE, "run", "toy", TOY_SLEEP="0.2")
    while len(list(small.glob("store/records/*/*"))) < 3:
        assert lost.poll() is None
        time.sleep(0.02)
    other = host(flags, "node1", tmp_path_factory.mktemp("b"), small, INLINE, "run", "toy", TOY_PATIENCE="1.5")
    time.sleep(0.3)
    os.killpg(lost.pid, signal.SIGKILL)
    said(lost)
    text = said(other)
    assert other.returncode == 0, text
    assert published(small) == published(undisturbed_small)
    assert_clean(small)
    here = [p.name for p in (small / "store" / "claims").iterdir() if machine() in p.name]
    assert here == []
