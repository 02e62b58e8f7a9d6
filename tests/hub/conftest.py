"""The Hub of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Hub, serving

from tests.trail.conftest import cli, finished

__all__ = ["cli", "finished", "hub", "xet_hub"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on loopback for one test; the client uses plain LFS, and no token but those that a test gives it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    with serving(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def xet_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The same with Xet, which the client then uses for whatever is not small text."""
    pytest.importorskip("hf_xet", reason="hf_xet is not installed: pip install hf_xet")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    with serving(tmp_path / "hub", with_xet=True) as server:
        yield server
