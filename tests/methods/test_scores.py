"""Scores by hand, on a layer of which everything is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.methods.benches import BOTH, FEW, lab_of  # noqa: E402
from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods import scores  # noqa: E402
from vlmunl.methods.lab import Lab  # noqa: E402
from vlmunl.methods.language import Edit, Probe, Recipe, Rule, Where  # noqa: E402
from vlmunl.methods.parts import refuse_held_out, versions  # noqa: E402
from vlmunl.models.answers import Out  # noqa: E402
from vlmunl.models.samples import Sample  # noqa: E402

pytestmark = pytest.mark.model


class _OneLayer(Lab):
    """Logits are `W x` for each sample's own x and one answer token."""

    def asked(self, samples: Any, chunk: int = 24) -> Any:
        layer = self.vlm.model
        for start in range(0, len(samples), chunk):
            part = samples[start : start + chunk]
            x = torch.stack([_INPUTS[s.photo] for s in part])
            tokens = torch.tensor([_TOKENS[s.photo] for s in part])
            yield Out.of(layer(x), tokens, torch.arange(len(part)), len(part))


_INPUTS = {b"a": torch.tensor([1.0, 2.0]), b"b": torch.tensor([-1.0, 0.5]), b"c": torch.tensor([0.0, 3.0])}
_TOKENS = {b"a": 0, b"b": 2, b"c": 1}
_SAMPLES = [Sample((), photo) for photo in _INPUTS]


def _lab() -> Any:
    layer = torch.nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.1, -0.2], [0.3, 0.0], [-0.5, 0.4]]))
    layer.requires_grad_(False)
    lab = _OneLayer(SimpleNamespace(model=layer), None, None, None, None)  # type: ignore[arg-type]
    lab.__dict__["layers"] = {"layer": layer}
    return lab


def _by_hand(lab: Any) -> Any:
    """The gradient of each sample: (p - onehot) x'."""
    weight = lab.layers["layer"].weight
    found = []
    for s in _SAMPLES:
        x = _INPUTS[s.photo]
        error = torch.softmax(weight @ x, 0) - torch.nn.functional.one_hot(torch.tensor(_TOKENS[s.photo]), 3)
        found.append(torch.outer(error, x))
    return torch.stack(found)


def test_fisher_is_the_mean_square_of_each_samples_own_gradient() -> None:
    lab = _lab()
    each = _by_hand(lab)
    found = scores.fisher(lab, _SAMPLES)["layer"]
    assert torch.allclose(found, (each**2).mean(0), atol=1e-6)
    assert not torch.allclose(found, each.mean(0) ** 2)
    assert torch.allclose(scores.gradient(lab, _SAMPLES)["layer"], each.mean(0), atol=1e-6)
    assert torch.allclose(scores.gradient_size(lab, _SAMPLES)["layer"], each.mean(0).abs(), atol=1e-6)
    assert torch.allclose(scores.gradient_sizes(lab, _SAMPLES)["layer"], each.mean(0).abs(), atol=1e-6)  # one chunk


def test_a_probe_leaves_the_model_as_it_was() -> None:
    lab = _lab()
    before = lab.layers["layer"].weight.clone()
    scores.fisher(lab, _SAMPLES)
    weight = lab.layers["layer"].weight
    assert torch.equal(weight, before)
    assert weight.grad is None
    assert not weight.requires_grad


