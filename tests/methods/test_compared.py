"""The models to compare with: asked in time, remembered exactly, and let go where nobody needs them any more."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods import compared, views  # noqa: E402
from vlmunl.methods.known import METHODS  # noqa: E402
from vlmunl.methods.objective import Objective  # noqa: E402
from vlmunl.models.forward import AnswerModel, answers  # noqa: E402
from vlmunl.models.locate import locate  # noqa: E402
from vlmunl.models.samples import Encoder  # noqa: E402
from vlmunl.models.trainer import Trainer  # noqa: E402
from vlmunl.models.vlm import load  # noqa: E402
from vlmunl.rng import Streams  # noqa: E402
from vlmunl.stages.configs import Adapter, Optim, UnlearnConfig  # noqa: E402

pytestmark = pytest.mark.model


def _objective(method: str, vlm: Any, benchmark: Any, recipe: Any = "lora") -> Objective:
    declared = METHODS[method]
    config = UnlearnConfig(
        method=method, version=1, params=dict(declared.params), recipe=declared.recipe, seed=0, batch=4,
        optim=Optim(steps=2, lr=1e-3, warmup=0), adapter=Adapter(recipe=recipe, rank=4, alpha=8),
    )  # fmt: skip
    return Objective(config, benchmark, Encoder(vlm), Streams(0))


def _logits(vlm: Any, samples: Any) -> Any:
    with torch.no_grad():
        return answers(AnswerModel(vlm.model, vlm.image_token), Encoder(vlm).batch(samples)).logits


def _stranger(benchmark: Any) -> Any:
    return views.canonical(benchmark.unseen)[0].sample


def test_gold_is_let_go_once_it_has_said_all(vlm: Any, benchmark_small: Any) -> None:
    objective = _objective("oracle", vlm, benchmark_small)
    gold = load(locate("tiny", None, Path()))
    with torch.no_grad():
        gold.model.model.language_model.layers[0].mlp.down_proj.weight.mul_(1.5)  # not the model that is trained
    asked = list(dict.fromkeys(objective.foreseen(2)))
    said, plain = _logits(gold, asked), _logits(vlm, asked)
    model, layer = weakref.ref(gold.model), weakref.ref(gold.model.model.language_model.layers[0])
    oracle = compared.gold(objective, gold)
    assert oracle.released
    del gold
    gc.collect()
    assert model() is None
    assert layer() is None
    torch.testing.assert_close(oracle.of(asked).logits, said, atol=2e-4, rtol=0)
    assert float((said - plain).abs().max()) > 0.1
    with pytest.raises(StudyError, match="not foreseen, and its model is gone"):
        oracle.of([_stranger(benchmark_small)])


@pytest.mark.parametrize(("recipe", "released"), [("lora", False), ("full", True)])
def test_when_training_begins_a_reference_is_an_adapter_switched_off_or_remembered(
    vlm: Any, benchmark_small: Any, recipe: str, released: bool
) -> None:
    objective = _objective("npo", vlm, benchmark_small, recipe)
    asked = list(dict.fromkeys(objective.foreseen(2)))
    objective.reference = compared.before_unlearning(objective, vlm, edited=False)
    assert objective.reference is not None
    assert not objective.reference.released
    config = objective.config
    before = _logits(vlm, asked)
    trainer = Trainer(vlm, config.adapter, config.optim, config.recipe.where)
    compared.training_begins(objective, trainer)
    assert objective.reference.released is released
    with torch.no_grad():
        for weight in trainer.weights:
            weight.add_(0.05)
    after = objective.reference.of(asked)
    assert after.known_total is not None
    of_each = torch.log_softmax(before, -1).gather(1, after.tokens[:, None])[:, 0]
    expected = torch.zeros(len(asked)).index_add(0, after.rows, -of_each)
    torch.testing.assert_close(after.known_total, expected, atol=2e-3, rtol=1e-3)


def test_what_will_be_edited_is_asked_at_once(vlm: Any, benchmark_small: Any) -> None:
    objective = _objective("npo", vlm, benchmark_small)
    reference = compared.before_unlearning(objective, vlm, edited=True)
    assert reference is not None
    assert reference.released
    reference.of(list(objective.foreseen(2)))
    with pytest.raises(StudyError, match="its model is gone"):
        reference.of([_stranger(benchmark_small)])


def test_terms_that_compare_with_nothing_need_no_reference(vlm: Any, benchmark_small: Any) -> None:
    objective = _objective("ga", vlm, benchmark_small)
    assert compared.before_unlearning(objective, vlm, edited=True) is None
