"""Edits change what they say, exactly, and what is stored is the model that was made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.methods.benches import BOTH, FEW, lab_of  # noqa: E402
from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods.edits import dampen, fila, negate, prune  # noqa: E402
from vlmunl.methods.known import METHODS  # noqa: E402
from vlmunl.methods.language import FORGET, Recipe, Where, on  # noqa: E402
from vlmunl.models import adapters  # noqa: E402
from vlmunl.stages import unlearn  # noqa: E402
from vlmunl.stages.configs import Adapter, Optim  # noqa: E402

pytestmark = pytest.mark.model


def _load() -> Any:
    from pathlib import Path

    from vlmunl.models.locate import locate
    from vlmunl.models.vlm import load

    return load(locate("tiny", None, Path())).model


def _lab(vlm: Any, benchmark: Any, adapter: Adapter | None = None, **recipe: Any) -> Any:
    lab = lab_of(vlm, benchmark, Recipe(**({"terms": BOTH, "where": FEW} | recipe)), adapter)
    lab.imprint = _load
    return lab


def _weights(lab: Any) -> dict[str, Any]:
    return {name: layer.weight.detach().clone() for name, layer in lab.layers.items()}


@pytest.mark.parametrize("edit", [prune.prune, prune.prune_taylor])
def test_exactly_the_share_is_deleted_and_nothing_else_changes(vlm: Any, benchmark_small: Any, edit: Any) -> None:
    lab = _lab(vlm, benchmark_small)
    before, others = _weights(lab), {n: p.clone() for n, p in vlm.model.named_parameters()}
    edit(lab, rho=0.02, samples=4)
    total = sum(w.numel() for w in before.values())
    after = _weights(lab)
    assert sum(int(((after[n] == 0) & (before[n] != 0)).sum()) for n in before) == round(0.02 * total)
    assert lab.notes["deleted"] == pytest.approx(0.02, rel=1e-3)
    for name, p in vlm.model.named_parameters():
        kept = p != 0
        assert torch.equal(p[kept], others[name][kept])


def test_an_edit_without_anything_to_choose_by_is_refused(vlm: Any, benchmark_small: Any) -> None:
    """As the published rule on a fresh LoRA, where B = 0: every |w g| is 0, and deleting "the top" would be all."""
    lab = _lab(vlm, benchmark_small)
    with torch.no_grad():
        for layer in lab.layers.values():
            layer.weight.zero_()
    with pytest.raises(StudyError, match="tested: prune_taylor: every score is zero"):
        prune.prune_taylor(lab, rho=0.02, samples=4)
    with pytest.raises(StudyError, match="tested: prune: every score is zero"):
        prune.prune(lab, rho=0.02, samples=4)


def test_whole_neurons_are_deleted(vlm: Any, benchmark_small: Any) -> None:
    lab = _lab(vlm, benchmark_small, where=Where(parts=("language", "vision"), modules=("mlp",)))
    before = _weights(lab)
    prune.prune_neurons(lab, share=0.05, samples=4)
    down = [n for n in before if n.endswith(("down_proj", "fc2"))]
    silent = {n: (lab.layers[n].weight == 0).all(0) for n in down}
    assert sum(int(s.sum()) for s in silent.values()) == round(0.05 * (5 * 352 + 3 * 384))
    assert all(torch.equal(lab.layers[n].weight[:, ~s], before[n][:, ~s]) for n, s in silent.items())
    assert all(torch.equal(lab.layers[n].weight, before[n]) for n in before if n not in down)
    with pytest.raises(StudyError, match="finds no MLP"):
        prune.prune_neurons(_lab(vlm, benchmark_small, where=Where(modules=("attention",))), share=0.05, samples=4)


@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_what_was_deleted_stays_so_in_the_repair(vlm: Any, benchmark_small: Any, recipe: str) -> None:
    from vlmunl.models.trainer import Trainer

    torch.manual_seed(0)
    lab = _lab(vlm, benchmark_small, Adapter(recipe=recipe, rank=4, alpha=8))  # type: ignore[arg-type]
    prune.prune(lab, rho=0.05, samples=4)
    holes = {name: layer.weight == 0 for name, layer in lab.layers.items()}
    trainer = Trainer(vlm, lab.config.adapter, Optim(steps=3, lr=1e-2, warmup=0), lab.where)
    trainer.rules = lab.rules
    batch = lab.encoder.batch(lab.samples("retain")[:4])
    for step in range(3):
        trainer.step(step, lambda: iter([("retain", trainer.out(batch).mean, {})]))
    model = adapters.merged(trainer.trained)
    for name, hole in holes.items():
        assert float(model.get_submodule(name).weight[hole].detach().abs().max()) < 1e-7
        assert not bool((model.get_submodule(name).weight[~hole] == 0).all())


def test_dampening_by_hand(vlm: Any, benchmark_small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = _lab(vlm, benchmark_small)
    before = _weights(lab)
    forget = {n: torch.full_like(w, 4.0) for n, w in before.items()}
    retain = {n: torch.ones_like(w) for n, w in before.items()}
    for f in forget.values():
        f[0] = 1.5  # not twice as important
    given = iter([forget, retain])
    monkeypatch.setattr(dampen, "probed", lambda lab, score, views, samples: next(given))
    dampen.dampen(lab, alpha=2.0, floor=1.0, samples=1)
    for name, layer in lab.layers.items():
        assert torch.equal(layer.weight[0], before[name][0])
        assert torch.allclose(layer.weight[1:], before[name][1:] / 4)
    given = iter([retain, retain])
    with pytest.raises(StudyError, match="no weight matters"):
        dampen.dampen(lab, alpha=2.0, floor=1.0, samples=1)


@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_negating_is_exact(vlm: Any, benchmark_small: Any, recipe: str) -> None:
    torch.manual_seed(0)
    lab = _lab(vlm, benchmark_small, Adapter(recipe=recipe, rank=4, alpha=8), terms=(on(FORGET, "ce"),))  # type: ignore[arg-type]
    before = _weights(lab)
    lab.trained = adapters.attach(vlm.model, lab.config.adapter, lab.where)
    with torch.no_grad():
        for name, p in lab.vlm.model.named_parameters():
            if p.requires_grad and "lora_A" not in name and "bias" not in name:
                p.add_(0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    made = {n: w for n, w in _merged_copy(lab).items() if n.removesuffix(".weight") in before}
    negate.negate(lab, scale=0.5)
    model = adapters.merged(lab.trained) if lab.trained is not None else lab.vlm.model
    for name, start in before.items():
        moved = made[f"{name}.weight"] - start
        assert float(moved.abs().max()) > 0
        assert torch.allclose(model.get_submodule(name).weight, start - 0.5 * moved, atol=1e-6)


def _merged_copy(lab: Any) -> dict[str, Any]:
    """The weights with the adapter in them, without taking it off."""
    import copy

    model = adapters.merged(copy.deepcopy(lab.trained))
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def test_the_adapter_of_fila_holds_a_part_of_the_weights_and_the_sum_is_as_before(
    vlm: Any, benchmark_small: Any
) -> None:
    torch.manual_seed(0)
    lab = _lab(vlm, benchmark_small)
    before = _weights(lab)
    fila.fila(lab, samples=4)
    assert all(not torch.equal(layer.weight, before[n]) for n, layer in lab.layers.items())
    lab.trained = adapters.attach(vlm.model, lab.config.adapter, lab.where)
    lab.at_start[0]()
    model = adapters.merged(lab.trained)
    for name, start in before.items():
        assert torch.allclose(model.get_submodule(name).weight, start, atol=1e-5)
    with pytest.raises(StudyError, match="fila fills the factors of a LoRA"):
        fila.fila(_lab(vlm, benchmark_small, Adapter(recipe="full")), samples=4)


def test_a_weighted_factorisation_is_the_best_for_its_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    w, rows = torch.randn(6, 5, generator=generator), torch.rand(6, generator=generator) + 0.1

    def misfit(b: Any, a: Any) -> float:
        return float((rows.unsqueeze(1) * (w - b @ a)).norm())

    best = misfit(*fila.factorised(w, rows, 2))
    assert best < misfit(*fila.factorised(w, torch.ones(6), 2))
    assert misfit(*fila.factorised(w, rows, 9)) == pytest.approx(0, abs=1e-5)  # more factors than there can be


# ---------------------------------------------------------------------------------- what is stored


@pytest.mark.parametrize("recipe", ["lora", "full"])
@pytest.mark.parametrize("name", ["iwap", "loku", "task_vector", "manu"])
def test_the_stored_model_is_the_one_that_was_made(
    vlm: Any, benchmark_small: Any, tmp_path: Any, name: str, recipe: str
) -> None:
    if (name, recipe) == ("loku", "full"):
        pytest.skip("fila fills a LoRA")
    torch.manual_seed(0)
    method = METHODS[name]
    lab = _lab(vlm, benchmark_small, Adapter(recipe=recipe, rank=4, alpha=8), **vars(method.recipe))  # type: ignore[arg-type]
    _edit(lab, method)
    unlearn._save(lab, SimpleNamespace(out=tmp_path), edited=True)
    made = dict(adapters.merged(lab.trained).named_parameters() if lab.trained else lab.vlm.model.named_parameters())
    stored = dict(adapters.merge(_load(), tmp_path / "adapter").named_parameters())
    assert made.keys() == stored.keys()
    assert all(torch.allclose(made[n], stored[n], atol=1e-7) for n in made)
    assert (tmp_path / "adapter" / adapters.LORA_WEIGHTS).is_file() is ((name, recipe) == ("task_vector", "lora"))


def _edit(lab: Any, method: Any) -> None:
    """The method's edits, and in place of its training a change of what would be trained."""
    from dataclasses import replace

    from vlmunl.methods.lab import apply

    lab.config = replace(lab.config, params=dict(method.params) | {"samples": 2.0})
    apply(method.recipe.before, lab)
    if method.recipe.terms:
        lab.trained = adapters.attach(lab.vlm.model, lab.config.adapter, lab.where)
        for ready in lab.at_start:
            ready()
        with torch.no_grad():
            for p in (p for p in lab.vlm.model.parameters() if p.requires_grad):
                p.add_(0.01)
    apply(method.recipe.after, lab)


def test_a_stored_half_precision_edit_is_the_one_that_was_made(vlm: Any, benchmark_small: Any, tmp_path: Any) -> None:
    lab = _lab(vlm, benchmark_small)
    vlm.model.to(torch.bfloat16)
    lab.imprint = lambda: _load().to(torch.bfloat16)
    with torch.no_grad():
        for layer in lab.layers.values():
            layer.weight.mul_(0.37)
    unlearn._save(lab, SimpleNamespace(out=tmp_path), edited=True)
    stored = dict(adapters.merge(_load().to(torch.bfloat16), tmp_path / "adapter").named_parameters())
    assert all(torch.equal(p, stored[n]) for n, p in vlm.model.named_parameters())
    again = lab_of(vlm, benchmark_small, Recipe(terms=BOTH, where=FEW))
    again.imprint = lambda: vlm.model
    with pytest.raises(StudyError, match="changed no weight"):
        unlearn._save(again, SimpleNamespace(out=tmp_path / "other"), edited=True)
