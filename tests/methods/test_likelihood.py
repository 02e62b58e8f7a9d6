"""The likelihood losses have the right sign, direction and value at their anchor points."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods.losses import likelihood  # noqa: E402
from vlmunl.methods.losses.seen import Seen  # noqa: E402
from vlmunl.models.answers import Out  # noqa: E402

pytestmark = pytest.mark.model


def _out(logits: Any, rows: tuple[int, ...] = (0, 0, 1)) -> Out:
    return Out.of(logits, torch.tensor([1, 2, 3]), torch.tensor(rows), 2)


def test_mean_and_total() -> None:
    out = _out(torch.zeros(3, 8))
    assert float(out.mean) == pytest.approx(math.log(8))
    assert out.total.tolist() == pytest.approx([2 * math.log(8), math.log(8)])
    assert out.lengths.tolist() == [2, 1]


def test_some_samples_alone() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    second = _out(logits).only(torch.tensor([False, True]))
    assert (second.samples, second.rows.tolist(), second.tokens.tolist()) == (1, [0], [3])
    assert torch.equal(second.total, _out(logits).total[1:])


def test_npo_at_the_reference_and_in_its_limit() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(3))
    out = _out(logits)
    assert float(likelihood.npo(Seen(out, out), beta=0.1)) == pytest.approx(2 / 0.1 * math.log(2), rel=1e-5)
    small = logits.clone().requires_grad_()
    likelihood.npo(Seen(_out(small), _out(logits)), beta=1e-4).backward()
    ascent = logits.clone().requires_grad_()
    (-_out(ascent).total.mean()).backward()
    assert torch.allclose(small.grad, ascent.grad, atol=1e-4)  # beta -> 0 is gradient ascent on the summed NLL


def test_kl_is_from_the_reference_to_the_model() -> None:
    model, reference = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(4)).unbind()
    p, q = reference.softmax(-1), model.softmax(-1)
    expected = (p * (p.log() - q.log())).sum(-1).mean()
    assert float(likelihood.kl_ref(Seen(_out(model), _out(reference)))) == pytest.approx(float(expected), rel=1e-5)
    assert float(likelihood.kl_ref(Seen(_out(model), _out(model)))) == pytest.approx(0, abs=1e-6)
