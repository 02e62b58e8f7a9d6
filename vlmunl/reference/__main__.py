"""`python -m vlmunl.reference [DOCS]` writes the generated pages anew; `--check` only says which are not current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vlmunl.reference.pages import stale


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m vlmunl.reference", description=__doc__)
    parser.add_argument("docs", nargs="?", type=Path, default=Path("docs"), help="the folder; default: docs")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is not current")
    given = parser.parse_args()
    old = stale(given.docs)
    for path, text in old.items():
        sys.stdout.write(f"{'not current' if given.check else 'written'}: {path}\n")
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if given.check and old else 0


if __name__ == "__main__":
    sys.exit(main())
