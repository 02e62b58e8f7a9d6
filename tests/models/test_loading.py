"""How weights are held: what the loader is told, adapters beside quantised weights, checkpointing, precision."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlmunl.errors import MissingInput, StudyError, ToolMissing
from vlmunl.stages.configs import Adapter, Loading, Optim

pytestmark = pytest.mark.model
needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)
QUANTISED = ("8bit", "4bit")


def tiny(**how: Any) -> Any:
    import torch

    from vlmunl.models.locate import locate
    from vlmunl.models.vlm import load

    torch.set_num_threads(1)
    return load(locate("tiny", None, Path()), Loading(**how), device="cpu")


def batch_of(vlm: Any, benchmark: Any, count: int = 4) -> Any:
    from vlmunl.methods import views
    from vlmunl.models.samples import Encoder

    return Encoder(vlm).batch([d.sample for d in views.canonical(benchmark.forget)][:count])


def logits_of(vlm: Any, batch: Any) -> Any:
    import torch

    from vlmunl.models.forward import AnswerModel, answers

    with torch.no_grad():
        return answers(AnswerModel(vlm.model, vlm.image_token), batch).logits


def trained_on(vlm: Any, benchmark: Any, recipe: str = "lora", steps: int = 3) -> Any:
    import torch

    from vlmunl.models.trainer import Trainer

    torch.manual_seed(0)
    trainer = Trainer(vlm, Adapter(recipe=recipe, rank=4, alpha=8), Optim(steps=steps, lr=2e-2, warmup=0))  # type: ignore[arg-type]
    batch = batch_of(vlm, benchmark)
    for step in range(steps):
        trainer.step(step, lambda: iter([("all", trainer.out(batch).mean, {})]))
    return trainer


# ------------------------------------------------------------------------------------ what is told


def test_a_cpu_holds_float32_unless_told_otherwise():
    import torch

    from vlmunl.models.loading import arguments

    assert arguments(Loading(), "cpu") == {"dtype": torch.float32}
    assert arguments(Loading(weights="bf16", attention="eager"), "cpu") == {
        "dtype": torch.bfloat16,
        "attn_implementation": "eager",
    }


def test_the_attention_asked_for_is_used():
    for how in ("eager", "sdpa"):
        assert tiny(attention=how).model.config._attn_implementation == how


def test_flash_attention_on_a_cpu_is_refused_with_a_remedy():
    with pytest.raises(StudyError, match="needs an NVIDIA GPU") as caught:
        tiny(attention="flash_attention_2")
    assert "sdpa" in caught.value.hint


def test_without_bitsandbytes_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "bitsandbytes" else real(n, *a))
    with pytest.raises(ToolMissing, match="bitsandbytes") as caught:
        tiny(quantize="4bit")
    assert "vlmunl[quant]" in caught.value.hint
    assert caught.value.exit_code == 69


def test_full_training_holds_float32_where_the_device_would_choose():
    from vlmunl.models.loading import for_training

    assert for_training(Loading(), Adapter(recipe="full")).weights == "fp32"
    assert for_training(Loading(weights="bf16"), Adapter(recipe="full")).weights == "bf16"
    assert for_training(Loading(), Adapter()).weights == "auto"


def test_the_kept_parts_are_told_apart_from_all_others():
    from transformers.quantizers.quantizers_utils import should_convert_module

    from vlmunl.models.loading import KEPT

    patterns = [rf"(?:.*\.)?{part}" for part in KEPT]
    kept = ("lm_head", "model.vision_tower.encoder.layers.0.mlp.fc1", "model.multi_modal_projector.linear_1")
    kept += ("model.visual.blocks.3.attn.qkv", "model.visual.merger.mlp.0", "model.connector.modality_projection.proj")
    assert not any(should_convert_module(name, patterns) for name in kept)
    others = ("model.language_model.layers.11.self_attn.q_proj", "model.layers.0.mlp.down_proj")
    assert all(should_convert_module(name, patterns) for name in others)


# --------------------------------------------------------------------------------------- precision


def test_bfloat16_weights_answer_nearly_as_float32_ones(benchmark_small: Any):
    import torch

    whole, half = tiny(), tiny(weights="bf16")
    assert {p.dtype for p in half.model.parameters()} == {torch.bfloat16}
    batch = batch_of(whole, benchmark_small)
    a, b = logits_of(whole, batch), logits_of(half, batch)
    assert b.dtype == torch.float32
    assert float((a - b).abs().mean()) < 0.05 * float(a.abs().mean())
    assert not torch.equal(a, b)


def test_adapters_on_bfloat16_weights_are_trained_in_float32(benchmark_small: Any):
    import torch

    trainer = trained_on(tiny(weights="bf16"), benchmark_small)
    assert {p.dtype for p in trainer.weights} == {torch.float32}


# ----------------------------------------------------------------------------------- checkpointing


@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_checkpointing_changes_no_gradient(benchmark_small: Any, recipe: str):
    import torch

    from vlmunl.models import adapters

    plain = trained_on(tiny(), benchmark_small, recipe)
    again = trained_on(tiny(checkpointing=True), benchmark_small, recipe)
    assert adapters.core(again.trained).is_gradient_checkpointing
    assert not adapters.core(plain.trained).is_gradient_checkpointing
    for a, b in zip(plain.weights, again.weights, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert any(bool(w.any()) for w in again.weights)


def test_checkpointing_does_recompute_the_blocks(benchmark_small: Any):
    vlm = tiny(checkpointing=True)
    from vlmunl.models.trainer import Trainer

    trainer = Trainer(vlm, Adapter(rank=4, alpha=8), Optim(steps=1, lr=1e-2, warmup=0))
    ran = []
    block = trainer._net.vlm.model.language_model.layers[1].mlp
    block.register_forward_pre_hook(lambda *_: ran.append(1))
    batch = batch_of(vlm, benchmark_small)
    trainer.step(0, lambda: iter([("all", trainer.out(batch).mean, {})]))
    assert len(ran) == 2


def test_inner_layers_can_be_trained_on_with_checkpointing(benchmark_small: Any):
    import torch

    from vlmunl.models.trainer import Trainer

    found = []
    for checkpointing in (False, True):
        vlm = tiny(checkpointing=checkpointing)
        torch.manual_seed(0)
        trainer = Trainer(vlm, Adapter(rank=4, alpha=8), Optim(steps=2, lr=1e-2, warmup=0))
        batch = batch_of(vlm, benchmark_small)
        for step in range(2):
            trainer.step(
                step,
                lambda t=trainer, b=batch: iter(  # type: ignore[misc]
                    [("all", t.out(b, (1,), stop=True).layers[1].values.square().mean(), {})]
                ),
            )
        found.append([w.detach().clone() for w in trainer.weights])
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


# ------------------------------------------------------------------------------------ 8 and 4 bit


@needs_bitsandbytes
@pytest.mark.parametrize("bits", QUANTISED)
def test_the_language_model_alone_is_quantised(bits: str):
    import bitsandbytes as bnb

    from vlmunl.models import adapters

    vlm = tiny(quantize=bits)
    kind = bnb.nn.Linear4bit if bits == "4bit" else bnb.nn.Linear8bitLt
    rounded = {n for n, m in vlm.model.named_modules() if isinstance(m, kind)}
    language = {n for n, p in ((n, adapters.place_of(n)) for n in adapters.linears(vlm.model)) if p is not None}
    assert rounded == {n for n in language if ".language_model." in n}
    if bits == "4bit":
        state = next(m for m in vlm.model.modules() if isinstance(m, kind)).weight.quant_state
        assert (state.quant_type, state.nested) == ("nf4", True)


@needs_bitsandbytes
@pytest.mark.parametrize("bits", QUANTISED)
def test_a_quantised_model_answers_nearly_as_before(benchmark_small: Any, bits: str):
    whole, rounded = tiny(), tiny(quantize=bits)
    batch = batch_of(whole, benchmark_small)
    a, b = logits_of(whole, batch), logits_of(rounded, batch)
    limit = {"8bit": 0.08, "4bit": 0.5}[bits]
    assert 0 < float((a - b).abs().mean()) < limit * float(a.abs().mean())


@needs_bitsandbytes
@pytest.mark.parametrize(("bits", "recipe"), [("8bit", "lora"), ("4bit", "lora"), ("4bit", "dora")])
def test_a_stored_adapter_beside_quantised_weights_is_the_trained_model(
    benchmark_small: Any, tmp_path: Path, bits: str, recipe: str
):
    """What is asked is what was trained; merging it into the rounded weights would be another model."""
    import torch

    from vlmunl.models import adapters
    from vlmunl.models.vlm import VLM

    vlm = tiny(quantize=bits)
    batch = batch_of(vlm, benchmark_small)
    before = logits_of(vlm, batch)
    trainer = trained_on(vlm, benchmark_small, recipe)
    trainer.trained.eval()
    with torch.no_grad():
        taught = trainer.out(batch).logits
    assert not torch.allclose(before, taught, atol=0.1)
    adapters.save(trainer.trained, tmp_path / "first")
    loaded = tiny(quantize=bits)
    loaded = VLM(adapters.merge(loaded.model, tmp_path / "first"), loaded.processor)
    stacked = logits_of(loaded, batch)
    assert torch.allclose(stacked, taught, atol=2e-3)
    merged = VLM(trainer.trained.merge_and_unload(), vlm.processor)  # what is not done
    away = (logits_of(merged, batch) - taught).abs().mean()
    assert float(away) > 10 * float((stacked - taught).abs().mean())


@needs_bitsandbytes
@pytest.mark.parametrize("recipe", ["lora", "dora"])
def test_a_second_adapter_on_a_stacked_one(benchmark_small: Any, tmp_path: Path, recipe: str):
    """Unlearning on an imprint: switched off it is the imprint, stored and stacked it is the unlearned model."""
    import torch

    from vlmunl.models import adapters
    from vlmunl.models.vlm import VLM

    def stacked(*names: str) -> Any:
        vlm = tiny(quantize="4bit")
        for name in names:
            vlm = VLM(adapters.merge(vlm.model, tmp_path / name), vlm.processor)
        return vlm

    adapters.save(trained_on(stacked(), benchmark_small, recipe).trained, tmp_path / "imprint")
    imprint = stacked("imprint")
    batch = batch_of(imprint, benchmark_small)
    reference = logits_of(imprint, batch)
    trainer = trained_on(imprint, benchmark_small, recipe)
    trainer.trained.eval()
    with trainer.untrained():
        assert torch.allclose(trainer.out(batch).logits, reference, atol=1e-4)
    with torch.no_grad():
        unlearned = trainer.out(batch).logits
    assert not torch.allclose(unlearned, reference, atol=0.1)
    adapters.save(trainer.trained, tmp_path / "unlearned")
    assert torch.allclose(logits_of(stacked("imprint", "unlearned"), batch), unlearned, atol=2e-3)


def test_a_share_of_an_addition_is_a_share_of_the_weights():
    import torch

    from vlmunl.models.stacked import Addition

    g = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Any:
        return torch.randn(*shape, generator=g)

    layer, a, b, gain, x = torch.nn.Linear(6, 5), draw(2, 6), draw(5, 2), draw(5).abs(), draw(3, 6)
    with torch.no_grad():
        for some in (None, gain):
            plain = layer(x)
            after = (layer.weight + b @ a) * (1.0 if some is None else some[:, None])
            for share in (0.0, 0.3, 1.0):
                mixed = torch.nn.functional.linear(x, layer.weight + share * (after - layer.weight), layer.bias)
                assert torch.allclose(Addition(a, b, some, share)(layer, (x,), plain), mixed, atol=1e-5)


def test_stored_whole_weights_do_not_go_on_quantised_ones(tmp_path: Path):
    from vlmunl.models.stacked import stack

    with pytest.raises(MissingInput, match="no LoRA adapter"):
        stack(None, tmp_path)


def test_an_adapter_with_settings_that_are_not_read_is_refused(benchmark_small: Any, tmp_path: Path):
    import json

    from vlmunl.models import adapters
    from vlmunl.models.stacked import stack

    vlm = tiny()
    adapters.save(adapters.attach(vlm.model, Adapter(rank=2, alpha=4)), tmp_path / "a")
    path = tmp_path / "a" / adapters.LORA_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rank_pattern": {"q_proj": 8}}))
    with pytest.raises(MissingInput, match="rank_pattern"):
        stack(tiny().model, tmp_path / "a")


def test_loading_is_frozen_and_compared_by_value():
    assert replace(Loading(), quantize="4bit") == Loading(quantize="4bit") != Loading()
