"""Gradient rules hold for the step that is made, not only for the gradient."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


from tests.methods.benches import BOTH, FEW, lab_of, update_of  # noqa: E402
from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods.language import FORGET, RETAIN, Recipe, on  # noqa: E402
from vlmunl.methods.rules import bounds, masks, projection  # noqa: E402
from vlmunl.methods.rules.common import dot, moved, norm  # noqa: E402
from vlmunl.stages.configs import Adapter  # noqa: E402

pytestmark = pytest.mark.model
SHAPES = ((5, 7), (11,))


def _draw(seed: int, factor: float = 1.0) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    return [factor * torch.randn(shape, generator=generator) for shape in SHAPES]


def _weights() -> list[Any]:
    return [torch.nn.Parameter(w) for w in _draw(0)]


def _lab(vlm: Any = None, benchmark: Any = None, terms: Any = BOTH) -> Any:
    return lab_of(_NoModel() if vlm is None else vlm, benchmark, Recipe(terms=terms, where=FEW))


class _NoModel:
    model = None


def _loop(rules: list[Any], steps: int, seed: int, optimiser: Any, weights: list[Any]) -> Any:
    """Some steps with Adam, each with other gradients of both sides; returns the last update."""
    for step in range(steps):
        gradients = {"forget": _draw(seed + step), "constraint": _draw(100 + seed + step)}
        update = update_of(weights, gradients, lambda: {"forget": 0.0, "constraint": 1.0}, step=step)
        update.optimisers = (optimiser,)
        for rule in rules:
            rule.before(update)
        for w, g in zip(weights, update.gradients["forget"], strict=True):
            w.grad = g
        optimiser.step()
        for rule in rules:
            rule.after(update)
    return update


def _cosine(a: list[Any], b: list[Any]) -> float:
    return abs(dot(a, b)) / (norm(a) * norm(b))


@pytest.mark.parametrize("preconditioned", [0.0, 1.0])
def test_no_part_of_the_step_is_along_the_retain_gradients(preconditioned: float) -> None:
    weights, lab = _weights(), _lab()
    rule = projection.orthogonal(lab, k=3, refresh=1, preconditioned=preconditioned)
    last = _loop([rule], 6, 1, torch.optim.AdamW(weights, lr=1e-2, weight_decay=0.0), weights)
    step = moved(last)
    for seed in (104, 105, 106):  # the last three
        assert _cosine(step, _draw(seed)) < 1e-5
    assert _cosine(step, _draw(103)) > 1e-3  # the one before them is no longer kept
    assert 0 < last.figures["kept"] < 1


def test_the_metrics_differ_and_adams_is_the_least_change_in_its_own() -> None:
    step, basis = _draw(1), [_draw(2), _draw(3)]
    scale = [s.abs() + 0.1 for s in _draw(4)]
    ones = [torch.ones_like(s) for s in scale]

    def cost(found: list[Any]) -> float:
        change = [a - b for a, b in zip(found, step, strict=True)]
        return norm([c / s.sqrt() for c, s in zip(change, scale, strict=True)])

    adams, plain = (projection.projected(step, basis, s) for s in (scale, ones))
    assert cost(adams) < cost(plain)


def test_the_same_retain_gradient_twice_is_one_direction() -> None:
    left = projection.projected(_draw(1), [_draw(2), _draw(2)], [torch.ones(s) for s in SHAPES])
    assert norm(left) > 0.5 * norm(_draw(1))
    assert _cosine(left, _draw(2)) < 1e-5


def test_a_step_against_all_that_is_kept_vanishes_and_is_counted() -> None:
    weights, lab = _weights(), _lab()
    rule = projection.orthogonal(lab, k=1, refresh=1, preconditioned=0)
    update = update_of(weights, {"forget": _draw(1), "constraint": _draw(1)}, dict)
    rule.before(update)
    with torch.no_grad():
        for w, g in zip(weights, _draw(1), strict=True):
            w.sub_(0.01 * g)
    rule.after(update)
    assert update.figures["kept"] < 1e-3
    assert lab.notes["nearly_nothing_kept"] == 1


def test_what_was_published_holds_for_the_gradient_and_not_for_adams_step() -> None:
    """The defect of the released TROU: one step of Adam has the same length for any delta, and is not orthogonal."""
    lengths = []
    for delta in (1.0, 1e-3):
        weights = _weights()
        rule = projection.trou_published(_lab(), delta=delta)
        last = _loop([_Keeping(), rule], 1, 1, torch.optim.AdamW(weights, lr=1e-2, weight_decay=0.0), weights)
        pairs = zip(last.gradients["forget"], _draw(101), strict=True)
        assert all(_cosine([g], [r]) < 1e-5 for g, r in pairs)
        assert norm(last.gradients["forget"]) == pytest.approx(delta, rel=1e-4)
        assert _cosine(moved(last), _draw(101)) > 1e-3
        lengths.append(norm(moved(last)))
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-3)


class _Keeping:
    def before(self, update: Any) -> None:
        update.keep()

    def after(self, update: Any) -> None:
        """Nothing."""


def test_trust_region_bounds_the_step_of_any_optimiser() -> None:
    for radius in (0.01, 0.05):
        weights = _weights()
        rule = bounds.trust_region(_lab(), radius=radius, tol=0.1)
        last = _loop([rule], 1, 1, torch.optim.AdamW(weights, lr=1e-1, weight_decay=0.0), weights)
        assert norm(moved(last)) == pytest.approx(radius, rel=1e-3)
        assert rule.radius == pytest.approx(1.5 * radius)  # the bound was felt and nothing was lost


def test_a_step_that_costs_too_much_is_undone() -> None:
    weights = _weights()
    rule = bounds.trust_region(_lab(), radius=0.05, tol=0.1)
    update = update_of(weights, {"constraint": _draw(1)}, lambda: {"constraint": 1.0})
    update.measured = lambda: {"constraint": 1.2}
    rule.before(update)
    with torch.no_grad():
        weights[0].add_(1.0)
    rule.after(update)
    assert all(torch.equal(w, p) for w, p in zip(weights, _draw(0), strict=True))
    assert (update.figures["undone"], update.figures["moved"]) == (1.0, 0.0)
    assert rule.radius == pytest.approx(0.025)


def test_without_a_radius_the_first_ten_steps_give_it() -> None:
    weights = _weights()
    rule = bounds.trust_region(_lab(), radius=0.0, tol=0.1)
    _loop([rule], 10, 1, torch.optim.SGD(weights, lr=1e-3), weights)
    lengths = sorted(norm(_draw(1 + i)) * 1e-3 for i in range(10))
    middle = (lengths[4] + lengths[5]) / 2
    assert rule.radius == pytest.approx(middle, rel=1e-2) or rule.radius == pytest.approx(1.5 * middle, rel=1e-2)


def test_pcgrad_changes_gradients_only_where_they_conflict() -> None:
    g, r = _draw(1), _draw(2)
    agreed = g if dot(g, r) > 0 else [-x for x in g]
    against = [-x for x in agreed]
    rule = projection.pcgrad(_lab(terms=(on(FORGET, "ga"), on(RETAIN, "ce"))))
    update = update_of(_weights(), {"forget": agreed, "retain": r}, dict)
    rule.before(update)
    assert update.gradients["forget"] is agreed
    update = update_of(_weights(), {"forget": against, "retain": r}, dict)
    rule.before(update)
    assert abs(dot(update.gradients["forget"], r)) < 1e-4
    assert abs(dot(update.gradients["retain"], against)) < 1e-4


def test_normalise_makes_all_sides_equally_long() -> None:
    update = update_of(_weights(), {"forget": _draw(1, 1e-4), "retain": _draw(2, 1e3)}, dict)
    projection.normalise(_lab()).before(update)
    assert [norm(g) for g in update.gradients.values()] == pytest.approx([1, 1])


def test_sam_with_rho_0_is_none_and_otherwise_looks_rho_away() -> None:
    weights, seen = _weights(), []

    def again() -> dict[str, Any]:
        seen.append([w.detach().clone() for w in weights])
        return {"forget": _draw(9)}

    update = update_of(weights, {"forget": _draw(1)}, dict, again=again)
    bounds.sam(_lab(), rho=0.0).before(update)
    assert not seen
    assert torch.equal(update.gradients["forget"][0], _draw(1)[0])
    bounds.sam(_lab(), rho=0.3).before(update)
    assert norm([a - b for a, b in zip(seen[0], _draw(0), strict=True)]) == pytest.approx(0.3, rel=1e-4)
    assert all(torch.equal(w, p) for w, p in zip(weights, _draw(0), strict=True))
    assert torch.equal(update.gradients["forget"][0], _draw(9)[0])


@pytest.mark.parametrize("make", [projection.trou_published, projection.pcgrad, projection.normalise])
def test_a_rule_that_has_nothing_to_keep_is_refused(make: Any) -> None:
    args = {"delta": 1.0} if make is projection.trou_published else {}
    with pytest.raises(StudyError, match="tested: the rule"):
        make(_lab(terms=(on(FORGET, "ga"),)), **args)


# ------------------------------------------------------------------------------- on the real layers


def _trained(vlm: Any, benchmark: Any, recipe: str = "lora", terms: Any = BOTH) -> Any:
    from vlmunl.models import adapters

    torch.manual_seed(0)
    lab = lab_of(vlm, benchmark, Recipe(terms=terms, where=FEW), Adapter(recipe=recipe, rank=4, alpha=8))  # type: ignore[arg-type]
    lab.trained = adapters.attach(vlm.model, lab.config.adapter, lab.where)
    return lab


def _named(lab: Any) -> dict[str, Any]:
    return {n: p for n, p in lab.vlm.model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("recipe", ["lora", "dora", "full"])
def test_a_mask_lets_the_forget_gradient_reach_the_chosen_alone(vlm: Any, benchmark_small: Any, recipe: str) -> None:
    lab = _trained(vlm, benchmark_small, recipe)
    rule = masks.mask_gradient(lab, share=0.25, samples=4)
    named = _named(lab)
    ones = [torch.ones_like(p) for p in named.values()]
    update = update_of(list(named.values()), {"forget": ones, "retain": ones}, dict)
    rule.before(update)
    reached = dict(zip(named, update.gradients["forget"], strict=True))
    assert all(torch.equal(g, one) for g, one in zip(update.gradients["retain"], ones, strict=True))
    if recipe == "full":
        found = torch.cat([g.flatten() for n, g in reached.items() if n.endswith("weight")])
        assert int(found.sum()) == round(0.25 * len(found))
    else:
        rows = torch.cat([g[:, 0] for n, g in reached.items() if "lora_B" in n])
        assert float(rows.sum()) == round(0.25 * len(rows))
        assert not any(bool(g.any()) for n, g in reached.items() if "lora_A" in n)
    assert lab.notes["masked_in"] == pytest.approx(0.25, abs=1e-3)


def test_other_masks_choose_something_but_not_all(vlm: Any, benchmark_small: Any) -> None:
    lab = _trained(vlm, benchmark_small)
    for make in (
        lambda: masks.mask_deviation(lab, k=1.0, samples=4),
        lambda: masks.mask_fisher(lab, tau=1.0, samples=4),
    ):
        make()
        assert 0 < lab.notes["masked_in"] < 1
    for refused in (
        lambda: masks.mask_deviation(lab, k=1e6, samples=4),
        lambda: masks.mask_fisher(lab, tau=1e9, samples=4),
    ):
        with pytest.raises(StudyError, match=r"tested: the rule mask_.* chooses no weight"):
            refused()


@pytest.mark.parametrize("recipe", ["lora", "full"])
def test_l1_is_the_gradient_of_the_size_of_the_change(vlm: Any, benchmark_small: Any, recipe: str) -> None:
    lab = _trained(vlm, benchmark_small, recipe)
    named, rule = _named(lab), bounds.l1(lab, penalty=0.5)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in named.values():
            p.add_(torch.randn(p.shape, generator=generator))
    update = update_of(list(named.values()), {}, dict)
    rule.before(update)
    found = dict(zip(named, update.gradients["all"], strict=True))
    if recipe == "full":
        assert all(bool((g.abs() == 0.5).all()) for g in found.values())
        return
    name = next(n for n in found if "lora_B" in n)
    b, a = named[name], named[name.replace("lora_B", "lora_A")]
    (0.5 * (2.0 * b @ a).abs().sum()).backward()  # alpha / rank = 2
    assert torch.allclose(b.grad, found[name], atol=1e-3)
    assert torch.allclose(a.grad, found[name.replace("lora_B", "lora_A")], atol=1e-3)


def test_rows_of_a_masked_step_are_the_rows_of_the_change(vlm: Any, benchmark_small: Any) -> None:
    """With only the forget side, what is not chosen stays exactly as it was, after steps of a real optimiser."""
    from vlmunl.methods.language import Rule
    from vlmunl.models.trainer import Trainer
    from vlmunl.stages.configs import Optim

    torch.manual_seed(0)
    terms = (on(FORGET, "ga"),)
    lab = lab_of(vlm, benchmark_small, Recipe(terms=terms, where=FEW, rules=(Rule(rule="mask_gradient"),)))
    trainer = Trainer(vlm, lab.config.adapter, Optim(steps=2, lr=1e-2, warmup=0), lab.where)
    lab.trained = trainer.trained
    trainer.rules = [masks.mask_gradient(lab, share=0.25, samples=4)]
    batch = lab.encoder.batch(lab.samples("forget")[:4])
    for step in range(2):
        trainer.step(step, lambda: iter([("forget", -trainer.out(batch).mean, {})]))
    rows = torch.cat([p.detach().abs().amax(1) for n, p in _named(lab).items() if "lora_B" in n])
    assert int((rows > 0).sum()) == round(0.25 * len(rows))


def test_asking_again_tells_the_same_of_the_same_weights_and_leaves_the_figures_alone(
    vlm: Any, benchmark_small: Any
) -> None:
    from vlmunl.models.trainer import Trainer
    from vlmunl.stages.configs import Optim

    torch.manual_seed(0)
    lab = lab_of(vlm, benchmark_small, Recipe(terms=BOTH, where=FEW))
    trainer = Trainer(vlm, lab.config.adapter, Optim(steps=1, lr=1e-2, warmup=0), lab.where)
    views = {"forget": "forget", "constraint": "retain"}
    sides = {side: lab.encoder.batch(lab.samples(view)[:3]) for side, view in views.items()}
    asked: list[str] = []

    def losses() -> Any:
        for side, batch in sides.items():
            asked.append(side)
            yield side, trainer.out(batch).mean, {"times": float(len(asked))}

    class Again:
        def before(self, update: Any) -> None:
            again = update.again()
            assert all(torch.allclose(a, b) for s in sides for a, b in zip(again[s], update.gradients[s], strict=True))
            assert update.measured() == pytest.approx(update.losses)
            self.start = update.losses["forget"]

        def after(self, update: Any) -> None:
            assert update.measured()["forget"] < self.start  # this test minimises it

    trainer.rules = [Again()]
    figures = trainer.step(0, losses)
    assert asked == ["forget", "constraint"] * 4
    assert figures["times"] == 2
