"""Attacks that learn: they learn what they are given, change what they say, stay in bounds, and draw alike."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.errors import StudyError, VlmunlError

pytestmark = pytest.mark.model
LEARNERS = ("relearn_people:4", "relearn_unrelated:4", "soft_prompt:3:4", "visual_prompt:3:4", "perturb:4:4")


def attacks(made: Any) -> list[Any]:
    from vlmunl.attacks.known import parse
    from vlmunl.methods.registry import code_of

    found, arguments = parse(made.attack)
    return list(code_of(found.run)(made, *arguments))


def nll(vlm: Any, people: Any, prefix: str = "", only: Any = None, **changed: Any) -> float:
    """Of the people's answers to the canonical question."""
    import torch

    from vlmunl.attacks.learn import answer_nll
    from vlmunl.models.chat import Turn
    from vlmunl.models.samples import Encoder, Sample

    samples = [
        Sample((Turn(prefix + f.prompts[0].ask("this person"), f.answer),), p.photos[0])
        for p in people
        for f in p.facts
        if only is None or f.attribute in only
    ]
    batch = Encoder(vlm).batch(samples)
    if "repaint" in changed:
        batch = batch._replace(pixels=changed["repaint"](batch.pixels))
    with torch.no_grad():
        return float(answer_nll(vlm, batch))


@pytest.mark.parametrize("attack", LEARNERS)
def test_what_is_learned_gets_likelier(vlm: Any, bench: Any, benchmark_small: Any, attack: str) -> None:
    made = bench(attack)
    (found,) = attacks(made)
    if not attack.startswith("relearn_unrelated"):
        repaint = {"repaint": found.repaint} if found.repaint is not None else {}
        assert nll(found.vlm, made.aside, found.prefix, **repaint) < nll(vlm, made.aside) - 0.02
    first, last = (v for k, v in made.notes.items() if k.endswith("_nll"))
    assert {float, float} == {type(first), type(last)}
    assert made.aside == benchmark_small.forget[1:]
    assert made.reported.forget == benchmark_small.forget[:1]


@pytest.mark.slow
@pytest.mark.parametrize("attack", [*LEARNERS, "relearn_attributes:2"])
def test_every_model_is_given_the_same_data_and_random_numbers(
    moved: Any, bench: Any, monkeypatch: Any, attack: str
) -> None:
    """Of two models attacked alike, batches and starting values are the same; another seed draws others."""
    from vlmunl.models.samples import Encoder

    drawn: list[Any] = []
    plain = Encoder.batch
    monkeypatch.setattr(Encoder, "batch", lambda self, samples: (drawn.append(samples), plain(self, samples))[1])
    seen = []
    for attacked, seed in ((None, 0), (moved, 0), (None, 1)):
        drawn.clear()
        attacks(bench(attack, attacked=attacked, seed=seed))
        seen.append(list(drawn))
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_an_attack_twice_is_the_same_to_the_bit(bench: Any) -> None:
    for attack in ("relearn_people:2", "soft_prompt:2:2"):
        one, other = (dict(attacks(bench(attack))[0].vlm.model.named_parameters()) for _ in range(2))
        assert all(one[n].equal(other[n]) for n in one)


def test_relearning_starts_from_the_same_lora(vlm: Any, bench: Any, moved: Any, monkeypatch: Any) -> None:
    from vlmunl.attacks import relearn

    starts = []
    real = relearn.Trainer

    def noted(*args: Any) -> Any:
        trainer = real(*args)
        starts.append({n: p.detach().clone() for n, p in trainer.trained.named_parameters() if "lora_" in n})
        return trainer

    monkeypatch.setattr(relearn, "Trainer", noted)
    for attacked in (None, moved):
        attacks(bench("relearn_people:1", attacked=attacked))
    assert starts[0]
    assert all(starts[0][n].equal(starts[1][n]) for n in starts[0])


def test_attributes_are_learned_in_two_halves_and_never_asked_where_learned(
    bench: Any, benchmark_small: Any, monkeypatch: Any
) -> None:
    from vlmunl.models.samples import Encoder

    drawn: list[Any] = []
    plain = Encoder.batch
    monkeypatch.setattr(Encoder, "batch", lambda self, samples: (drawn.append(samples), plain(self, samples))[1])
    made = bench("relearn_attributes:3", tuning=0)
    from vlmunl.attacks.relearn import attributes

    names = {f.attribute for f in benchmark_small.forget[0].facts}
    asked: list[str] = []
    for fold in attributes(made, 3):
        told = {turn.question for samples in drawn for sample in samples for turn in sample.turns}
        answered = {turn.answer for samples in drawn for sample in samples for turn in sample.turns}
        for person in benchmark_small.forget:
            for fact in person.facts:
                questions = {p.ask(s) for p in fact.prompts for s in ("this person", person.name)}
                if fact.attribute in fold.attributes:
                    assert not told & questions
                    assert fact.answer not in answered
        asked += fold.attributes
        drawn.clear()
    assert sorted(asked) == sorted(names)


