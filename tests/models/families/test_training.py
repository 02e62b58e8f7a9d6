"""What is trained is what the recipe says, in every family, and nothing else."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from vlmunl.models.chat import Turn

pytestmark = [pytest.mark.model, pytest.mark.slow]

PROJECTORS = {
    "qwen2-vl": r"model\.visual\.merger\.",
    "qwen2.5-vl": r"model\.visual\.merger\.",
    "qwen3-vl": r"model\.visual\.(merger|deepstack_merger_list)\.",
    "smolvlm": r"model\.connector\.",
    "idefics3": r"model\.connector\.",
}
"""Names of the linear layers between tower and language model; elsewhere `multi_modal_projector`."""


def _batch(vlm: Any, files: list[bytes]) -> Any:
    from vlmunl.models.samples import Encoder, Sample

    from .helpers import shows

    photos = files if shows(vlm) else [None] * len(files)
    return Encoder(vlm).batch([Sample((Turn(f"Question {i}?", "Lima in Peru"),), p) for i, p in enumerate(photos)])


def _copy(vlm: Any) -> Any:
    from vlmunl.models.vlm import VLM

    return VLM(copy.deepcopy(vlm.model), vlm.processor)


def _language(vlm: Any) -> str:
    names = [n for n, m in vlm.model.named_modules() if m is vlm.family.language(vlm.model)]
    return names[0] + "."


def test_lora_reaches_language_and_projector(mini: Any, family: str, files: list[bytes]) -> None:
    from vlmunl.models import adapters
    from vlmunl.models.forward import AnswerModel, answers
    from vlmunl.stages.configs import Adapter

    vlm = _copy(mini)
    linears = adapters.linears(vlm.model)
    inside, between = _language(vlm), re.compile(PROJECTORS.get(family, r"model\.multi_modal_projector"))
    meant = {n for n in linears if n.startswith(inside) or between.match(n)}
    trained = adapters.attach(vlm.model, Adapter(rank=2, alpha=4))
    core = adapters.core(trained)
    found = {n.split(".lora_")[0] for n, p in core.named_parameters() if p.requires_grad}
    assert found == meant
    assert all("lora_" in n for n, p in core.named_parameters() if p.requires_grad)
    with_layers = [p for n, p in core.named_parameters() if "lora_B" in n]
    import torch

    with torch.no_grad():
        for weight in with_layers:
            weight.add_(0.01)  # at zero there is no gradient to lora_A
    answers(AnswerModel(core, vlm.image_token), _batch(vlm, files)).mean.backward()
    silent = {
        n for n, p in core.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)
    }
    assert silent == set()
    assert all(p.grad is None for n, p in core.named_parameters() if not p.requires_grad)


def test_full_training_reaches_all_that_takes_part(mini: Any, family: str, files: list[bytes]) -> None:
    from vlmunl.models import adapters
    from vlmunl.models.forward import AnswerModel, answers
    from vlmunl.stages.configs import Adapter

    vlm = _copy(mini)
    trained = adapters.attach(vlm.model, Adapter(recipe="full"))
    assert all(p.requires_grad for p in trained.parameters())
    batch = _batch(vlm, files)
    answers(AnswerModel(trained, vlm.image_token), batch).mean.backward()
    named = dict(trained.named_parameters())
    inside = _language(vlm)
    still = {n for n, p in named.items() if p.grad is None or not p.grad.abs().sum() > 0}
    assert not {n for n in still if n.startswith(inside)}
    tower = {n for n in named if not n.startswith(inside) and n != "lm_head.weight"}
    assert len(tower - still) >= 0.5 * len(tower)  # LLaVA reads its tower before the last of two layers


def test_a_step_is_a_step_of_the_models_own_loss(mini: Any, family: str, files: list[bytes], photos: list[Any]) -> None:
    """The gradient of our mean NLL is that of the model's own forward pass with labels at the answer tokens."""
    import torch

    from vlmunl.models.forward import AnswerModel, answers
    from vlmunl.models.samples import Encoder, Sample

    from .helpers import shows, written

    vlm = _copy(mini)
    vlm.model.requires_grad_(True)
    photo, image = (files[0], photos[0]) if shows(vlm) else (None, None)
    turns = (Turn("Where was this person born?", "Lima in Peru"),)
    batch = Encoder(vlm).batch([Sample(turns, photo)])
    answers(AnswerModel(vlm.model, vlm.image_token), batch).mean.backward()
    ours = {n: p.grad.clone() for n, p in vlm.model.named_parameters() if p.grad is not None}
    vlm.model.zero_grad(set_to_none=True)
    given = {n: v for n, v in written(vlm, turns, image, 0).items() if n != "labels"}
    logp = torch.log_softmax(vlm.model(**given).logits[0].float(), -1)
    at = torch.nonzero(batch.answers[0])[:, 0]
    (-logp[at - 1, batch.ids[0, at]].mean()).backward()
    own = {n: p.grad for n, p in vlm.model.named_parameters() if p.grad is not None}
    assert ours.keys() == own.keys()
    for name, gradient in own.items():
        assert (ours[name] - gradient).abs().max() < 1e-4 * (1 + gradient.abs().max()), name


