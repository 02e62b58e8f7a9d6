"""Losses on inner states: targets, scales, which tokens count, and that the pass ends at the layer."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods.losses import representation as rep  # noqa: E402
from vlmunl.methods.losses.seen import Seen  # noqa: E402
from vlmunl.models.answers import Out, States  # noqa: E402

pytestmark = pytest.mark.model
ROWS = torch.tensor([0, 0, 0, 1, 1])  # the first token of each sample is left out: three tokens count
LATER = [1, 2, 4]
LAYER = 3


def _states(seed: int, size: int = 4) -> Any:
    return torch.randn(5, size, generator=torch.Generator().manual_seed(seed))


def _direction(size: int) -> Any:
    return torch.nn.functional.normalize(torch.randn(size, generator=torch.Generator().manual_seed(9)), dim=0)


def _out(states: Any) -> Out:
    none = torch.zeros(0, dtype=torch.long)
    return Out(tokens=none, rows=none, samples=2, layers={LAYER: States(states, ROWS)})


def _seen(states: Any, ref: Any) -> Seen:
    return Seen(_out(states), _out(ref), layer=LAYER, direction=_direction)


def test_the_target_is_one_direction_at_the_mean_norm_of_the_reference() -> None:
    h, ref, u = _states(1), _states(2), _direction(4)
    target = 2.0 * ref[LATER].norm(dim=-1).mean() * u
    expected = ((h[LATER] - target) ** 2).mean()
    assert float(rep.act_target(_seen(h, ref), c=2.0)) == pytest.approx(float(expected), rel=1e-5)
    assert float(rep.act_target(_seen(target.expand(5, -1), ref), c=2.0)) == pytest.approx(0, abs=1e-6)


def test_the_adaptive_target_has_each_tokens_own_norm() -> None:
    ref, u = _states(2), _direction(4)
    target = 3.0 * ref.norm(dim=-1, keepdim=True) * u
    assert float(rep.act_target_adaptive(_seen(target, ref), c=3.0)) == pytest.approx(0, abs=1e-6)
    moved = target.clone()
    moved[4] += 1.0  # one of three tokens, by 1 in each unit
    assert float(rep.act_target_adaptive(_seen(moved, ref), c=3.0)) == pytest.approx(1 / 3, rel=1e-5)


def test_the_anchor_and_the_cosine_at_the_reference() -> None:
    ref = _states(2)
    assert float(rep.act_anchor(_seen(ref, ref))) == 0
    assert float(rep.act_anchor(_seen(ref + 0.5, ref))) == pytest.approx(0.25, rel=1e-5)
    assert float(rep.act_deviate(_seen(ref, ref))) == pytest.approx(1)
    assert float(rep.act_deviate(_seen(-ref, ref))) == 0  # turned round is as far as it goes


@pytest.mark.parametrize("name", ["act_target", "act_target_adaptive", "act_anchor", "act_deviate"])
def test_the_first_token_of_a_sample_never_counts(name: str) -> None:
    h = _states(1).requires_grad_()
    args = {"c": 2.0} if "target" in name else {}
    getattr(rep, name)(_seen(h, h.detach() + 0.3 * _states(2)), **args).backward()
    assert not h.grad[[0, 3]].any()
    assert h.grad[LATER].abs().sum(-1).all()


def test_a_step_turns_the_states_towards_the_target() -> None:
    h, ref = _states(1).requires_grad_(), _states(2)
    rep.act_target_adaptive(_seen(h, ref), c=2.0).backward()
    before = torch.cosine_similarity(h.detach()[LATER], _direction(4).expand(3, -1), dim=-1)
    after = torch.cosine_similarity((h - 0.5 * h.grad).detach()[LATER], _direction(4).expand(3, -1), dim=-1)
    assert (after > before).all()


def test_directions_favour_no_orthant(benchmark_small: Any, vlm: Any) -> None:
    """Uniform draws would lie in the positive orthant, at cosine .87 to the vector of ones."""
    from vlmunl.methods.known import METHODS
    from vlmunl.methods.objective import Objective
    from vlmunl.models.samples import Encoder
    from vlmunl.rng import Streams
    from vlmunl.stages.configs import UnlearnConfig

    rmu = METHODS["rmu"]
    config = UnlearnConfig(method="rmu", version=1, params=dict(rmu.params), recipe=rmu.recipe, seed=0)
    objective = Objective(config, benchmark_small, Encoder(vlm), Streams(0))
    u = objective.direction(160)
    assert float(u.norm()) == pytest.approx(1, rel=1e-5)
    assert 40 < int((u > 0).sum()) < 120
    assert torch.equal(u, Objective(config, benchmark_small, Encoder(vlm), Streams(0)).direction(160))
