"""Scores of the imprint as a stage of their own: the same to the bit, made once, refused where they do not belong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlmunl.errors import CellFailed, MissingInput
from vlmunl.manifests.probes import probes_for
from vlmunl.methods.known import METHODS
from vlmunl.methods.language import Recipe, Rule, Where, Wrapper, on
from vlmunl.methods.parts import versions
from vlmunl.stages import declared
from vlmunl.stages.configs import Adapter, Loading, Optim, ProbeConfig, UnlearnConfig

pytestmark = pytest.mark.model

PROBING = ("salun", "mmunlearner", "ssu", "iwap", "iwap_published", "manu", "ssd", "loku")
AT_ONCE = ("salun", "iwap", "ssd")
"""One that masks, one that deletes, one that edits; the others in `make slow`."""
TWO = Optim(steps=2, lr=1e-3, warmup=0)


def config_of(name: str, **changes: Any) -> UnlearnConfig:
    method = METHODS[name]
    config = UnlearnConfig(
        method=name,
        version=method.version,
        params=dict(method.params) | {"samples": 3.0},
        recipe=method.recipe,
        seed=0,
        optim=TWO,
        batch=4,
    )
    config = replace(config, **changes)
    return replace(config, parts=versions(config.recipe))


def inputs_of(world: Any) -> dict[str, Any]:
    return {"base": world.base, "benchmark": world.benchmark, "imprint": world.imprint().outputs["adapter"]}


def unlearned(world: Any, config: UnlearnConfig) -> Any:
    inputs = inputs_of(world)
    return world.run(declared.UNLEARN, config, inputs | world.probes(config, inputs["imprint"]), force=True)


def in_the_cell(world: Any, config: UnlearnConfig) -> Any:
    """The same with every score computed on the spot, whatever files are given."""
    from vlmunl.methods import scores

    def on_the_spot(lab: Any, score: str, views: Any, samples: float) -> Any:
        return scores.measured(lab, scores.Probe(score, tuple(views)), samples)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("rules.masks", "edits.prune", "edits.dampen", "edits.fila"):
            patch.setattr(f"vlmunl.methods.{module}.probed", on_the_spot)
        return unlearned(world, config)


def test_these_are_all_methods_that_probe() -> None:
    found = {n for n in METHODS.builtin if probes_for(METHODS[n].recipe, METHODS[n].params, 0, Loading())}
    assert found == set(PROBING)


@pytest.mark.parametrize("name", [n if n in AT_ONCE else pytest.param(n, marks=pytest.mark.slow) for n in PROBING])
def test_stored_scores_give_the_bytes_that_scores_in_the_cell_give(world: Any, name: str) -> None:
    config = config_of(name)
    stored, computed = unlearned(world, config), in_the_cell(world, config)
    assert stored.outputs == computed.outputs
    assert stored.metrics == computed.metrics


@pytest.mark.parametrize("recipe", ["dora", "full"])
def test_they_do_so_however_the_training_is_attached(world: Any, recipe: str) -> None:
    """DoRA moves the last bit of the model that it is put around; the imprint has no such change."""
    config = config_of("salun", adapter=Adapter(recipe=recipe))  # type: ignore[arg-type]
    stored, computed = unlearned(world, config), in_the_cell(world, config)
    assert stored.metrics["masked_in"] == pytest.approx(computed.metrics["masked_in"])
    if recipe == "full":
        assert stored.outputs == computed.outputs


def test_a_sweep_probes_once(world: Any) -> None:
    """Over tau, rho and the learning rate; twice the same probe is a hit."""
    world.imprint()
    before = len(world.store.history("probe"))
    for name, key, values in (("mmunlearner", "tau", (0.5, 2.0)), ("iwap", "rho", (0.01, 0.03))):
        for optim in (TWO, replace(TWO, lr=2e-3)):
            for value in values:
                config = config_of(name, optim=optim)
                config = replace(config, params=dict(config.params) | {key: value, "samples": 2.0})
                given = world.probes(config, inputs_of(world)["imprint"])
                assert len(given) == (2 if name == "mmunlearner" else 4)
    assert len(world.store.history("probe")) == before + 6


def test_a_probe_writes_the_same_bytes_twice_and_only_what_was_asked(world: Any) -> None:
    from safetensors.torch import load_file

    where = Where(parts=("language",), modules=("down",))
    config = ProbeConfig(score="fisher", version=1, views=("forget",), where=where, samples=2.0, seed=0)
    first = world.run(declared.PROBE, config, inputs_of(world))
    again = world.run(declared.PROBE, config, inputs_of(world), force=True)
    assert first.outputs == again.outputs
    assert first.metrics["layers"] == 5
    found = load_file(world.store.path(first.outputs["scores"]))
    assert len(found) == 5
    assert all(t.dtype.is_floating_point and t.element_size() == 4 and bool((t >= 0).all()) for t in found.values())


def test_scores_that_are_missing_or_of_other_layers_are_refused(world: Any) -> None:
    config, inputs = config_of("ssd"), inputs_of(world)
    with pytest.raises(CellFailed, match=r"ssd chooses by probe\.fisher-forget\.3, scores of the imprint"):
        world.run(declared.UNLEARN, config, inputs)
    wide = replace(config, recipe=replace(config.recipe, where=Where(parts=("vision",))))
    strange = world.probes(wide, inputs["imprint"])
    with pytest.raises(CellFailed, match=r"the scores in .* are of another layer"):
        world.run(declared.UNLEARN, config, inputs | strange)
    text = dict.fromkeys(strange, world.imprint().outputs["curve"])
    with pytest.raises(CellFailed, match="there are no scores in"):
        world.run(declared.UNLEARN, config, inputs | text)


def test_a_probe_of_another_version_or_of_nobody_is_refused(world: Any) -> None:
    config = ProbeConfig(score="fisher", version=2, views=("forget",), seed=0)
    with pytest.raises(CellFailed, match="planned with other versions"):
        world.run(declared.PROBE, config, inputs_of(world))
    attention = Where(modules=("attention",))
    config = ProbeConfig(score="activations", version=1, views=("forget",), where=attention, seed=0)
    with pytest.raises(CellFailed, match="the probe activations of forget: activations finds no MLP"):
        world.run(declared.PROBE, config, inputs_of(world))


def test_a_probe_that_no_part_declares_is_refused(vlm: Any, benchmark_small: Any) -> None:
    from tests.methods.benches import lab_of
    from vlmunl.methods import scores

    lab = lab_of(vlm, benchmark_small, Recipe())
    lab.probes = {}
    with pytest.raises(MissingInput, match=r"tested needs probe\.fisher-unseen\.all, the scores fisher of unseen"):
        scores.probed(lab, "fisher", ("unseen",), 0)


@pytest.mark.parametrize("wrapper", ["offset", "gated"])
def test_the_bench_of_a_wrapper_is_probed_on_the_spot(world: Any, wrapper: str) -> None:
    """It has another model or other people than the imprint's scores are of."""
    recipe = Recipe(
        terms=(on("forget", "ga"), on("retain", "ce")),
        rules=(Rule(rule="mask_gradient", args={"share": 0.5, "samples": 2.0}),),
        infer=Wrapper(wrapper=wrapper),
    )
    config = config_of("ga", recipe=recipe)
    record = unlearned(world, config)
    assert record.metrics["steps"] >= 2
