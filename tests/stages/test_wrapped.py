"""Wrapped models from the unlearn stage to rows: fitted on training views, applied when asked, the same twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vlmunl.errors import CellFailed, MissingInput, StudyError
from vlmunl.methods.known import METHODS
from vlmunl.methods.language import FORGET, Recipe, Wrapper, on
from vlmunl.methods.parts import versions
from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
from vlmunl.stages import declared
from vlmunl.stages.configs import Adapter, EvalConfig, Optim, UnlearnConfig

pytestmark = pytest.mark.model
METHODS_HERE = [name for name, method in METHODS.items() if method.family == "inference"]
AT_ONCE = ("incontext",)
"""The floor of the family; the others in `make slow`."""
ROUTES = ("canonical", "choice", "text_only", "few_shot_image")


def _config(method: str, recipe: Recipe | None = None, **changes: Any) -> UnlearnConfig:
    declared_ = METHODS[method]
    recipe = recipe or declared_.recipe
    given = {"optim": Optim(steps=2, lr=2e-3, warmup=0), "batch": 4, "params": dict(declared_.params)} | changes
    return UnlearnConfig(method=method, version=1, recipe=recipe, parts=versions(recipe), seed=0, **given)


def _inputs(world: Any) -> dict[str, Any]:
    imprint = world.imprint().outputs["adapter"]
    return {"base": world.base, "benchmark": world.benchmark, "imprint": imprint}


def _eval(world: Any, adapter: Any = None, size: int = 128, **options: Any) -> Any:
    config = EvalConfig(
        routes=ROUTES, catalogue=catalogue_hash(CATALOGUE[r] for r in ROUTES), max_new_tokens=3, batch_size=size
    )
    inputs = {"base": world.base, "benchmark": world.benchmark, "adapter0": world.imprint().outputs["adapter"]}
    if adapter is not None:
        inputs["adapter1"] = adapter
    return world.run(declared.EVAL, config, inputs, **options)


@pytest.mark.parametrize(
    "method", [m if m in AT_ONCE else pytest.param(m, marks=pytest.mark.slow) for m in METHODS_HERE]
)
def test_from_unlearning_to_rows(world: Any, rows: Any, method: str) -> None:
    record = world.run(declared.UNLEARN, _config(method), _inputs(world))
    again = world.run(declared.UNLEARN, _config(method), _inputs(world), force=True)
    assert again.outputs == record.outputs  # equal bytes
    adapter = record.outputs["adapter"]
    large, small = (rows(_eval(world, adapter, size, force=True)) for size in (128, 9))
    for one, other in zip(large, small, strict=True):
        close = ("logp", "min_k", "min_k_pp", "logp_wrong")
        assert [one[c] for c in close] == pytest.approx([other[c] for c in close], abs=2e-4)
        assert {k: v for k, v in one.items() if k not in close} == {k: v for k, v in other.items() if k not in close}
    plain = rows(_eval(world))
    assert [r["prompt_digest"] for r in large] == [r["prompt_digest"] for r in plain]
    assert [r["logp"] for r in large] != pytest.approx([r["logp"] for r in plain], abs=1e-3)


@pytest.mark.parametrize("method", ["eco", "guard"])
def test_retained_people_and_general_skills_are_left_alone(world: Any, rows: Any, method: str) -> None:
    record = world.run(declared.UNLEARN, _config(method), _inputs(world))
    assert record.metrics["flagged_forget"] > 0.9
    after, before = rows(_eval(world, record.outputs["adapter"])), rows(_eval(world))
    other = [(a, b) for a, b in zip(after, before, strict=True) if a["split"] != "forget" and a["route"] == "canonical"]
    same = sum(a["logp"] == pytest.approx(b["logp"], abs=1e-4) for a, b in other)
    assert same > 0.85 * len(other)


@pytest.mark.slow
def test_a_wrapper_may_stand_around_a_model_that_was_trained(world: Any, rows: Any) -> None:
    recipe = Recipe(terms=(on(FORGET, "ga"),), infer=Wrapper(wrapper="forbid"))
    params = {"threshold": 0.5, "nearest": 1.0, "penalty": 20.0}
    record = world.run(declared.UNLEARN, _config("guard", recipe, params=params), _inputs(world))
    assert "last_forget_nll" in record.metrics
    bare = _config("guard", Recipe(terms=(on(FORGET, "ga"),)), params=params)
    trained = rows(_eval(world, world.run(declared.UNLEARN, bare, _inputs(world)).outputs["adapter"]))
    both = rows(_eval(world, record.outputs["adapter"]))
    pairs = [(r["logp"], s["logp"]) for r, s in zip(both, trained, strict=True) if r["split"] == "general"]
    kept = sum(r == pytest.approx(s, abs=1e-4) for r, s in pairs)
    assert kept > 0.8 * len(pairs)  # the trained model is what is wrapped
    assert both != trained


def test_an_assistant_must_be_a_lora(world: Any) -> None:
    with pytest.raises((StudyError, CellFailed), match="trains adapters of its own"):
        world.run(declared.UNLEARN, _config("uld", adapter=Adapter(recipe="full")), _inputs(world))


def test_a_wrapper_that_does_not_fit_is_one_line(vlm: Any, tmp_path: Path, world: Any) -> None:
    import torch

    from vlmunl.methods.infer import stored, wrapping
    from vlmunl.methods.infer.stored import Stored

    def refused(wrapper: str, **parts: Any) -> str:
        shutil.rmtree(tmp_path, ignore_errors=True)
        part = METHODS[{"corrupt": "eco", "offset": "uld", "gated": "o3", "forbid": "guard"}[wrapper]]
        args = {k: v for k, v in part.params.items() if k != "uniform"}
        stored.save(Stored(wrapper, parts.pop("version", 1), args, **parts), tmp_path)
        with pytest.raises(MissingInput) as caught:
            wrapping.applied(vlm, tmp_path)
        assert "\n" not in caught.value.message
        return caught.value.message

    assert "no 'strength'" in refused("corrupt")
    assert "no 'detector.weight'" in refused("corrupt", facts={"strength": 1.0, "seed": 1})
    assert "assistant" in refused("offset", facts={"layers": 2})
    name = "assistant.model.language_model.layers.0.mlp.up_proj"
    wrong = {f"{name}.a": torch.ones(2, 3), f"{name}.b": torch.ones(4, 2)}
    assert "does not fit the model" in refused("offset", facts={"layers": 2}, tensors=wrong)
    assert "version 9" in refused("forbid", version=9)
    assert "does not fit" in refused("gated", facts={"requests": 1})
