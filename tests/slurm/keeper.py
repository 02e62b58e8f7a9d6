"""Keeps one throwaway Slurm: starts its daemons, and ends them with all their jobs when the tests are gone.

    python keeper.py FOLDER

It says `up` when both daemons run, or why they do not. It ends when its standard input is closed or its parent dies,
however the parent died; then nothing of the Slurm is left, its folder included.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

SUBREAPER = 36  # prctl: processes whose parent ends become children of this one, so none gets away
PATIENCE = 30.0


def main() -> None:
    folder, parent = Path(sys.argv[1]), os.getppid()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        start(folder)
        sys.stdout.write("up\n")
        sys.stdout.flush()
        while os.getppid() == parent:
            if select.select([0], [], [], 0.5)[0] and not os.read(0, 1):
                break
            reap()
    finally:
        end()
        shutil.rmtree(folder, ignore_errors=True)


def start(folder: Path) -> None:
    """Both daemons in the foreground, until the node is idle."""
    daemons = {}
    for name in ("slurmctld", "slurmd"):
        with (folder / "log" / f"{name}.out").open("wb") as out:
            command = [os.environ[f"TEST_{name.upper()}"], "-D"]
            daemons[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        seen = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if seen.stdout.split() and set(seen.stdout.split()) == {"idle"}:
            return
        dead = [name for name, process in daemons.items() if process.poll() is not None]
        if dead:
            last = (folder / "log" / f"{dead[0]}.out").read_text(errors="replace").splitlines()[-3:]
            raise SystemExit(f"{dead[0]} ended: {' | '.join(last)}")
        time.sleep(0.05)
    raise SystemExit(f"no idle node after {PATIENCE:.0f} s: {seen.stdout} {seen.stderr}")


def end() -> None:
    """Kill what is left below this process, by id, until nothing is."""
    until = time.monotonic() + PATIENCE
    while (below := descendants(os.getpid())) and time.monotonic() < until:
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.02)


def descendants(root: int) -> list[int]:
    """Process ids below `root`, zombies left out."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                parents[int(entry.name)] = int(fields[1])
    found, queue = [], [root]
    while queue:
        above = queue.pop()
        children = [pid for pid, parent in parents.items() if parent == above]
        found += children
        queue += children
    return found


def reap() -> None:
    """Take note of children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
