"""Reading inner layers: the states are the model's own, a planted signal is found, and chance reads as chance."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytestmark = pytest.mark.model


def asked_of(people: Any, pictures: Any, route: str = "canonical") -> list[Any]:
    from vlmunl.routes.catalogue import CATALOGUE
    from vlmunl.routes.questions import questions
    from vlmunl.stages.rows import of_question

    return [of_question(q, pictures, "forget") for p in people for q in questions(CATALOGUE[route], p, ())]


def test_the_last_states_do_not_depend_on_batches_and_give_the_models_own_answer(
    vlm: Any, benchmark_small: Any
) -> None:
    import torch

    from vlmunl.attacks.inner import last_states
    from vlmunl.routes.pictures import Pictures
    from vlmunl.stages.rows import score_rows

    pictures = Pictures(benchmark_small.retain)
    people = benchmark_small.identities[:3]
    asked = [*asked_of(people, pictures), *asked_of(people, pictures, "text_only")]
    prompts = [(a.turns, a.image_at, a.image) for a in asked]
    pixels = pictures.pixels(vlm.processor)
    one, other = (last_states(vlm, prompts, pixels, (1, 4), size) for size in (64, 5))
    for layer in (1, 4):
        assert torch.allclose(one[layer], other[layer], atol=1e-4)
    # the last layer through norm and head is the model's next token
    logits = vlm.model.lm_head(vlm.model.model.language_model.norm(one[4]))
    rows = score_rows(vlm, asked, pictures, max_new_tokens=1, batch_size=64, progress=lambda done, total, note: None)
    said = [vlm.tokenizer.decode([int(t)], skip_special_tokens=True).strip() for t in logits.argmax(-1)]
    assert said == [row["text"] for row in rows]


def test_the_lens_at_the_last_layer_ranks_as_the_model_does(vlm: Any, benchmark_small: Any) -> None:
    from vlmunl.attacks.lens import Lens
    from vlmunl.routes.pictures import Pictures
    from vlmunl.stages.rows import score_rows

    pictures = Pictures(benchmark_small.retain)
    asked = asked_of(benchmark_small.identities, pictures)
    rows = score_rows(vlm, asked, pictures, max_new_tokens=1, batch_size=64, progress=lambda done, total, note: None)
    read = Lens(vlm, None, (4,), 64)(asked, pictures)
    one_token = [len(vlm.chat.answer_tokens(v)) == 1 for a in asked for v in (a.answer, *a.distractors)]
    assert all(one_token)
    assert [t == a.answer for t, a in zip(read, asked, strict=True)] == [r["rank1"] for r in rows]
    several = Lens(vlm, None, (1, 2, 4), 64)(asked, pictures)
    right = [a.answer for a in asked]
    single = [Lens(vlm, None, (layer,), 64)(asked, pictures) for layer in (1, 2, 4)]
    any_of = [r in seen for r, seen in zip(right, zip(*single, strict=True), strict=True)]
    assert [t == r for t, r in zip(several, right, strict=True)] == any_of
    assert [t for t, hit in zip(several, any_of, strict=True) if not hit] == [
        t for t, hit in zip(single[2], any_of, strict=True) if not hit
    ]


def test_the_ridge_solves_its_equations_and_finds_a_planted_signal() -> None:
    import torch

    from vlmunl.attacks.probe import RIDGE, ridge

    torch.manual_seed(0)
    names = ["a", "b", "c", "d"]
    centres = 3 * torch.randn(4, 12)
    rng = random.Random(0)

    def draw(n: int) -> tuple[Any, list[str]]:
        chosen = [rng.randrange(4) for _ in range(n)]
        return centres[chosen] + torch.randn(n, 12), [names[c] for c in chosen]

    states, labels = draw(80)
    probe = ridge(states, labels)
    x = states.double() - states.double().mean(0)
    y = torch.tensor([[float(v == n) for n in names] for v in labels], dtype=torch.float64)
    strength = RIDGE * float((x.T @ x).diagonal().mean())
    gradient = x.T @ (x @ probe.weight - (y - y.mean(0))) + strength * probe.weight
    assert float(gradient.abs().max()) < 1e-8
    fresh, truth = draw(200)
    assert sum(a == b for a, b in zip(probe.read(fresh), truth, strict=True)) > 180
    by_chance = []
    for _ in range(200):
        shuffled = ridge(states, rng.sample(labels, len(labels)))
        by_chance += [a == b for a, b in zip(shuffled.read(fresh), truth, strict=True)]
    assert 0.2 < sum(by_chance) / len(by_chance) < 0.3


def test_the_probe_is_fitted_on_nobody_who_is_asked(vlm: Any, bench: Any, monkeypatch: Any) -> None:
    from vlmunl.attacks import probe
    from vlmunl.errors import StudyError

    made = bench("linear_probe:0.75")
    seen: list[Any] = []

    def note(vlm: Any, intervention: Any, people: Any, *rest: Any) -> dict[str, Any]:
        seen.extend(people)
        return {}

    monkeypatch.setattr(probe, "fitted", note)
    monkeypatch.setattr(probe, "LEAST", 3)
    list(probe.linear_probe(made, 0.75))
    asked = {i.id for i in (*made.reported.forget, *made.reported.controls, *made.aside)}
    assert len(seen) == 3
    assert not asked & {i.id for i in seen}
    monkeypatch.setattr(probe, "LEAST", 4)
    with pytest.raises(StudyError, match="fitted on 3 retained people"):
        list(probe.linear_probe(made, 0.75))


def test_the_probe_reads_what_its_people_were_told(vlm: Any, benchmark_small: Any) -> None:
    """Fitted and asked about the same people (which the attack never does) it finds the values that they have."""
    from vlmunl.attacks.probe import Reader, fitted
    from vlmunl.routes.pictures import Pictures

    people, pictures = benchmark_small.retain, Pictures(benchmark_small.retain)
    asked = asked_of(people, pictures)
    layer = 3
    read = Reader(vlm, None, layer, fitted(vlm, None, people, layer, 64), 64)(asked, pictures)
    assert sum(t == a.answer for t, a in zip(read, asked, strict=True)) > 0.6 * len(asked)
