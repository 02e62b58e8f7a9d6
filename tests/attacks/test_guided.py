"""Guidance by two models: at 0 it is the one, at 1 the other, between them the line; caches and wrappers included."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.model


def rows_of(vlm: Any, benchmark: Any, intervention: Any = None, size: int = 64) -> list[dict[str, Any]]:
    from vlmunl.routes.catalogue import CATALOGUE
    from vlmunl.routes.pictures import Pictures
    from vlmunl.routes.questions import questions
    from vlmunl.stages.rows import of_question, score_rows

    pictures = Pictures(benchmark.retain)
    routes = [CATALOGUE[r] for r in ("canonical", "text_only", "few_shot_image")]
    asked = [
        of_question(q, pictures, "forget")
        for person in benchmark.forget
        for route in routes
        for q in questions(route, person, benchmark.retain)
    ]
    return score_rows(
        vlm,
        asked,
        pictures,
        max_new_tokens=4,
        batch_size=size,
        progress=lambda done, total, note: None,
        intervention=intervention,
    )


def guided(bench: Any, weight: float, vlm: Any, moved: Any) -> Any:
    from vlmunl.attacks.guided import guided

    (found,) = guided(bench(f"guided:{weight}", attacked=vlm, imprint=lambda: moved), weight)
    return found


def logp(rows: list[dict[str, Any]]) -> list[float]:
    return [row["logp"] for row in rows]


def test_at_nought_it_is_the_model_itself_and_at_one_the_imprint(
    vlm: Any, moved: Any, bench: Any, benchmark_small: Any
) -> None:
    post, pre = rows_of(vlm, benchmark_small), rows_of(moved, benchmark_small)
    assert logp(post) != pytest.approx(logp(pre), abs=1e-3)
    assert rows_of(guided(bench, 0, vlm, moved).vlm, benchmark_small) == post
    one = rows_of(guided(bench, 1, vlm, moved).vlm, benchmark_small)
    assert logp(one) == pytest.approx(logp(pre), abs=1e-4)
    assert [r["text"] for r in one] == [r["text"] for r in pre]


def test_between_them_logits_are_on_the_line_and_batches_do_not_matter(
    vlm: Any, moved: Any, bench: Any, benchmark_small: Any
) -> None:
    import torch

    twins = guided(bench, 0.3, vlm, moved).vlm.model
    states = torch.randn(5, 320, generator=torch.Generator().manual_seed(0))
    expected = 0.7 * vlm.model.lm_head(states[:, :160]) + 0.3 * moved.model.lm_head(states[:, 160:])
    assert torch.allclose(twins.lm_head(states), expected, atol=1e-5)
    found = guided(bench, 0.3, vlm, moved).vlm
    large, small = rows_of(found, benchmark_small), rows_of(found, benchmark_small, size=5)
    assert logp(large) == pytest.approx(logp(small), abs=1e-4)


def test_a_model_guided_by_itself_stays_itself(vlm: Any, bench: Any, benchmark_small: Any) -> None:
    assert rows_of(guided(bench, 0.7, vlm, vlm).vlm, benchmark_small) == rows_of(vlm, benchmark_small)


def test_what_a_wrapper_adds_counts_by_the_models_share(vlm: Any, moved: Any, bench: Any, benchmark_small: Any) -> None:
    import torch

    from vlmunl.attacks.guided import FirstOnly, guided
    from vlmunl.models.intervene import Intervention

    class Penalty(Intervention):
        def decide(self, queries: Any, features: Any, pixels: Any) -> list[Any]:
            assert features is None or features.shape[-1] == 160
            return [True] * len(queries)

        def embeds(self, decisions: Any, embeds: Any, ids: Any, prompt: Any) -> Any:
            assert embeds.shape[-1] == 160
            return 2 * embeds

        def logits(self, decisions: Any, written: Any, logits: Any) -> Any:
            changed = logits.clone()
            changed[:, 7] -= 8.0
            return changed

    inner = Penalty()
    made = bench("guided:0.25", attacked=vlm, dress=lambda v: (v, inner), imprint=lambda: moved)
    (found,) = guided(made, 0.25)
    assert isinstance(found.intervention, FirstOnly)
    change = found.intervention.logits([True], [()], torch.zeros(1, 10))
    assert change.tolist() == [[0.0] * 7 + [-6.0, 0.0, 0.0]]
    both = found.intervention.embeds([True], torch.ones(1, 2, 320), torch.zeros(1, 2), torch.ones(1, 2))
    assert both[..., :160].unique().tolist() == [2.0]
    assert both[..., 160:].unique().tolist() == [1.0]
    (still,) = guided(bench("guided:0", attacked=vlm, dress=lambda v: (v, inner), imprint=lambda: moved), 0.0)
    wrapped = rows_of(vlm, benchmark_small, inner)
    assert logp(rows_of(still.vlm, benchmark_small, still.intervention)) == pytest.approx(logp(wrapped), abs=1e-5)
