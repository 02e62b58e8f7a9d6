"""Losses with a whole distribution as their target: directions of KL, masks, and their least values."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods.losses import distillation, likelihood  # noqa: E402
from vlmunl.methods.losses.seen import Seen  # noqa: E402
from vlmunl.models.answers import Out  # noqa: E402

pytestmark = pytest.mark.model
TOKENS, ROWS = (1, 2, 5), (0, 0, 1)
END = 5


def _out(logits: Any, tokens: tuple[int, ...] = TOKENS, rows: tuple[int, ...] = ROWS) -> Out:
    return Out.of(logits, torch.tensor(tokens), torch.tensor(rows), 2)


def _random(seed: int) -> Any:
    return torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))


def _kl(p: Any, q: Any) -> Any:
    """KL(p || q) of logits, at each position."""
    p, q = p.softmax(-1), q.softmax(-1)
    return (p * (p.log() - q.log())).sum(-1)


def test_undial_without_a_penalty_is_distillation() -> None:
    model, ref = _random(1).requires_grad_(), _random(2)
    seen = Seen(_out(model), _out(ref))
    entropy = -(ref.softmax(-1) * ref.log_softmax(-1)).sum(-1).mean()
    value = distillation.undial(seen, gamma=0.0)
    assert float(value) == pytest.approx(float(likelihood.kl_ref(seen)) + float(entropy), rel=1e-5)
    ours = torch.autograd.grad(value, model, retain_graph=True)[0]
    assert torch.allclose(ours, torch.autograd.grad(likelihood.kl_ref(seen), model)[0], atol=1e-6)


def test_undial_is_least_where_only_the_answer_is_penalised() -> None:
    ref = _random(2)
    target = ref.clone()
    target[range(3), list(TOKENS)] -= 3.0
    model = target.clone().requires_grad_()
    distillation.undial(Seen(_out(model), _out(ref)), gamma=3.0).backward()
    assert float(model.grad.abs().max()) < 1e-6
    assert float(_out(target).mean) > float(_out(ref).mean)


def test_kl_is_from_the_gold_model_to_the_model() -> None:
    model, gold = _random(1), _random(2)
    seen = Seen(_out(model), given_oracle=_out(gold))
    assert float(distillation.kl_oracle(seen)) == pytest.approx(float(_kl(gold, model).mean()), rel=1e-5)
    assert float(_kl(gold, model).mean()) != pytest.approx(float(_kl(model, gold).mean()), rel=1e-2)


def test_kl_is_from_the_other_view_and_refuses_other_answers() -> None:
    model, teacher = _random(1), _random(2)
    seen = Seen(_out(model), given_other_ref=_out(teacher))
    assert float(distillation.kl_other_ref(seen)) == pytest.approx(float(_kl(teacher, model).mean()), rel=1e-5)
    with pytest.raises(StudyError, match="token by token"):
        distillation.kl_other_ref(Seen(_out(model), given_other_ref=_out(teacher, (1, 2, 4))))


def _dmk(model: Any, ref: Any, truth: tuple[int, ...]) -> Any:
    return distillation.dmk(Seen(_out(model), _out(ref), given_other_ref=_out(ref, truth)))


def test_dual_masked_kl_is_the_plain_one_where_the_answer_is_the_truth() -> None:
    model, ref = _random(1), _random(2)
    assert float(_dmk(model, ref, TOKENS)) == pytest.approx(float(_kl(ref, model).mean()), rel=1e-5)


def test_dual_masked_kl_by_hand() -> None:
    """Sample 0 says (1, 2), the truth is (4, 2): the token 1 contradicts it, and the word 4 is not to be followed."""
    model, ref = _random(1).requires_grad_(), _random(2)
    value = _dmk(model, ref, (4, 2, 5))
    p, q = ref.softmax(-1), model.detach().softmax(-1)
    each = p * (p.log() - q.log())
    expected = (each[1].sum() - each[1, 4] + each[2].sum()) / 2  # two tokens count; all words in the second sample
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    value.backward()
    assert not model.grad[0].any()
    assert float(model.grad[1, 4]) > 0  # the word of the truth is pushed down


def test_dual_masked_kl_of_an_answer_that_shares_no_token_with_the_truth_is_nothing() -> None:
    model = _random(1).requires_grad_()
    value = _dmk(model, _random(2), (3, 3, 4))
    value.backward()
    assert float(value) == 0
    assert not model.grad.any()
