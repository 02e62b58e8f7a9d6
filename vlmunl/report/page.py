"""An HTML document that needs nothing beside itself: scripts named by their hashes, data that no text can break out of.

The policy in its head forbids every request; what the page runs are the scripts whose SHA-256 the policy names, so
that no text of a model or a study file is ever run, even if one slipped through unescaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def asset(name: str) -> str:
    """A file of `assets/`."""
    return files("vlmunl.report").joinpath("assets", name).read_text(encoding="utf-8")


def safe_json(value: Any) -> str:
    """JSON that may stand in a script element: no character of it can end one, or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    for character, written in _UNSAFE.items():
        text = text.replace(character, written)
    return text


def source(script: str) -> str:
    """How the policy names a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def document(
    title: str,
    body: str,
    *,
    script: str = "",
    later: str = "",
    data: Any = None,
    parts: Mapping[str, str] | None = None,
) -> str:
    """The whole document.

    Args:
        body: trusted HTML.
        script: run at the end; `later` is a script that this one may put in (from a part).
        data: goes into the element `data` as JSON.
        parts: element id -> base64, for data that is opened when it is needed.
    """
    allowed = " ".join(source(text) for text in (script, later) if text) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    held = [f'<script type="application/json" id="data">{safe_json(data)}</script>'] if data is not None else []
    held += [f'<script type="text/plain" id="{escape(name)}">{text}</script>' for name, text in (parts or {}).items()]
    run = f"<script>{script}</script>" if script else ""
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f"<style>{asset('page.css')}</style></head><body>",
            body,
            *held,
            f"{run}</body></html>",
            "",
        )
    )
