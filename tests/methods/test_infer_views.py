"""The views that a wrapper is declared to learn from are those that its code draws, neither more nor fewer."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.methods import explain, parts, views  # noqa: E402
from vlmunl.methods.infer import wrapping  # noqa: E402
from vlmunl.methods.known import METHODS  # noqa: E402
from vlmunl.methods.lab import Lab  # noqa: E402
from vlmunl.models import adapters  # noqa: E402
from vlmunl.models.loop import Curve  # noqa: E402
from vlmunl.models.samples import Encoder  # noqa: E402
from vlmunl.rng import Streams  # noqa: E402
from vlmunl.stages.configs import UnlearnConfig  # noqa: E402

pytestmark = pytest.mark.model
WRAPPED = [n for n in METHODS if n in METHODS.builtin and METHODS[n].recipe.infer is not None]


def test_all_wrappers_are_looked_at() -> None:
    assert {METHODS[name].recipe.infer.wrapper for name in WRAPPED} == set(parts.WRAPPERS.builtin)


@pytest.mark.parametrize("name", WRAPPED)
def test_declared_views_are_those_that_are_drawn(
    name: str, vlm: Any, benchmark_small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All samples come from `views.stream` and `views.canonical`; the training by the recipe's terms is left out."""
    method, drawn, bench = METHODS[name], set(), benchmark_small
    stream, canonical = views.stream, views.canonical
    sides = {"forget": bench.forget, "retain": bench.retain, "unseen": bench.unseen}

    def spied(view: str, *rest: Any) -> Any:
        drawn.add(view)
        with monkeypatch.context() as inside:  # a stream makes its own questions by `canonical`
            inside.setattr(views, "canonical", canonical)
            return stream(view, *rest)

    def asked(people: Any) -> Any:
        drawn.update(side for side, members in sides.items() if {p.id for p in people} & {m.id for m in members})
        return canonical(people)

    def train(lab: Lab) -> Curve:
        lab.trained = adapters.attach(lab.vlm.model, lab.config.adapter, lab.where)
        return Curve([], "nothing was trained")

    monkeypatch.setattr(views, "stream", spied)
    monkeypatch.setattr(views, "canonical", asked)
    config = UnlearnConfig(method=name, version=1, params=dict(method.params), recipe=method.recipe, seed=0)
    wrapper, _ = wrapping.planned(method.recipe.infer, method.params)
    wrapper.fit(Lab(vlm, bench, config, Encoder(vlm), Streams(0)), train)
    part = parts.WRAPPERS[method.recipe.infer.wrapper]
    assert drawn == set(part.views)
    assert drawn <= dict(explain.views(method)).keys()
    assert drawn - {"forget"} <= set(explain.needs(method))
