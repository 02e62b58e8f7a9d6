"""The `vlmunl` that jobs start: the one that submits them."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def program() -> str:
    """What `VLMUNL` names, else the script beside this interpreter; "" if there is none, and PATH has to tell."""
    if named := os.environ.get("VLMUNL"):
        return named
    script = Path(sys.executable).parent / "vlmunl"
    return str(script) if script.is_file() else ""
