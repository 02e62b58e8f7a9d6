"""Interventions in scoring: nothing where they do nothing, the same at every batch size, and right by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods.infer.corrupt import Noise, content  # noqa: E402
from vlmunl.methods.infer.corrupt import _Corrupting as Corrupting  # noqa: E402
from vlmunl.methods.infer.detector import Detector, balanced, judged, learn  # noqa: E402
from vlmunl.methods.infer.forbid import _Forbidding as Forbidding  # noqa: E402
from vlmunl.methods.infer.forbid import spellings  # noqa: E402
from vlmunl.methods.infer.gated import Gated  # noqa: E402
from vlmunl.methods.infer.offset import Offset, first_layers, offset  # noqa: E402
from vlmunl.methods.infer.wrapping import Fitted  # noqa: E402
from vlmunl.methods.known import METHODS  # noqa: E402
from vlmunl.methods.lab import Lab  # noqa: E402
from vlmunl.models.chat import Turn  # noqa: E402
from vlmunl.models.images import decode, pixel_values  # noqa: E402
from vlmunl.models.intervene import Intervention  # noqa: E402
from vlmunl.models.samples import Encoder  # noqa: E402
from vlmunl.models.score import Query, Scored, score  # noqa: E402
from vlmunl.rng import Streams  # noqa: E402
from vlmunl.stages.configs import UnlearnConfig  # noqa: E402

pytestmark = pytest.mark.model


def _lab(vlm: Any, benchmark: Any, **changes: Any) -> Lab:
    config = UnlearnConfig(method="eco", version=1, params={}, seed=0, **changes)
    return Lab(vlm, benchmark, config, Encoder(vlm), Streams(0))


@pytest.fixture
def asked(vlm: Any, benchmark_small: Any) -> tuple[list[Query], Any]:
    """Questions with and without a picture, answers of one token and of several."""
    queries = []
    people = benchmark_small.identities
    for place, identity in enumerate(people):
        for fact in identity.facts[:2]:
            prompt = fact.of("open", held=False)[0]
            for image, subject in ((place, "this person"), (None, identity.name)):
                turns = (Turn(prompt.ask(subject), None),)
                ids = tuple(vlm.chat.encode(turns, image_at=None if image is None else 0).ids)
                queries.append(Query(ids, image, prompt.answer, fact.distractors, turns))
        turns = (Turn("Who is this?", None),)
        ids = tuple(vlm.chat.encode(turns, image_at=0).ids)
        queries.append(Query(ids, place, identity.name, tuple(i.name for i in people if i is not identity), turns))
    return queries, pixel_values(vlm.processor, [decode(i.photos[0]) for i in people])


def _scored(vlm: Any, asked: Any, by: Intervention | None = None, size: int = 16) -> list[Scored]:
    queries, pixels = asked
    return score(vlm, queries, pixels, max_new_tokens=4, batch_size=size, intervention=by)


def _same(left: Sequence[Scored], right: Sequence[Scored]) -> None:
    assert [(r.text, r.rank1) for r in left] == [(r.text, r.rank1) for r in right]
    assert [r.logp for r in left] == pytest.approx([r.logp for r in right], abs=1e-4)


# ------------------------------------------------------------------------------------------------ scoring


@dataclass
class _Everything(Intervention):
    """Decides on every question, and changes nothing."""

    def decide(self, queries: Any, features: Any, pixels: Any) -> list[Any]:
        return [True] * len(queries)


def test_an_intervention_that_changes_nothing_changes_nothing(vlm: Any, asked: Any) -> None:
    plain = _scored(vlm, asked)
    assert _scored(vlm, asked, Intervention()) == plain  # to the bit
    _same(_scored(vlm, asked, _Everything()), plain)


def _detector(size: int, bias: float) -> Detector:
    """Flags everything, or nothing."""
    from vlmunl.methods.infer.features import WIDTH

    zero = torch.zeros(1 + size + WIDTH, dtype=torch.float64)
    bias_ = torch.tensor(bias, dtype=torch.float64)
    return Detector(zero, bias_, torch.zeros(size, dtype=torch.float64), torch.ones(size, dtype=torch.float64))


def _width(vlm: Any) -> int:
    return 2 * int(vlm.model.get_input_embeddings().weight.shape[1])


def _corrupting(vlm: Any, strength: float) -> Any:
    return Corrupting(vlm, _detector(_width(vlm), 9.0), 0.5, Noise(strength, 1.0, 7))


@pytest.mark.parametrize("kind", ["corrupt", "forbid", "gated", "offset"])
def test_batch_size_does_not_matter(vlm: Any, asked: Any, benchmark_small: Any, kind: str) -> None:
    wrapped, by = _wrapped(kind, vlm, benchmark_small)
    large = _scored(wrapped, asked, by, 64)
    _same(large, _scored(wrapped, asked, by, 1))
    _same(large, _scored(wrapped, asked, by, 7))


@pytest.mark.parametrize("kind", ["corrupt", "forbid", "gated", "offset"])
def test_they_do_change_answers(vlm: Any, asked: Any, benchmark_small: Any, kind: str) -> None:
    plain = _scored(vlm, asked)
    wrapped, by = _wrapped(kind, vlm, benchmark_small)
    changed = _scored(wrapped, asked, by)
    assert [r.logp for r in changed] != pytest.approx([r.logp for r in plain], abs=1e-2)
    if by is not None:  # what is not flagged is left alone
        decided = by.decide(*_what_it_sees(vlm, asked))
        assert any(decided)
        assert not all(decided)
        keep = [i for i, d in enumerate(decided) if not d]
        _same([changed[i] for i in keep], [plain[i] for i in keep])


def _what_it_sees(vlm: Any, asked: Any) -> tuple[Any, Any, Any]:
    from vlmunl.models.forward import image_features

    queries, pixels = asked
    with torch.no_grad():
        return queries, image_features(vlm.model, pixels), pixels


def _wrapped(kind: str, vlm: Any, benchmark: Any) -> tuple[Any, Any]:
    """A wrapper of each kind with weights drawn at random and a detector that knows the forget set."""
    if kind == "offset":
        layer = "model.language_model.layers.0.mlp.down_proj"
        return Offset(0.8, 0.5, 0.01).apply(vlm, Fitted({"layers": 2}, _lora(vlm, f"assistant.{layer}", layer)))
    learned = learn(_lab(vlm, benchmark), ("retain",), 0.5)
    if kind == "corrupt":
        return vlm, Corrupting(vlm, learned.detector, 0.5, Noise(0.2, 1.0, 7))
    if kind == "forbid":
        answers = [spellings(vlm, e.value) for e in learned.forget]
        names = tuple(t for i in benchmark.forget for t in spellings(vlm, i.name))
        return vlm, Forbidding(learned.detector, 0.5, balanced(learned.seen), [a + names for a in answers], 2, 20.0)
    layers = [f"model.language_model.layers.{n}.self_attn.q_proj" for n in (1, 3)]
    tensors = {n: t for k in (0, 1) for x in layers for n, t in _lora(vlm, f"request{k}.{x}", x).items()}
    for k in (0, 1):
        tensors |= learned.detector.tensors(f"detector{k}.")
    return Gated(2, 0.1, 0.5).apply(vlm, Fitted({"requests": 2}, tensors))


def _lora(vlm: Any, name: str, layer: str) -> dict[str, Any]:
    out, size = vlm.model.get_submodule(layer).weight.shape
    draw = torch.Generator().manual_seed(len(name))
    return {
        f"{name}.a": torch.randn(2, size, generator=draw) * 0.3,
        f"{name}.b": torch.randn(out, 2, generator=draw) * 0.3,
    }


# ----------------------------------------------------------------------------------------- right by hand


def test_noise_reaches_likelihoods_and_answers_alike(vlm: Any, asked: Any) -> None:
    """The likelihood of what the corrupted model says first is the highest of all candidates."""
    queries, pixels = asked
    by = _corrupting(vlm, 0.3)
    found = score(vlm, queries, pixels, max_new_tokens=1, batch_size=16, intervention=by)
    for query, result in list(zip(queries, found, strict=True))[:12]:
        if len(vlm.chat.answer_tokens(query.answer)) != 1:
            continue
        said = Query(query.prompt, query.image, result.text, (query.answer, *query.distractors), query.turns)
        if result.text in said.distractors or not result.text:
            said = Query(
                said.prompt, said.image, said.answer, tuple(d for d in said.distractors if d != said.answer), said.turns
            )
        [again] = score(vlm, [said], pixels, max_new_tokens=1, batch_size=1, intervention=by)
        assert again.rank1


def test_noise_spares_the_marks_of_the_template(vlm: Any, asked: Any) -> None:
    queries, _ = asked
    ids = torch.tensor([queries[0].prompt])
    kept = {vlm.tokenizer.convert_ids_to_tokens(t) for t in ids[~content(vlm, ids)].tolist()}
    assert kept <= {"<s>", "<user>", "<assistant>", "</s>", "<pad>"}
    assert bool(content(vlm, ids)[ids == vlm.image_token].all())


def test_a_forbidden_answer_is_not_given_and_its_likelihood_falls_by_the_penalty(vlm: Any, asked: Any) -> None:
    queries, pixels = asked
    query = next(q for q in queries if len(vlm.chat.answer_tokens(q.answer)) == 1)
    [plain] = score(vlm, [query], pixels, max_new_tokens=1, batch_size=1)
    [token] = vlm.chat.answer_tokens(plain.text)
    width = 1 + _width(vlm) + 4096
    by = Forbidding(_detector(_width(vlm), 9.0), 0.5, torch.ones(1, width, dtype=torch.float64), [((token,),)], 1, 3.0)
    said = Query(query.prompt, query.image, plain.text, (), query.turns)
    [before] = score(vlm, [said], pixels, max_new_tokens=1, batch_size=1)
    [after] = score(vlm, [said], pixels, max_new_tokens=1, batch_size=1, intervention=by)
    p = torch.tensor(before.logp).exp()
    assert after.logp == pytest.approx(
        before.logp - 3.0 - float(torch.log1p(p * (torch.tensor(-3.0).exp() - 1))), abs=1e-4
    )
    strong = Forbidding(_detector(_width(vlm), 9.0), 0.5, by.questions, by.answers, 1, 50.0)
    [other] = score(vlm, [query], pixels, max_new_tokens=1, batch_size=1, intervention=strong)
    assert other.text != plain.text


def test_an_answer_of_several_tokens_is_penalised_where_it_is_complete(vlm: Any, asked: Any) -> None:
    queries, pixels = asked
    query = next(q for q in queries if len(vlm.chat.answer_tokens(q.answer)) > 1)
    tokens = tuple(vlm.chat.answer_tokens(query.answer))
    seen = torch.ones(1, 1 + _width(vlm) + 4096, dtype=torch.float64)
    by = Forbidding(_detector(_width(vlm), 9.0), 0.5, seen, [(tokens,)], 1, 60.0)
    [before] = score(vlm, [query], pixels, max_new_tokens=1, batch_size=1)
    [after] = score(vlm, [query], pixels, max_new_tokens=1, batch_size=1, intervention=by)
    fallen = (before.logp - after.logp) * len(tokens)
    assert 0 < fallen <= 60.0 + 1e-3
    assert fallen > 1  # the last token alone, less what the others gain


def test_an_adapter_with_share_one_is_the_merged_adapter(vlm: Any, asked: Any, benchmark_small: Any) -> None:
    layer = "model.language_model.layers.2.mlp.up_proj"
    tensors = _lora(vlm, f"request0.{layer}", layer)
    sure = _detector(_width(vlm), 60.0).tensors("detector0.")
    _, by = Gated(1, 0.1, 0.5).apply(vlm, Fitted({"requests": 1}, {**tensors, **sure}))
    gated = _scored(vlm, asked, by)
    vlm.model.get_submodule(layer).weight.data += tensors[f"request0.{layer}.b"] @ tensors[f"request0.{layer}.a"]
    _same(gated, _scored(vlm, asked))


def test_the_assistant_is_the_models_own_beginning_and_shares_the_rest(vlm: Any) -> None:
    short = first_layers(vlm.model, 2)
    language, own = vlm.model.model.language_model, short.model.language_model
    assert len(language.layers) == language.config.num_hidden_layers > 2
    assert len(own.layers) == own.config.num_hidden_layers == 2
    assert own.embed_tokens.weight is language.embed_tokens.weight
    assert short.lm_head.weight is vlm.model.lm_head.weight
    mine = own.layers[0].mlp.up_proj.weight
    assert mine is not language.layers[0].mlp.up_proj.weight
    assert torch.equal(mine, language.layers[0].mlp.up_proj.weight)


def test_the_scores_of_both_are_taken_together(vlm: Any, asked: Any) -> None:
    """By whole forward passes of the two models, without a cache."""
    from vlmunl.models.forward import embed, hidden_states

    queries, pixels = asked
    query = next(q for q in queries if q.image is None and len(vlm.chat.answer_tokens(q.answer)) == 1)
    short, ids = first_layers(vlm.model, 2), torch.tensor([query.prompt])
    with torch.no_grad():
        embeds, mask = embed(vlm.model, ids, vlm.image_token, None), torch.ones_like(ids).bool()
        z, za = (m.lm_head(hidden_states(m, embeds, mask))[0, -1] for m in (vlm.model, short))
    expected = offset(z, za, 0.8, 0.01).log_softmax(-1)
    layer = "model.language_model.layers.0.mlp.down_proj"
    none = {n: t * 0 for n, t in _lora(vlm, f"assistant.{layer}", layer).items()}
    both, _ = Offset(0.8, 0.5, 0.01).apply(vlm, Fitted({"layers": 2}, none))
    [found] = score(both, [query], pixels, max_new_tokens=1, batch_size=1)
    assert found.logp == pytest.approx(float(expected[vlm.chat.answer_tokens(query.answer)[0]]), abs=1e-4)


# ---------------------------------------------------------------------------------------------- detectors


@pytest.mark.parametrize("views", ["narrow", "wide"])
def test_the_detector_separates_the_training_views(vlm: Any, benchmark_small: Any, views: str) -> None:
    learned = learn(_lab(vlm, benchmark_small, views=views), ("retain", "general"), 0.5)
    assert learned.recall >= 0.95
    assert learned.false_alarms <= 0.05
    again = learn(_lab(vlm, benchmark_small, views=views), ("retain", "general"), 0.5)
    assert torch.equal(again.detector.weight, learned.detector.weight)


def test_names_are_seen_only_where_they_were_learned(vlm: Any, benchmark_small: Any, asked: Any) -> None:
    queries, _ = asked
    names = {i.name for i in benchmark_small.forget}
    by_name = [q for q in queries if q.image is None]
    about = [any(n in q.turns[0].question for n in names) for q in by_name]
    flagged = {}
    for views in ("narrow", "wide"):
        detector = learn(_lab(vlm, benchmark_small, views=views), ("retain", "general"), 0.5).detector
        flagged[views] = [chance >= 0.5 for chance, _ in judged(detector, by_name, None)]
    assert flagged["wide"] == about
    assert not any(flagged["narrow"])  # no name is in the narrow views, so questions by name are not flagged


def test_a_conversation_is_as_suspicious_as_its_worst_turn(vlm: Any, benchmark_small: Any) -> None:
    detector = learn(_lab(vlm, benchmark_small, views="wide"), ("retain", "general"), 0.5).detector
    forget, retain = benchmark_small.forget[0], benchmark_small.retain[0]
    question = forget.facts[0].of("open", held=False)[0]
    alone, other = (Turn(question.ask(i.name), None) for i in (forget, retain))
    before = Turn(alone.question, "nothing")

    def chance(*turns: Turn) -> float:
        return judged(detector, [Query((), None, "", (), turns)], None)[0][0]

    assert chance(other) < 0.5 <= chance(alone)
    assert chance(Turn(other.question, "x"), alone) >= chance(alone)
    assert chance(before, other) > 0.5


def test_errors_of_fitting(vlm: Any, benchmark_small: Any) -> None:
    import dataclasses

    from vlmunl.methods.infer.corrupt import Corrupt
    from vlmunl.methods.infer.forbid import Forbid

    def never(bench: Any) -> Any:
        raise AssertionError

    lab = _lab(vlm, benchmark_small)
    with pytest.raises(StudyError, match="no probability"):
        Corrupt(1.5, 1.0, 0.0).fit(lab, never)
    with pytest.raises(StudyError, match="cannot be"):
        Corrupt(0.5, 0.0, 0.0).fit(lab, never)
    with pytest.raises(StudyError, match="flags none of"):
        Forbid(1 - 1e-12, 1.0, 5.0).fit(lab, never)
    with pytest.raises(StudyError, match="nearest >= 1"):
        Forbid(0.5, 0.0, 5.0).fit(lab, never)
    without = dataclasses.replace(benchmark_small, unseen=())
    with pytest.raises(StudyError, match="never taught"):
        Corrupt(0.5, 1.0, 0.0).fit(_lab(vlm, without), never)
    nobody = dataclasses.replace(benchmark_small, identities=benchmark_small.retain)
    with pytest.raises(StudyError, match="empty"):
        Corrupt(0.5, 1.0, 0.0).fit(_lab(vlm, nobody), never)
    with pytest.raises(StudyError, match="no terms"):
        Gated(2, 0.1, 0.5).fit(lab, never)


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.family == "inference"])
def test_every_inference_method_says_that_the_knowledge_is_still_there(name: str) -> None:
    assert METHODS[name].recipe.infer is not None
    assert "still hold the knowledge" in METHODS[name].fails
