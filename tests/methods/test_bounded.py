"""Bounded forgetting losses: values by hand, signs, what has a gradient, and where they level off."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods.losses import bounded  # noqa: E402
from vlmunl.methods.losses.seen import Seen  # noqa: E402
from vlmunl.models.answers import Out  # noqa: E402

pytestmark = pytest.mark.model
TOKENS = (0, 1, 2)  # two samples: the first answers with two tokens, the second with one
ROWS = (0, 0, 1)


def _out(logits: Any) -> Out:
    return Out.of(logits, torch.tensor(TOKENS), torch.tensor(ROWS), 2)


def _random(seed: int = 0, scale: float = 1.0) -> Any:
    return scale * torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))


def _known(p: float) -> Any:
    """Logits that give each answer token probability `p` and the other three tokens the rest in equal parts."""
    logits = torch.full((3, 4), math.log((1 - p) / 3))
    for row, token in enumerate(TOKENS):
        logits[row, token] = math.log(p)
    return logits


LOSSES = {
    "simnpo": lambda x: bounded.simnpo(x, beta=2.5, delta=0.0),
    "dsu": lambda x: bounded.dsu(x, b=0.9),
    "wga": lambda x: bounded.wga(x, beta=1.0),
    "satimp": lambda x: bounded.satimp(x, beta1=5.0, beta2=1.0),
    "ceu": lambda x: bounded.ceu(x, skip=0.0),
    "ihl": bounded.ihl,
    "margin": bounded.margin,
    "entropy": bounded.entropy,
    "uniform": bounded.uniform,
}


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_step_makes_a_known_answer_less_likely(name: str) -> None:
    logits = _known(0.9).requires_grad_()
    LOSSES[name](Seen(_out(logits), _out(_known(0.9)))).backward()
    step = logits.grad / logits.grad.abs().max()
    assert float(_out((logits - 0.01 * step).detach()).mean) > float(_out(logits.detach()).mean)


def test_simnpo_by_hand() -> None:
    """Each sample by its own mean: -ln p here, whatever its length."""
    m = -math.log(0.5)
    expected = -(2 / 2.5) * math.log(1 / (1 + math.exp(-2.5 * (m - 0.1))))
    assert float(bounded.simnpo(Seen(_out(_known(0.5))), beta=2.5, delta=0.1)) == pytest.approx(expected, rel=1e-5)


def test_simnpo_and_dsu_level_off() -> None:
    for name in ("simnpo", "dsu"):
        far, near = (_known(p).requires_grad_() for p in (1e-6, 0.9))
        for logits in (far, near):
            LOSSES[name](Seen(_out(logits), _out(_known(0.9)))).backward()
        assert float(far.grad.abs().max()) < 1e-3 * float(near.grad.abs().max())


def test_dsu_at_the_reference_and_by_hand() -> None:
    same = Seen(_out(_random()), _out(_random()))
    assert float(bounded.dsu(same, b=0.9)) == pytest.approx(2 / 0.9 * math.log(2), rel=1e-5)
    seen = Seen(_out(_known(0.25)), _out(_known(0.5)))  # m - m_ref is ln 2 in both samples
    expected = 2 / 0.9 * math.log(1 + 2**-0.9)
    assert float(bounded.dsu(seen, b=0.9)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("m", [0.5, 2.0, 6.0])
def test_dsu_as_published_teaches(m: float) -> None:
    """d/dm of -log sigmoid(-m) is sigmoid(m): .62, .88, 1.0. Descending on it lowers the NLL."""
    logits = _known(math.exp(-m)).requires_grad_()
    out = _out(logits)
    value = bounded.softplus_ce(Seen(out))
    assert float(value.detach()) == pytest.approx(math.log(1 + math.exp(m)), rel=1e-5)
    slope = torch.autograd.grad(value, out.nll)[0].sum()
    assert float(slope) == pytest.approx(1 / (1 + math.exp(-m)), rel=1e-4)


def test_wga_and_satimp_weights_have_no_gradient() -> None:
    """d/dNLL is -w/n alone, without the term that the weight's own slope would add."""
    out = _out(_random().requires_grad_())
    p = torch.exp(-out.nll).detach()
    found = torch.autograd.grad(bounded.wga(Seen(out), beta=2.0), out.nll, retain_graph=True)[0]
    assert torch.allclose(found, -(p**2) / 3)
    found = torch.autograd.grad(bounded.satimp(Seen(out), beta1=5.0, beta2=1.0), out.nll)[0]
    assert torch.allclose(found, -(p**5) * (1 - p) / 3)


