"""Every loss has the right sign, direction and value at its anchor points, and sees answer tokens only."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods import terms  # noqa: E402
from vlmunl.methods.recipes import recipe_of  # noqa: E402
from vlmunl.methods.specs import METHODS  # noqa: E402
from vlmunl.methods.terms import Out  # noqa: E402

pytestmark = pytest.mark.model
FORGETTING = [m for m in METHODS if any(t.view == "forget" for t in recipe_of(m))]

KEEPING = [m for m in METHODS if any(t.view == "retain" for t in recipe_of(m))]


def _out(logits: Any, rows: tuple[int, ...] = (0, 0, 1)) -> Out:
    return Out(logits=logits, tokens=torch.tensor([1, 2, 3]), rows=torch.tensor(rows), samples=2)


def test_mean_and_total() -> None:
    out = _out(torch.zeros(3, 8))
    assert float(out.mean) == pytest.approx(math.log(8))
    assert out.total.tolist() == pytest.approx([2 * math.log(8), math.log(8)])


@pytest.mark.parametrize("method", FORGETTING)
def test_one_small_step_raises_the_forget_loss(method: str) -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    before, reference = _out(logits), _out(logits.detach().clone())
    params = METHODS[method].params
    loss = sum(t.weighted(before, reference, params) for t in recipe_of(method) if t.view == "forget")
    loss.backward()
    after = _out((logits - 0.01 * logits.grad).detach())
    assert float(after.mean) > before.mean.item()


@pytest.mark.parametrize("method", KEEPING)
def test_one_small_step_does_not_hurt_what_is_retained(method: str) -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(2), requires_grad=True)
    reference = _out(torch.nn.functional.one_hot(torch.tensor([1, 2, 3]), 8) * 4.0)
    mine = [t for t in recipe_of(method) if t.view == "retain"]
    before = _out(logits)
    sum(t.weighted(before, reference, METHODS[method].params) for t in mine).backward()
    after = _out((logits - 0.01 * logits.grad).detach())
    assert float(after.mean) < before.mean.item()


def test_npo_at_the_reference_and_in_its_limit() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(3))
    out = _out(logits)
    assert float(terms.npo(out, out, {"beta": 0.1})) == pytest.approx(2 / 0.1 * math.log(2), rel=1e-5)
    small = logits.clone().requires_grad_()
    terms.npo(_out(small), _out(logits), {"beta": 1e-4}).backward()
    ascent = logits.clone().requires_grad_()
    (-_out(ascent).total.mean()).backward()
    assert torch.allclose(small.grad, ascent.grad, atol=1e-4)  # beta -> 0 is gradient ascent on the summed NLL


def test_kl_is_from_the_reference_to_the_model() -> None:
    model, reference = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(4)).unbind()
    p, q = reference.softmax(-1), model.softmax(-1)
    expected = (p * (p.log() - q.log())).sum(-1).mean()
    assert float(terms.kl_reference(_out(model), _out(reference), {})) == pytest.approx(float(expected), rel=1e-5)
    assert float(terms.kl_reference(_out(model), _out(model), {})) == pytest.approx(0, abs=1e-6)
