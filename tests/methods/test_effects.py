"""Every loss does to its view what it declares: one small step on the logits raises or lowers the NLL, or anchors."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods.known import METHODS  # noqa: E402
from vlmunl.methods.language import arguments  # noqa: E402
from vlmunl.methods.losses.seen import Seen  # noqa: E402
from vlmunl.methods.parts import LOSSES, check, parts_of, versions  # noqa: E402
from vlmunl.methods.registry import code_of  # noqa: E402
from vlmunl.models.answers import Out, States  # noqa: E402

pytestmark = pytest.mark.model
ROWS = (0, 0, 1, 1)
TOKENS, OTHERS = (1, 2, 3, 4), (5, 6, 7, 0)


def _logits(seed: int) -> Any:
    return torch.randn(4, 8, generator=torch.Generator().manual_seed(seed))


def _out(logits: Any, tokens: tuple[int, ...] = TOKENS, states: Any = None) -> Out:
    layers = {} if states is None else {0: States(states, torch.tensor(ROWS))}
    return Out(tokens=torch.tensor(tokens), rows=torch.tensor(ROWS), samples=2, given_logits=logits, layers=layers)


def _direction(size: int) -> Any:
    return torch.nn.functional.normalize(torch.randn(size, generator=torch.Generator().manual_seed(9)), dim=0)


def _value(name: str, logits: Any, other: Any, states: Any) -> Any:
    loss = LOSSES[name]
    ref = _out(_logits(1), states=torch.ones(4, 6))
    aligned = TOKENS if "other reference logits" in loss.needs else OTHERS
    other_ref = _out(_logits(2), aligned)
    seen = Seen(_out(logits, states=states), ref, _out(other, OTHERS), other_ref, _out(_logits(5)), 0, _direction)
    given = {key: 1.0 for key, default in loss.args.items() if default is None}
    return code_of(loss.run)(seen, **arguments(loss, given, {}))


@pytest.mark.parametrize("name", [n for n in LOSSES if "layer" not in LOSSES[n].needs])
def test_one_small_step_does_what_the_loss_declares(name: str) -> None:
    logits = _logits(1).requires_grad_()
    other, states = _logits(2).requires_grad_(), torch.ones(4, 6, requires_grad=True)
    loss = _value(name, logits, other, states)
    assert loss.ndim == 0
    assert bool(torch.isfinite(loss))
    effect = LOSSES[name].effect
    if effect == "anchors":
        moved = (logits + 0.5 * _logits(7)).detach()
        target = _logits(_compared(name))
        assert float(_value(name, target, other, states).detach()) <= float(_value(name, moved, other, states).detach())
        return
    loss.backward()
    step = torch.zeros_like(logits) if logits.grad is None else logits.grad
    step = step / step.abs().max().clamp(min=1e-12)  # whatever the scale of the loss
    before, after = float(_out(logits.detach()).mean), float(_out((logits - 0.01 * step).detach()).mean)
    if effect == "answers":
        assert other.grad is not None
        moved_other = (other - 0.01 * other.grad).detach()
        assert float(_out(moved_other, OTHERS).mean) < float(_out(other.detach(), OTHERS).mean)
        assert after >= before
    elif effect == "forgets":
        assert after > before
    elif effect == "flattens":
        assert _entropy(logits.detach() - 0.01 * step) > _entropy(logits.detach())
    else:
        assert after < before


def _entropy(logits: Any) -> float:
    log_p = logits.log_softmax(-1)
    return -float((log_p.exp() * log_p).sum(-1).mean())


def _compared(name: str) -> int:
    """Which logits the loss compares with: the gold model's, the reference's on the other view, or on this one."""
    needs = LOSSES[name].needs
    return 5 if "oracle logits" in needs else 2 if "other reference logits" in needs else 1


@pytest.mark.parametrize("method", list(METHODS))
def test_every_declared_method_is_whole(method: str) -> None:
    declared = METHODS[method]
    if declared.start == "imprint":
        check(declared.recipe, dict(declared.params))
        assert set(declared.params) <= _named(method)
        assert versions(declared.recipe) or declared.recipe.terms
    assert declared.objective
    assert declared.source
    assert declared.fails


def _named(method: str) -> set[str]:
    """Settings that the recipe refers to, by name or because a part has an argument of that name."""
    recipe = METHODS[method].recipe
    return set(recipe.settings()) | {name for _, part, _ in parts_of(recipe) for name in part.args}