def test_wga_without_weight_is_ascent() -> None:
    out = _out(_random())
    assert float(bounded.wga(Seen(out), beta=0.0)) == pytest.approx(-float(out.mean), rel=1e-6)
    assert float(bounded.satimp(Seen(out), beta1=0.0, beta2=0.0)) == pytest.approx(-float(out.mean), rel=1e-6)


def test_ceu_by_hand_and_its_target_is_fixed() -> None:
    """The other three tokens have a third each of the target: -(1/3) sum of their log p."""
    logits = _known(0.7).requires_grad_()
    value = bounded.ceu(Seen(_out(logits)), skip=0.0)
    assert float(value.detach()) == pytest.approx(-math.log(0.1), rel=1e-5)
    value.backward()
    expected = torch.softmax(logits.detach(), -1) - torch.full((3, 4), 1 / 3)
    for row, token in enumerate(TOKENS):
        expected[row, token] = 0.7
    assert torch.allclose(logits.grad, expected / 3, atol=1e-6)


def test_ceu_skips_the_first_tokens_of_each_answer() -> None:
    logits = _random().requires_grad_()
    value = bounded.ceu(Seen(_out(logits)), skip=1.0)
    value.backward()
    assert not logits.grad[[0, 2]].any()  # the first token of both samples
    assert logits.grad[1].any()
    assert float(bounded.ceu(Seen(_out(_random())), skip=2.0)) == 0
    assert bounded.places(_out(_random())).tolist() == [0, 1, 0]


def test_ihl_by_hand_and_it_ends_when_another_token_is_certain() -> None:
    assert float(bounded.ihl(Seen(_out(_known(0.7))))) == pytest.approx(1 + 0.7 - 0.1, rel=1e-5)
    other = torch.zeros(3, 4)
    other[:, 3] = 50.0
    other.requires_grad_()
    value = bounded.ihl(Seen(_out(other)))
    value.backward()
    assert float(value) == pytest.approx(0, abs=1e-6)
    assert float(other.grad.abs().max()) < 1e-6


def test_margin_by_hand() -> None:
    logits = torch.tensor([[4.0, 0, 0, 0], [0, 2.0, 2.0, 0], [1.0, 1.0, 1.0, 1.0]])
    assert float(bounded.margin(Seen(_out(logits)))) == pytest.approx((9 + 1 + 0) / 3)


def test_entropy_and_uniform_by_hand() -> None:
    p = _known(0.7).softmax(-1)
    assert float(bounded.entropy(Seen(_out(_known(0.7))))) == pytest.approx(
        math.log(4) + float((p * p.log()).sum(-1)[0]), rel=1e-5
    )
    assert float(bounded.uniform(Seen(_out(_known(0.7))))) == pytest.approx(
        -math.log(4) - float(p.log().mean(-1)[0]), rel=1e-5
    )
    flat = Seen(_out(torch.zeros(3, 4)))
    assert float(bounded.entropy(flat)) == pytest.approx(0, abs=1e-6)
    assert float(bounded.uniform(flat)) == pytest.approx(0, abs=1e-6)
    certain = Seen(_out(100 * _known(0.7)))
    assert float(bounded.entropy(certain)) == pytest.approx(math.log(4), rel=1e-4)  # bounded
