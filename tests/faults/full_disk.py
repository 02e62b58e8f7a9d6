"""Run the toy study on a file system that is full, with one page more each time, until it is done.

Usage: full_disk.py SPACE STEP. SPACE is a small file system of its own, with the study in it. Prints one JSON
document: what each run said, and what was found wrong.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults import inline
from tests.faults.ground import looked_at, published
from vlmunl.__main__ import main

PAGE = 4096


def fill(path: Path) -> None:
    """Take all that is left."""
    with open(path, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(PAGE)):
            pass


def attempt() -> tuple[int, str]:
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            main(["run", "toy"])
    except SystemExit as left:
        return int(left.code or 0), text.getvalue()
    except Exception as error:
        return -1, f"Traceback: {type(error).__name__}: {error}"


def climb(space: Path, step: int) -> dict[str, object]:
    """One run per step, the first with nothing left at all."""
    filler, said, wrong = space / "filler", [], []
    fill(filler)
    code = 1
    while code != 0:
        code, text = attempt()
        said.append((code, text))
        if (space / "store" / "LAYOUT.json").exists():
            found = looked_at(space)
            wrong += [f"{d.path.name}: {d.problem}" for d in found.damages] + list(found.gaps)
            wrong += [p.name for folder in ("tmp", "claims") for p in (space / "store" / folder).iterdir()]
        os.truncate(filler, max(0, filler.stat().st_size - step * PAGE))
    files = {name: data.decode("latin-1") for name, data in published(space).items()}
    return {"said": said, "wrong": wrong, "published": files}


if __name__ == "__main__":
    inline.install()
    os.chdir(sys.argv[1])
    sys.stdout.write(json.dumps(climb(Path(sys.argv[1]), int(sys.argv[2]))))
