"""Xet or plain LFS: the client alone decides, so a Hub without Xet must be known beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import quote, urlsplit

from vlmunl.errors import ToolMissing
from vlmunl.hub.client import Hub

Transport = Literal["auto", "lfs", "xet"]
Chosen = Literal["lfs", "xet"]
_PUBLIC = ("huggingface.co", "hf.co")


def choose(hub: Hub, wanted: Transport) -> Chosen:
    """Xet where the Hub speaks it: the public one does, another one if it gives a token for it.

    Raises:
        ToolMissing: Xet is asked for, and `hf_xet` is not installed.
    """
    if wanted == "lfs":
        return "lfs"
    if wanted == "xet":
        if not _installed():
            raise ToolMissing("--transport xet needs the package hf_xet", "pip install hf_xet; or --transport lfs")
        return "xet"
    if not _installed() or _disabled():
        return "lfs"
    return "xet" if _is_public(hub.endpoint) or _speaks_xet(hub) else "lfs"


@contextmanager
def using(chosen: Chosen) -> Iterator[None]:
    """Within this block the library uploads by it."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = chosen == "lfs"
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _installed() -> bool:
    import importlib.util

    return importlib.util.find_spec("hf_xet") is not None


def _disabled() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_DISABLE_XET)


def _is_public(endpoint: str) -> bool:
    return (urlsplit(endpoint).hostname or "") in _PUBLIC


def _speaks_xet(hub: Hub) -> bool:
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    revision = quote(hub.revision, safe="")
    url = f"{hub.endpoint}/api/models/{hub.repo}/xet-write-token/{revision}"
    with hub.explained("asking for Xet"):
        answer = get_session().get(url, headers=build_hf_headers(token=hub.token or False), timeout=hub.timeout)
    return bool(answer.status_code == 200)
