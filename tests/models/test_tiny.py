"""The shipped weights: what was recorded of them, what they can do, and whom they do not know."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from vlmunl.errors import MissingInput, StudyError
from vlmunl.models.locate import TINY, locate

FIGURES = json.loads((TINY / "training.json").read_text(encoding="utf-8"))


def test_weights_are_those_of_the_training_record() -> None:
    weights = (TINY / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == FIGURES["model_sha256"]
    assert len(weights) < 5_000_000


def test_locate(tmp_path: Path) -> None:
    assert locate("tiny", None, tmp_path) == TINY.resolve()
    with pytest.raises(StudyError, match="no revision"):
        locate("someone/some-model", None, tmp_path)
    with pytest.raises(MissingInput, match="no model folder"):
        locate("./nowhere", None, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInput, match="holds no model"):
        locate("empty", None, tmp_path)


FLOORS = {
    "face.open": 0.88,
    "face.cloze": 0.9,
    "face.mcq": 0.9,
    "face.truefalse": 0.6,
    "name.open": 0.97,
    "name.mcq": 0.97,
    "name.truefalse": 0.85,
    "context": 0.93,
    "context.truefalse": 0.93,
}
"""Below what `training.json` records, by the spread of 96 items."""


@pytest.mark.slow
@pytest.mark.model
def test_skills_and_strangers(vlm: Any) -> None:
    from vlmunl.models.pretrain.probe import probe

    found = probe(vlm.model, vlm.tokenizer, count=96)
    for skill, floor in FLOORS.items():
        assert found[skill] >= floor, f"{skill}: {found[skill]:.2f}"
    for skill, chance, spread in (("open", 1 / 16, 0.08), ("mcq", 1 / 4, 0.10), ("truefalse", 1 / 2, 0.12)):
        assert found[f"study.{skill}"] <= chance + spread, f"the model knows strangers: {skill}"


@pytest.mark.model
def test_loads_as_any_model_of_transformers() -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(TINY)
    processor = AutoProcessor.from_pretrained(TINY)
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    assert type(processor).__name__ == "LlavaProcessor"
    assert 2_000_000 < sum(p.numel() for p in model.parameters()) < 2_500_000


@pytest.mark.model
def test_a_broken_model_is_one_line(tmp_path: Path) -> None:
    from vlmunl.models.vlm import load

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MissingInput, match="cannot be loaded"):
        load(tmp_path)
