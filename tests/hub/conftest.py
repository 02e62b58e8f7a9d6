"""The Hub of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from publishing import published, put
from server import Hub, serving

from tests.trail.conftest import cli, finished
from vlmunl.commands.session import Session
from vlmunl.hub.published import Publication

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


@pytest.fixture(scope="session")
def what(finished: Session) -> Publication:
    """What is published of the finished study."""
    return published(finished)


@pytest.fixture(scope="session")
def stock(finished: Session, what: Publication, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a Hub on which the finished study is published; nobody may change them."""
    from huggingface_hub import constants

    place = tmp_path_factory.mktemp("stock") / "hub"
    with pytest.MonkeyPatch.context() as patch, serving(place) as server:
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        put(server, what)
    return place


@pytest.fixture
def stocked(stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on which the finished study is published."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    shutil.copytree(stock, tmp_path / "hub")
    with serving(tmp_path / "hub") as server:
        yield server
