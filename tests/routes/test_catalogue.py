"""The catalogue as a whole: names, families, hash, compositions, and its page."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from vlmunl.errors import StudyError
from vlmunl.routes.catalogue import CATALOGUE, CORE, Route, catalogue_hash
from vlmunl.routes.compose import compose

BUILT_IN = list(CATALOGUE.own.values())
OTHER = {str: "other", int: 9, tuple: ("9",)}


def test_names_are_unique_and_the_core_is_among_them() -> None:
    assert len({r.id for r in BUILT_IN}) == len(BUILT_IN)
    assert len({r.description for r in BUILT_IN}) == len(BUILT_IN)
    assert set(CATALOGUE.builtin) >= CORE
    assert BUILT_IN[0].id == "canonical"


def test_every_route_says_what_it_is_and_where_it_is_from() -> None:
    for route in BUILT_IN:
        assert route.description
        assert route.source, route.id
        assert route.budget >= 1


def test_a_family_is_of_one_kind() -> None:
    """Families are held out of training as wholes: none may mix routes that only change the picture with others."""
    for family in {r.family for r in BUILT_IN} - {"composition"}:
        kinds = Counter(r.modality == "visual" for r in BUILT_IN if r.family == family)
        assert len(kinds) == 1, family


def test_the_hash_covers_every_field_and_not_the_order() -> None:
    routes = list(BUILT_IN)
    whole = catalogue_hash(routes)
    assert catalogue_hash(reversed(routes)) == whole
    assert catalogue_hash(routes[1:]) != whole
    for field in fields(Route):
        value = getattr(routes[3], field.name)
        changed = replace(routes[3], **{field.name: OTHER[type(value)]})
        assert catalogue_hash([*routes[:3], changed, *routes[4:]]) != whole, field.name


def test_a_composition_is_the_picture_of_one_and_the_question_of_the_other() -> None:
    crop, noise, cloze = CATALOGUE["crop_corners"], CATALOGUE["noise"], CATALOGUE["cloze"]
    made = compose(crop, cloze)
    assert made.id == "crop_corners+cloze"
    assert (made.image, made.ask, made.format) == (crop.image, cloze.ask, "cloze")
    assert made.budget == crop.budget * cloze.budget == 8
    assert made.mixes == ("geometry", "cloze")
    assert made.family == "composition"
    assert compose(noise, CATALOGUE["choice"]).leak == CATALOGUE["choice"].leak
    assert compose(CATALOGUE["collage_top_left"], CATALOGUE["typo"]).subject == "placed:top left"


@pytest.mark.parametrize(
    ("visual", "textual", "why"),
    [
        ("typo", "crop", "typo is not the training question with another picture"),
        ("canonical", "typo", "canonical is not the training question with another picture"),
        ("crop", "flip", "flip does not show the training photo as it is"),
        ("crop", "text_only", "text_only does not show the training photo as it is"),
        ("crop", "canonical", "canonical asks the training question"),
        ("null_image", "typo", "null_image is not the training question with another picture"),
        ("collage_top_left", "subject", "both say otherwise whom they ask about"),
        ("crop+typo", "para_4", "crop+typo is a composition already"),
        ("name_page", "typo", "name_page does not show the person"),
    ],
)
def test_what_makes_no_sense_is_refused(visual: str, textual: str, why: str) -> None:
    with pytest.raises(StudyError, match="cannot be composed") as refused:
        compose(CATALOGUE[visual], CATALOGUE[textual])
    assert why in refused.value.message
    assert "VISUAL" in refused.value.hint


@pytest.mark.parametrize("part", [{"tier": "T1", "decoding": "sample:8:1.0"}, {"attack": "prune:0.1"}])
def test_only_greedy_black_box_routes_compose(part: dict[str, str]) -> None:
    drawn = replace(CATALOGUE["typo"], **part)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="T0, greedy"):
        compose(CATALOGUE["crop"], drawn)


@pytest.mark.model
def test_every_pair_is_composed_or_refused_and_what_is_composed_can_be_asked(benchmark_small: object) -> None:
    from vlmunl.benchmarks.schema import Benchmark
    from vlmunl.routes.pictures import Pictures
    from vlmunl.routes.questions import questions

    assert isinstance(benchmark_small, Benchmark)
    made = []
    for visual in BUILT_IN:
        for textual in BUILT_IN:
            try:
                made.append(compose(visual, textual))
            except StudyError:
                continue
    assert 1000 < len(made) < len(BUILT_IN) ** 2 / 2
    assert {m.id for m in made} >= {r.id for r in BUILT_IN if r.mixes}
    person, pictures = benchmark_small.forget[0], Pictures(benchmark_small.retain)
    for route in made[::40]:
        first = next(questions(route, person, benchmark_small.retain))
        assert pictures.of(person, first.image) is not None


def test_tuning_sees_no_composition_of_what_is_held_out() -> None:
    from vlmunl.manifests.tuning import tuning_routes

    routes = SimpleNamespace(held_out=("choice", "corruption"))
    study = SimpleNamespace(tuning=SimpleNamespace(routes=()), routes=routes)
    kept = {r.id for r in tuning_routes(study, tuple(BUILT_IN))}  # type: ignore[arg-type]
    assert "crop+typo" in kept
    assert not kept & {"new_photo+choice", "jpeg+few_shot_image", "choice", "noise_2"}


def test_reading_the_catalogue_loads_nothing_heavy() -> None:
    code = (
        "import sys; import vlmunl.routes.catalogue, vlmunl.routes.compose, vlmunl.routes.markdown\n"
        "bad = {'torch', 'PIL', 'numpy', 'transformers'} & set(sys.modules)\nassert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_in_docs_is_current() -> None:
    from vlmunl.routes.markdown import page

    text = (Path(__file__).parents[2] / "docs" / "routes.md").read_text()
    assert text == page(BUILT_IN), "write it anew: vlmunl routes --markdown > docs/routes.md"
