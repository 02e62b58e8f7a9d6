"""Imprint and unlearn: what is trained, that it is reproducible, and that a step goes the right way."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.methods.known import METHODS
from vlmunl.methods.parts import versions
from vlmunl.stages import declared
from vlmunl.stages.configs import Adapter, EvalConfig, ImprintConfig, Optim, StopRule, UnlearnConfig

pytestmark = pytest.mark.model


def _unlearn(method: str, **changes: Any) -> UnlearnConfig:
    declared_ = METHODS[method]
    given = {"optim": Optim(steps=2, lr=2e-3, warmup=0), "batch": 4, "version": declared_.version} | changes
    given |= {"recipe": declared_.recipe, "parts": versions(declared_.recipe)}
    return UnlearnConfig(method=method, params=dict(declared_.params), seed=0, **given)


def _inputs(world: Any) -> dict[str, Any]:
    imprint = world.imprint().outputs["adapter"]
    return {"base": world.base, "benchmark": world.benchmark, "imprint": imprint}


def test_training_twice_gives_the_same_bytes(world: Any) -> None:
    first = world.imprint()
    inputs = {"base": world.base, "benchmark": world.benchmark}
    small = {"image_samples": 3, "text_samples": 2, "replay": 2, "optim": Optim(steps=2, lr=4e-3, warmup=0)}
    again = world.run(declared.IMPRINT, ImprintConfig(role="imprint", seed=0, **small), inputs, force=True)
    assert again.outputs == first.outputs
    assert world.imprint(seed=1).outputs["adapter"] != first.outputs["adapter"]
    assert world.imprint(role="gold").outputs["adapter"] != first.outputs["adapter"]
    assert world.imprint(role="placebo").outputs["adapter"] != world.imprint(role="gold").outputs["adapter"]


@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_only_what_the_recipe_names_is_trained(vlm: Any, recipe: str) -> None:
    from vlmunl.models import adapters

    trained = adapters.attach(vlm.model, Adapter(recipe=recipe))  # type: ignore[arg-type]
    names = {n for n, p in trained.named_parameters() if p.requires_grad}
    assert names
    if recipe != "full":
        assert not [n for n in names if "lora_" not in n]
        assert not [n for n in names if "vision_tower" in n or "embed_tokens" in n or "lm_head" in n]
        assert [n for n in names if "multi_modal_projector" in n]
        assert [n for n in names if "language_model" in n]
    else:
        assert len(names) == len(list(trained.named_parameters()))


@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_every_recipe_can_be_stored_and_applied(world: Any, recipe: str) -> None:
    record = world.imprint(adapter=Adapter(recipe=recipe))  # type: ignore[arg-type]
    routes = ("canonical",)
    config = EvalConfig(routes=routes, catalogue=_hash(routes), max_new_tokens=2)
    inputs = {"base": world.base, "benchmark": world.benchmark, "adapter0": record.outputs["adapter"]}
    assert world.run(declared.EVAL, config, inputs).metrics["rows"] > 0


def test_training_in_bfloat16_and_then_in_float32(world: Any) -> None:
    """Precision is a setting of the run, not of the process that happens to have run another before."""
    half = world.imprint(optim=Optim(steps=1, lr=4e-3, warmup=0, precision="bf16"))
    single = world.imprint(optim=Optim(steps=1, lr=4e-3, warmup=0, precision="fp32"))
    assert half.outputs["adapter"] != single.outputs["adapter"]
    assert half.metrics["final_nll"] == pytest.approx(single.metrics["final_nll"], rel=0.05)


def _hash(routes: tuple[str, ...]) -> str:
    from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash

    return catalogue_hash(CATALOGUE[r] for r in routes)


def test_an_unlearner_that_does_nothing_scores_exactly_as_the_imprint(world: Any, rows: Any) -> None:
    routes = ("canonical", "rotate", "choice", "text_only", "few_shot")
    config = EvalConfig(routes=routes, catalogue=_hash(routes), max_new_tokens=4)
    inputs = _inputs(world)
    nothing = world.run(declared.UNLEARN, _unlearn("ga", optim=Optim(steps=0)), inputs).outputs["adapter"]
    common = {"base": world.base, "benchmark": world.benchmark, "adapter0": inputs["imprint"]}
    before = rows(world.run(declared.EVAL, config, common))
    after = rows(world.run(declared.EVAL, config, common | {"adapter1": nothing}))
    assert before == after


def test_scores_do_not_depend_on_the_batch_size(world: Any, rows: Any) -> None:
    routes = ("canonical", "noise", "verify", "text_cloze")
    inputs = {"base": world.base, "benchmark": world.benchmark, "adapter0": world.imprint().outputs["adapter"]}
    both = []
    for size in (128, 5):
        config = EvalConfig(routes=routes, catalogue=_hash(routes), max_new_tokens=4, batch_size=size)
        both.append(rows(world.run(declared.EVAL, config, inputs, force=True)))
    for one, other in zip(*both, strict=True):
        close = ("logp", "min_k", "min_k_pp", "logp_wrong")
        assert [one[c] for c in close] == pytest.approx([other[c] for c in close], abs=1e-4)
        assert {k: v for k, v in one.items() if k not in close} == {k: v for k, v in other.items() if k not in close}


@pytest.mark.parametrize("method", ["ga", "graddiff", "klmin", "npo"])
@pytest.mark.parametrize("views", ["narrow", "wide"])
def test_unlearning_raises_the_forget_loss(world: Any, method: str, views: str) -> None:
    config = _unlearn(method, views=views, optim=Optim(steps=4, lr=1e-3, warmup=0), batch=12)
    record = world.run(declared.UNLEARN, config, _inputs(world))
    assert record.metrics["steps"] == 4
    import orjson

    curve = orjson.loads(world.store.path(record.outputs["curve"]).read_bytes())["steps"]
    if views == "narrow":  # all items in every batch, so that the steps can be compared
        assert curve[-1]["forget_nll"] > curve[0]["forget_nll"]


def test_finetune_and_retrain(world: Any) -> None:
    record = world.run(declared.UNLEARN, _unlearn("finetune"), _inputs(world))
    assert "last_retain_nll" in record.metrics
    config = _unlearn("retrain", lesson=ImprintConfig(role="gold", seed=0, optim=Optim(steps=1)))
    again = world.run(declared.UNLEARN, config, {"base": world.base, "benchmark": world.benchmark})
    assert again.metrics["people"] == 4


def test_the_stop_rule_ends_training_and_says_so(world: Any) -> None:
    stop = StopRule(forget_nll=0.001, patience=2)
    config = _unlearn("ga", optim=Optim(steps=9, lr=1e-4, warmup=0), stop=stop)
    record = world.run(declared.UNLEARN, config, _inputs(world))
    assert record.metrics["steps"] == 2
    assert "above 0.001" in record.metrics["ended"]


def test_questions_pictures_and_padding_get_no_loss(vlm: Any, benchmark_small: Any) -> None:
    """Other tokens outside the answers change nothing in the loss's targets, and padding nothing at all."""
    import torch

    from vlmunl.methods import views
    from vlmunl.models.forward import AnswerModel, answer_tokens
    from vlmunl.models.samples import Encoder

    batch = Encoder(vlm).batch([d.sample for d in views.canonical(benchmark_small.forget)])
    net = AnswerModel(vlm.model, vlm.image_token)
    logits, tokens = net(batch).logits, answer_tokens(batch)
    assert len(tokens) == int(batch.answers.sum())
    answers = {vlm.tokenizer.decode([t]).strip() for t in tokens.tolist()}
    assert answers == {f.answer for i in benchmark_small.forget for f in i.facts} | {"</s>"}
    wider = torch.nn.functional.pad
    padded = batch._replace(
        ids=wider(batch.ids, (0, 7), value=5), mask=wider(batch.mask, (0, 7)), answers=wider(batch.answers, (0, 7))
    )
    assert torch.allclose(net(padded).logits, logits, atol=1e-5)


def test_global_random_state_neither_matters_nor_changes(world: Any) -> None:
    import torch

    inputs = {"base": world.base, "benchmark": world.benchmark}
    small = {"image_samples": 3, "text_samples": 2, "replay": 2, "optim": Optim(steps=2, lr=4e-3, warmup=0)}
    torch.manual_seed(12345)
    before = torch.get_rng_state()
    again = world.run(declared.IMPRINT, ImprintConfig(role="imprint", seed=0, **small), inputs, force=True)
    assert torch.equal(before, torch.get_rng_state())
    assert again.outputs == world.imprint().outputs
