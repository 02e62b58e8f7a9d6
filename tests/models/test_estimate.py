"""Estimates of memory against what is really there: weights, trained weights, kept activations, caches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmunl.errors import MissingInput
from vlmunl.models.estimate import Work, asking, trainable, training, training_flops, weights
from vlmunl.models.locate import locate
from vlmunl.models.shapes import TYPICAL, shape_of
from vlmunl.stages.configs import Adapter, Loading

TINY = shape_of(locate("tiny", None, Path()))
ONE = Work(samples=1, pictured=1)


def test_the_shape_of_the_embedded_model_is_that_of_its_config():
    assert (TINY.layers, TINY.hidden, TINY.inner, TINY.vocabulary) == (5, 160, 352, 1280)
    assert (TINY.query, TINY.key) == (160, 160)
    assert (TINY.vision_layers, TINY.vision_hidden, TINY.vision_inner) == (3, 128, 384)
    assert TINY.image_tokens == 16
    assert TINY.linear == 5 * (4 * 160 * 160 + 3 * 160 * 352)


def test_typical_sizes_have_about_the_weights_of_their_names():
    told = {"2B": 2.2e9, "4B": 4.4e9, "7B": 7.06e9, "11B": 10.6e9, "13B": 13.4e9}
    for name, shape in TYPICAL.items():
        assert shape.parameters == pytest.approx(told[name], rel=0.12), name


def test_memory_of_a_7b_by_hand():
    """Weights 2 bytes; a full training holds weights, gradients and two moments in float32; NF4 half a byte."""
    shape = TYPICAL["7B"]
    n = shape.parameters
    assert weights(shape, Loading(weights="bf16"), gpu=True) == 2 * n
    full = training(shape, ONE, Adapter(recipe="full"), Loading(), gpu=True)
    assert full.weights + full.gradients + full.optimiser == 16 * n
    four = weights(shape, Loading(quantize="4bit"), gpu=True)
    assert four == pytest.approx(0.516 * shape.linear + 2 * (n - shape.linear))
    assert trainable(shape, Adapter(rank=16)) == 16 * shape.adapted
    assert trainable(shape, Adapter(recipe="dora", rank=16)) == 16 * shape.adapted + shape.adapted_out


def test_the_promises_about_cards():
    """A 4B unlearns on 10 GB and a 7B VLM on 24 GB: quantised, one sample at a time, with checkpointing."""
    how = Loading(quantize="4bit", checkpointing=True)
    text = replace(TYPICAL["4B"], vision=0, projector=0)
    few = Work(samples=4, pictured=0, text=256)
    assert training(text, few, Adapter(), how, gpu=True).total < 9e9
    assert training(TYPICAL["7B"], Work(samples=4, pictured=4), Adapter(), how, gpu=True).total < 22e9
    assert training(TYPICAL["7B"], ONE, Adapter(recipe="full"), Loading(checkpointing=True), gpu=True).total > 100e9


def test_estimates_grow_and_shrink_as_they_should():
    shape, work = TYPICAL["2B"], Work(samples=8, pictured=8)
    plain = training(shape, work, Adapter(), Loading(), gpu=True)
    again = training(shape, work, Adapter(), Loading(checkpointing=True), gpu=True)
    half = training(shape, work.at_once(4), Adapter(), Loading(), gpu=True)
    assert again.activations < plain.activations / 5
    assert half.activations == pytest.approx(plain.activations / 2)
    eager = asking(shape, work, Loading(attention="eager"), gpu=True)
    assert eager.activations > asking(shape, work, Loading(), gpu=True).activations
    busy = replace(work, steps=10, total=8)
    assert training_flops(shape, busy, Adapter(recipe="full"), Loading()) > training_flops(
        shape, busy, Adapter(), Loading()
    )


def test_a_folder_without_weights_is_refused(tmp_path: Path):
    with pytest.raises(MissingInput, match=r"no .*safetensors"):
        shape_of(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x01")
    with pytest.raises(MissingInput, match="is no safetensors file"):
        shape_of(tmp_path)


# -------------------------------------------------------------------------------- against the model


def _trainer(recipe: str) -> Any:
    import torch

    from vlmunl.models.trainer import Trainer
    from vlmunl.models.vlm import load
    from vlmunl.stages.configs import Optim

    torch.set_num_threads(1)
    vlm = load(locate("tiny", None, Path()), device="cpu")
    return Trainer(vlm, Adapter(recipe=recipe), Optim(steps=1, lr=1e-4, warmup=0))  # type: ignore[arg-type]


def _kept(trainer: Any, batch: Any) -> int:
    """Bytes of the distinct tensors that autograd keeps for the backward pass, weights left out."""
    import torch

    own = {p.untyped_storage().data_ptr() for p in trainer._net.parameters()}
    seen: dict[int, int] = {}
    held = []

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)  # or its place is given to another one
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        trainer.out(batch).mean  # noqa: B018
    return sum(seen.values())


@pytest.mark.model
@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_kept_activations_are_within_a_factor_of_two(benchmark_small: Any, recipe: str):
    from vlmunl.methods import views
    from vlmunl.models.samples import Encoder

    trainer = _trainer(recipe)
    assert sum(w.numel() for w in trainer.weights) == trainable(TINY, Adapter(recipe=recipe))  # type: ignore[arg-type]
    assert sum(p.numel() for n, p in trainer._net.named_parameters() if "lora_" not in n) == TINY.parameters
    samples = [d.sample for d in views.canonical(benchmark_small.forget)][:8]
    batch = Encoder(trainer.vlm).batch(samples)
    kept = _kept(trainer, batch)
    text = int(batch.mask.sum()) // len(samples) - TINY.image_tokens
    answer = int(batch.answers.sum()) // len(samples)
    work = Work(samples=len(samples), pictured=len(samples), text=text, answer=answer)
    told = training(TINY, work, Adapter(recipe=recipe), Loading(), gpu=False)  # type: ignore[arg-type]
    ratio = (told.activations + told.logits / 2) / kept
    assert 0.5 < ratio < 2, f"estimated {told.activations + told.logits / 2:,.0f} bytes, kept {kept:,}"