def test_learned_words_touch_no_other_question(vlm: Any, bench: Any, benchmark_small: Any) -> None:
    (found,) = attacks(bench("soft_prompt:3:2"))
    people = benchmark_small.retain
    assert nll(found.vlm, people) == pytest.approx(nll(vlm, people), abs=1e-5)
    assert nll(found.vlm, people, found.prefix) != pytest.approx(nll(vlm, people), abs=1e-3)
    ids = found.vlm.chat.tokens(found.prefix)
    assert len(ids) == len(set(ids)) == 3
    assert found.vlm.model.lm_head(found.vlm.model.lm_head.weight[:1]).shape[-1] == vlm.model.lm_head.weight.shape[0]


def test_learned_places_add_to_the_pictures_own(vlm: Any, bench: Any, benchmark_small: Any) -> None:
    import torch

    from vlmunl.models.forward import image_features

    (found,) = attacks(bench("visual_prompt:3:2"))
    assert found.vlm.chat.tokens_per_image == vlm.chat.tokens_per_image + 3
    pixels = torch.zeros(2, 3, 64, 64)
    plain, wide = image_features(vlm.model, pixels), image_features(found.vlm.model, pixels)
    assert wide.shape[1] == plain.shape[1] + 3
    assert torch.allclose(wide[:, : plain.shape[1]], plain, atol=1e-5)
    mine = found.vlm.model.model.multi_modal_projector
    assert torch.allclose(wide[0, -3:], mine.projector(mine.learned), atol=1e-5)


@pytest.mark.parametrize(("eps", "steps"), [(2, 5), (12, 3), (0, 2)])
def test_the_perturbation_stays_within_its_bound_and_in_the_range_of_pixels(
    bench: Any, benchmark_small: Any, vlm: Any, eps: int, steps: int
) -> None:
    import torch

    from vlmunl.models.images import decode, pixel_values

    made = bench(f"perturb:{eps}:{steps}")
    (found,) = attacks(made)
    pixels = pixel_values(vlm.processor, [decode(p.photos[0]) for p in benchmark_small.identities])
    mean, std = (
        torch.tensor(getattr(vlm.processor.image_processor, n)).view(-1, 1, 1) for n in ("image_mean", "image_std")
    )
    before, after = ((p * std + mean) * 255 for p in (pixels, found.repaint(pixels)))
    moved = (after - before).abs().max()
    assert float(moved) <= min(eps, steps) + 1e-3
    assert eps == 0 or float(moved) > 0.9 * min(eps, steps)
    assert made.notes["largest_change"] == pytest.approx(min(eps, steps), abs=1e-3)
    assert float(after.min()) >= -1e-3
    assert float(after.max()) <= 255.001
    assert nll(found.vlm, benchmark_small.retain) == pytest.approx(nll(vlm, benchmark_small.retain), abs=1e-6)


@pytest.mark.parametrize("attack", ["relearn_people:3", "soft_prompt:2:3", "perturb:4:3"])
def test_a_loss_that_is_no_number_is_refused_by_the_attacks_name(vlm: Any, bench: Any, attack: str) -> None:
    import copy

    import torch

    from vlmunl.models.vlm import VLM

    broken = VLM(copy.deepcopy(vlm.model), vlm.processor)
    with torch.no_grad():
        broken.model.model.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(VlmunlError, match=f"attack {attack} met a loss of nan at step 1") as caught:
        attacks(bench(attack, attacked=broken))
    assert "routes out" in caught.value.hint


@pytest.mark.parametrize("attack", ["relearn_people:3", "soft_prompt", "visual_prompt", "perturb"])
def test_without_people_set_aside_there_is_nothing_to_learn_from(bench: Any, attack: str) -> None:
    with pytest.raises(StudyError, match="set aside") as caught:
        attacks(bench(attack, tuning=0))
    assert "people = 4" in caught.value.hint


@pytest.mark.parametrize(
    "attack",
    [
        *("quantize:8", "prune:5", "projector_restore", "merge_base:0.5", "scale:0.5", "guided:0.5", "logit_lens:0.5"),
        *("relearn_people:1", "relearn_attributes:1", "soft_prompt:1:1", "visual_prompt:1:1", "perturb:1:1"),
    ],
)
def test_what_stood_around_the_model_stands_around_it_again(bench: Any, attack: str) -> None:
    from vlmunl.attacks.guided import FirstOnly
    from vlmunl.models.intervene import Intervention

    around = Intervention()
    for found in attacks(bench(attack, dress=lambda vlm: (vlm, around))):
        kept = found.intervention.inner if isinstance(found.intervention, FirstOnly) else found.intervention
        assert kept is around
