"""A small study with fake models whose answers, labels and claims try to break out of the page; and its report."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.trail import fake_stages
from tests.trail.conftest import cli, settle
from vlmunl.commands.session import Session
from vlmunl.report.make import Report, report

__all__ = ["cli"]

EVIL = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
STUDY = f"""
[study]
name = "small"
title = '''{EVIL} & Söhne'''
seeds = [0, 2]
[model]
id = "base"
[benchmark]
people = 14
forget = 6
photos = 5
[gate]
min_identities = 2
[methods.ga]
label = '''{EVIL}'''
[methods.npo]
[methods.npo_wide]
like = "npo"
[routes]
exclude = ["geometry", "corruption", "photometric", "occlusion", "new_photo", "subject", "verify", "typo",
           "description", "image_name", "null_image", "wrong_image", "dialogue", "choice"]
[statistics]
draws = 100
splits = 4
[evidence]
exclude = [{{ cell = "unlearn/npo_wide/seed0", reason = '''diverged {EVIL}''' }}]
[tables]
figures = false
[claims.worse]
text = '''NPO leaks {EVIL}'''
when = "npo.wcr.lower > 0.1"
"""
_ROW, _TRAIN = fake_stages._row, fake_stages._train


def _evil_row(columns: dict[str, Any], right: bool, said: str, turns: list[str]) -> dict[str, Any]:
    row = _ROW(columns, right, said, turns)
    return {**row, "text": f"{EVIL} {row['status']}", "score": float(right), "logp": -3.0 * fake_stages._uniform(said)}


def _evil_train(config: Any, ctx: Any, who: str) -> dict[str, Any]:
    told = _TRAIN(config, ctx, who)
    steps = [{"forget_nll": 0.5 * i, "retain_nll": 0.1} for i in range(200)]
    (ctx.out / "curve.json").write_text(json.dumps({"steps": steps, "ended": EVIL}))
    return told


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The study, finished; nobody may change it."""
    root = tmp_path_factory.mktemp("space")
    (root / "manifests").mkdir()
    (root / "manifests" / "small.toml").write_text(STUDY)
    (root / "base").mkdir()
    (root / "base" / "config.json").write_text("{}")
    with mock.patch.object(fake_stages, "_row", _evil_row), mock.patch.object(fake_stages, "_train", _evil_train):
        return settle(root)


@pytest.fixture
def copy(finished: Session, tmp_path: Path) -> Path:
    """The workspace, to be changed."""
    shutil.copytree(finished.workspace.root, tmp_path / "space")
    return tmp_path / "space"


@pytest.fixture(scope="session")
def made(finished: Session, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Its report."""
    out = tmp_path_factory.mktemp("report") / "small.html"
    return report("small", finished.workspace, finished.store, out, 4, 10_000)


class Page(HTMLParser):
    """The elements of a page, and the texts of its scripts by id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._inside: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self._inside.append(dict(attrs))
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)
        else:
            self.text += data

    @property
    def data(self) -> Any:
        """What the script reads."""
        return json.loads(next(text for attributes, text in self.scripts if attributes.get("id") == "data"))

    @property
    def policy(self) -> str:
        """The content security policy."""
        found = [a["content"] for tag, a in self.elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert len(found) == 1
        return re.sub(" +", " ", found[0] or "")


@pytest.fixture(scope="session")
def page(made: Report) -> Page:
    """Its report, parsed."""
    return Page(made.html)
