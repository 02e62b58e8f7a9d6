"""Losses that compare two answers: DPO's symmetric cases, FLAT's averages, and the directions of their gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods.losses import preference  # noqa: E402
from vlmunl.methods.losses.seen import Seen  # noqa: E402
from vlmunl.models.answers import Out  # noqa: E402

pytestmark = pytest.mark.model


def _out(logits: Any, tokens: tuple[int, ...], rows: tuple[int, ...]) -> Out:
    return Out.of(logits, torch.tensor(tokens), torch.tensor(rows), 2)


def _answer(logits: Any) -> Out:
    return _out(logits, (0, 1, 2), (0, 0, 1))


def _refusal(logits: Any) -> Out:
    return _out(logits, (3, 0, 1, 3, 3), (0, 0, 0, 1, 1))  # longer than the answer


def _random(n: int, seed: int) -> Any:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))


def _seen(answer: Any, refusal: Any) -> Seen:
    ref, other_ref = _answer(_random(3, 1)), _refusal(_random(5, 2))
    return Seen(_answer(answer), ref, _refusal(refusal), other_ref)


def test_dpo_at_the_reference() -> None:
    assert float(preference.dpo(_seen(_random(3, 1), _random(5, 2)), beta=0.1)) == pytest.approx(20 * math.log(2))


def test_dpo_of_an_answer_against_itself_says_nothing() -> None:
    """The same answer on both sides: no preference, whatever the model says."""
    logits = _random(3, 5).requires_grad_()
    ref = _answer(_random(3, 1))
    value = preference.dpo(Seen(_answer(logits), ref, _answer(logits), ref), beta=0.5)
    value.backward()
    assert float(value) == pytest.approx(4 * math.log(2))
    assert float(logits.grad.abs().max()) < 1e-6


def test_dpo_by_hand_and_when_the_two_change_places() -> None:
    seen = _seen(_random(3, 3), _random(5, 4))
    gap = (seen.out.total - seen.ref.total) - (seen.other.total - seen.other_ref.total)
    expected = float((20 * torch.log1p(torch.exp(-0.1 * gap))).mean())
    assert float(preference.dpo(seen, beta=0.1)) == pytest.approx(expected, rel=1e-5)
    swapped = Seen(seen.other, seen.other_ref, seen.out, seen.ref)
    difference = float(preference.dpo(seen, beta=0.1)) - float(preference.dpo(swapped, beta=0.1))
    assert difference == pytest.approx(float(-2 * gap.mean()), rel=1e-4)  # log sigmoid(x) - log sigmoid(-x) = x


@pytest.mark.parametrize("name", ["dpo", "flat_tv", "flat_kl"])
def test_the_answer_becomes_less_likely_and_the_alternative_more(name: str) -> None:
    answer, refusal = _random(3, 3).requires_grad_(), _random(5, 4).requires_grad_()
    args = {"beta": 0.1} if name == "dpo" else {}
    getattr(preference, name)(_seen(answer, refusal), **args).backward()
    assert float(_answer((answer - 0.1 * answer.grad).detach()).mean) > float(_answer(answer.detach()).mean)
    assert float(_refusal((refusal - 0.1 * refusal.grad).detach()).mean) < float(_refusal(refusal.detach()).mean)


def test_flat_averages_the_answer_tokens_of_each_sample_and_nothing_else() -> None:
    logits = _random(3, 3)
    p = logits.softmax(-1)
    means = [(float(p[0, 0]) + float(p[1, 1])) / 2, float(p[2, 2])]
    assert preference.probability(_answer(logits)).tolist() == pytest.approx(means)
    uniform = _seen(torch.zeros(3, 4), torch.zeros(5, 4))  # every token has probability 1/4, however many there are
    assert float(preference.flat_tv(uniform)) == pytest.approx(0, abs=1e-7)
    assert float(preference.flat_kl(uniform)) == pytest.approx(math.exp(0.25 - 1) - 0.25, rel=1e-5)


def test_flat_by_hand() -> None:
    seen = _seen(_random(3, 3), _random(5, 4))
    f, t = preference.probability(seen.out), preference.probability(seen.other)
    assert float(preference.flat_tv(seen)) == pytest.approx(
        sum(0.5 * math.tanh(a) - 0.5 * math.tanh(b) for a, b in zip(f.tolist(), t.tolist(), strict=True)) / 2, rel=1e-4
    )
    assert float(preference.flat_kl(seen)) == pytest.approx(
        sum(math.exp(a - 1) - b for a, b in zip(f.tolist(), t.tolist(), strict=True)) / 2, rel=1e-4
    )


def test_some_samples_alone_keep_their_counterparts() -> None:
    """Per-sample stopping leaves a sample out of all four outputs: what is left is what it would be by itself."""
    seen = _seen(_random(3, 3), _random(5, 4))
    second = seen.only(torch.tensor([False, True]))
    gap = (seen.out.total - seen.ref.total) - (seen.other.total - seen.other_ref.total)
    expected = 20 * math.log1p(math.exp(-0.1 * float(gap[1])))
    assert float(preference.dpo(second, beta=0.1)) == pytest.approx(expected, rel=1e-5)
