"""Prints the run key of each cell of a study as JSON; `strange` pretends another host, user, time and processor.

Usage:  print_keys.py STUDY.toml WORKSPACE [strange]
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
import time
from pathlib import Path


def be_strange() -> None:
    """Everything that a key must not see is something else."""
    late, number, start = time.time() + 3e8, os.getpid() + 1, time.monotonic()
    time.time = lambda: late + time.monotonic() - start  # type: ignore[assignment]
    time.time_ns = lambda: int(time.time() * 1e9)  # type: ignore[assignment]
    os.getpid = lambda: number  # type: ignore[assignment]
    os.getuid = lambda: 4242  # type: ignore[assignment]
    os.cpu_count = lambda: 512  # type: ignore[assignment]
    os.sched_getaffinity = lambda pid: set(range(512))  # type: ignore[assignment]
    socket.gethostname = lambda: "node-0815.cluster"  # type: ignore[assignment]
    pwd.getpwuid = lambda uid: pwd.struct_passwd(("nobody", "x", 4242, 4242, "", "/", "/bin/sh"))
    os.umask(0o077)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    if "strange" in sys.argv:
        be_strange()
    from tests.keys import pretend
    from vlmunl.manifests.external import base_model
    from vlmunl.manifests.load import load_study
    from vlmunl.manifests.plan import plan

    study = load_study(Path(sys.argv[1]))
    json.dump(pretend.keys(plan(study, base_model(study, Path(sys.argv[2])))), sys.stdout)