def test_influence_predicts_the_rise_of_the_loss() -> None:
    """For a quadratic loss `(w - c)^2 / 2` of one weight, deleting it raises the loss by `c^2 / 2 - (w - c)^2 / 2`."""
    w, c = torch.tensor([0.7]), 0.2
    rise = c**2 / 2 - (0.7 - c) ** 2 / 2
    assert float(scores.influence(w, w - c, torch.ones(1))) == pytest.approx(rise)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_top_takes_exactly_the_share_of_all_layers_together(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    given = {"a": torch.rand(30, 20, generator=generator), "b": 5 * torch.rand(400, generator=generator)}
    chosen = scores.top(given, share, "who", "remedy")
    everything = torch.cat([s.flatten() for s in given.values()])
    picked = torch.cat([c.flatten() for c in chosen.values()])
    assert int(picked.sum()) == round(share * 1000)
    assert share == 1.0 or float(everything[picked].min()) >= float(everything[~picked].max())
    assert scores.share_of(chosen) == pytest.approx(share)


def test_top_with_equal_scores_takes_no_more_than_asked_and_never_a_zero() -> None:
    chosen = scores.top({"a": torch.ones(10), "b": torch.zeros(10)}, 0.25, "who", "remedy")
    assert chosen["a"].tolist() == [True] * 5 + [False] * 5
    assert not bool(chosen["b"].any())
    few = scores.top({"a": torch.tensor([0.0, 1.0, 0.0, 0.0])}, 1.0, "who", "remedy")
    assert few["a"].tolist() == [False, True, False, False]


def test_all_zero_or_infinite_scores_are_refused() -> None:
    with pytest.raises(StudyError, match="who: every score is zero"):
        scores.top({"a": torch.zeros(4)}, 0.5, "who", "remedy")
    with pytest.raises(StudyError, match="not a finite number"):
        scores.top({"a": torch.tensor([1.0, float("nan")])}, 0.5, "who", "remedy")


def test_activity_by_hand() -> None:
    one = scores.Activity.of(2, torch.device("cpu"))
    one.add(torch.tensor([[1.0, 0.0]]))
    one.add(torch.tensor([[3.0, 0.0]]))
    found = one.importance()
    # the second neuron is silent; of the first every statistic is twice the layer's mean
    assert found.tolist() == pytest.approx([8.0, 0.0], abs=1e-6)


def test_activations_of_the_language_model_are_those_at_answers_and_ask_for_no_gradient(
    vlm: Any, benchmark_small: Any
) -> None:
    lab = lab_of(vlm, benchmark_small, Recipe(terms=BOTH, where=Where(parts=("language", "vision"), modules=("down",))))
    samples = lab.samples("forget")[:3]
    tokens: dict[str, int] = {}
    real = scores.Activity.add

    def counted(self: Any, values: Any) -> None:
        tokens[str(len(self.first))] = tokens.get(str(len(self.first)), 0) + len(values)
        real(self, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores.Activity, "add", counted)
        found = scores.activations(lab, samples)
    answers = int(lab.encoder.batch(samples).answers.sum())
    assert tokens["352"] == 5 * answers  # language: five layers, answer tokens alone
    assert tokens["384"] == 3 * 3 * 17  # vision: three layers, all places
    assert set(found) == set(lab.layers)
    assert not any(s.requires_grad for s in found.values())
    by_name = scores.activations(lab, lab.samples("forget.text")[:3])
    assert all("language_model" in name for name in by_name)  # nothing is seen


def test_what_a_probe_reads_is_a_view_of_the_recipe(vlm: Any, benchmark_small: Any) -> None:
    """Its version enters the run key, and a held-out route family is held out of probes, too."""
    recipe = Recipe(terms=BOTH, where=FEW, rules=(Rule(rule="mask_fisher"),), before=(Edit(edit="prune_neurons"),))
    assert {"view text", "rule mask_fisher", "edit prune_neurons"} <= set(versions(recipe))
    with pytest.raises(StudyError, match=r"'forget\.text' trains on the route family 'text_only'"):
        refuse_held_out(recipe, ["text_only"])
    shown = lab_of(vlm, benchmark_small, recipe).samples("forget.text")
    names = {i.name for i in benchmark_small.forget}
    assert all(any(n in s.turns[0].question for n in names) and s.photo is None for s in shown)


def test_stored_scores_come_back_to_the_bit_in_the_models_order_whatever_was_edited(
    vlm: Any, benchmark_small: Any, tmp_path: Any
) -> None:
    lab = lab_of(vlm, benchmark_small, Recipe(terms=BOTH, where=FEW))
    found = scores.measured(lab, Probe("fisher", ("forget", "forget.text")), 2)
    assert torch.equal(
        found[FIRST], scores.fisher(lab, [*lab.samples("forget")[::6], *lab.samples("forget.text")[::6]])[FIRST]
    )
    backwards = dict(reversed(found.items()))
    scores.write(backwards, tmp_path / "a.safetensors")
    lab.probes = {"probe.fisher-forget-forget.text.2": tmp_path / "a.safetensors"}
    with torch.no_grad():
        lab.layers[FIRST].weight.zero_()  # as an edit would
    again = scores.probed(lab, "fisher", ("forget", "forget.text"), 2)
    assert list(again) == list(lab.layers) == list(found)
    assert all(torch.equal(again[n], found[n]) for n in found)
    lab.probes = None  # a bench is probed as it is
    assert not torch.equal(scores.probed(lab, "fisher", ("forget", "forget.text"), 2)[FIRST], found[FIRST])


FIRST = "model.language_model.layers.0.mlp.down_proj"
