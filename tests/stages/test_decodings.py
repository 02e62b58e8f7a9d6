"""The stage `eval` with routes that differ in their decoding alone."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.errors import CellFailed
from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
from vlmunl.routes.declared.decoding import ROUTES
from vlmunl.stages import declared
from vlmunl.stages.configs import EvalConfig

pytestmark = pytest.mark.model
ALL = ("canonical", *(r.id for r in ROUTES))


def _config(routes: tuple[str, ...] = ALL, **changes: Any) -> EvalConfig:
    given = {"catalogue": catalogue_hash(CATALOGUE[r] for r in routes), "max_new_tokens": 2} | changes
    return EvalConfig(routes=routes, **given)


def _run(world: Any, config: EvalConfig, **options: Any) -> Any:
    inputs = {"base": world.base, "benchmark": world.benchmark, "adapter0": world.imprint().outputs["adapter"]}
    return world.run(declared.EVAL, config, inputs, **options)


def test_every_decoding_is_scored_and_does_not_depend_on_the_batch(world: Any, rows: Any) -> None:
    large, small = (rows(_run(world, _config(batch_size=size), force=True)) for size in (128, 6))
    close = ("logp", "min_k", "min_k_pp", "logp_wrong", "score")
    for one, other in zip(large, small, strict=True):
        assert [one[c] for c in close] == pytest.approx([other[c] for c in close], abs=1e-4)
        assert {k: v for k, v in one.items() if k not in close} == {k: v for k, v in other.items() if k not in close}
    by_route = {route: [r for r in large if r["route"] == route and r["split"] == "forget"] for route in ALL}
    assert len({len(mine) for mine in by_route.values()}) == 1
    for route, mine in by_route.items():
        replies = {"sample": 8, "sample_cool": 8, "beam": 4, "canonical": 1, "prefill": 1}.get(route, 0)
        assert {r["draws"] for r in mine} == {replies}
        if route != "prefill":  # the canonical question itself
            same = ("logp", "tokens", "rank1", "es", "em", "prompt_digest", "image_digest")
            assert [[r[c] for c in same] for r in mine] == [[r[c] for c in same] for r in by_route["canonical"]]


def test_strangers_stand_beside_every_membership_route_on_both_sides(world: Any, rows: Any) -> None:
    for side in ("report", "tuning"):
        found = rows(_run(world, _config(("canonical", "rank", "min_k"), side=side, tuning=1)))
        asked = {r["route"] for r in found if r["split"] == "unseen"}
        assert asked == ({"canonical", "min_k"} if side == "report" else {"min_k"})
        placed = [r["score"] for r in found if r["split"] == "unseen" and r["route"] == "min_k"]
        assert sum(placed) / len(placed) == pytest.approx(0.5, abs=1e-6)


def test_a_model_that_computes_nothing_fails_its_cell(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that are no numbers are not forgetting: no rows, and a record that says what was wrong."""
    from vlmunl.models import score

    plain = score.features_of
    monkeypatch.setattr(score, "features_of", lambda *given: plain(*given) * float("nan"))
    config = _config(("canonical",))
    inputs = {"base": world.base, "benchmark": world.benchmark}
    with pytest.raises(CellFailed, match=r"questions could not be answered; the first is forget/.*not finite"):
        world.run(declared.EVAL, config, inputs)
    monkeypatch.undo()
    assert world.run(declared.EVAL, config, inputs).metrics["rows"] > 0  # run again, and done


def test_many_invalid_replies_are_in_the_metrics_and_in_the_log(
    world: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlmunl.commands.progress import warnings_of
    from vlmunl.manifests.cells import Cell
    from vlmunl.manifests.states import CellState
    from vlmunl.models.scoring import drawing

    plain = drawing.greedy
    monkeypatch.setattr(drawing, "greedy", lambda *given: [None if t is None else "..." for t in plain(*given)])
    record = _run(world, _config(("canonical",), max_new_tokens=1), force=True)
    assert [w.partition("replies on ")[2].split()[0] for w in record.metrics["warnings"]] == [
        "forget",
        "retain",
        "unseen",
        "general",
    ]
    cell = Cell(name="eval/test", stage=declared.EVAL, config=None, inputs={})
    shown = warnings_of(CellState(cell=cell, status="verified", record=record))
    assert shown[0].startswith("WARNING: 100.0 % of")
    assert warnings_of(CellState(cell=cell, status="pending")) == []