def test_a_remembered_tower_changes_nothing(mini: Any, files: list[bytes]) -> None:
    import torch

    from vlmunl.models.forward import AnswerModel, answers
    from vlmunl.models.frozen_vision import remembered

    vlm = _copy(mini)
    vlm.model.requires_grad_(False)
    net, batch = AnswerModel(vlm.model, vlm.image_token), _batch(vlm, files)
    with torch.no_grad():
        plain = answers(net, batch).logits
        with remembered(vlm.model):
            for _ in range(2):
                assert (answers(net, batch).logits - plain).abs().max() < 1e-5


def test_a_stored_adapter_is_the_same_model(mini: Any, files: list[bytes], tmp_path: Path) -> None:
    import torch

    from vlmunl.models import adapters
    from vlmunl.models.forward import AnswerModel, answers
    from vlmunl.stages.configs import Adapter

    vlm, batch = _copy(mini), _batch(mini, files)
    trained = adapters.attach(vlm.model, Adapter(rank=2, alpha=4))
    with torch.no_grad():
        for name, weight in trained.named_parameters():
            if "lora_B" in name:
                weight.add_(0.05)
        before = answers(AnswerModel(adapters.core(trained), vlm.image_token), batch).logits
        adapters.save(trained, tmp_path / "adapter")
        merged = adapters.merge(copy.deepcopy(mini.model), tmp_path / "adapter")
        after = answers(AnswerModel(merged, vlm.image_token), batch).logits
        plain = answers(AnswerModel(mini.model, vlm.image_token), batch).logits
    assert (before - after).abs().max() < 1e-3
    assert (before - plain).abs().max() > 1e-3


def test_training_teaches(mini: Any, files: list[bytes]) -> None:
    """The loop itself, by LoRA and by DoRA: the answers get likelier, and what is not trained stays to the bit."""
    import torch

    from vlmunl.models.loop import fit
    from vlmunl.models.trainer import Trainer
    from vlmunl.stages.configs import Adapter, Optim

    for recipe in ("lora", "dora"):
        vlm = _copy(mini)
        before = {n: p.clone() for n, p in vlm.model.named_parameters()}
        trainer = Trainer(vlm, Adapter(recipe=recipe, rank=4, alpha=8), Optim(steps=6, lr=0.01, warmup=0))
        batch = _batch(vlm, files)

        def losses(step: int, trainer: Any = trainer, batch: Any = batch) -> Any:
            def make() -> Any:
                out = trainer.out(batch)
                yield "all", out.mean, {"nll": float(out.mean.detach())}

            return make

        curve = fit(trainer, losses, progress=lambda *_: None)
        assert curve.steps[-1]["nll"] < curve.steps[0]["nll"] - 0.5
        after = {n.replace(".base_layer.", "."): p for n, p in vlm.model.named_parameters() if "lora_" not in n}
        assert all(torch.equal(after[n], p) for n, p in before.items())
