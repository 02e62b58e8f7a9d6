"""`[attacker]`: which cells it adds, what they are given, and what it refuses; without it nothing is different."""

from __future__ import annotations

import pytest

from tests.keys import pretend
from vlmunl.errors import StudyError
from vlmunl.manifests.checks import cell_names
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.routes.catalogue import CATALOGUE, CORE, catalogue_hash

HEAD = """
[study]
name = "s"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[methods.retrain]
[tuning]
people = 4
"""
ATTACKED = HEAD + "[attacker]\nbudget = 9\nfamilies = ['cloze', 'geometry']\n"


@pytest.fixture
def study(tmp_path):
    def load(text=ATTACKED, *sets):
        path = tmp_path / "s.toml"
        path.write_text(text)
        return load_study(path, sets)

    return load


def planned(given):
    return plan(given, pretend.BASE)


def test_a_cell_for_each_method_and_one_for_what_they_share(study):
    made = planned(study())
    searches = {c.name for c in made.cells if c.stage.name in ("scout", "search")}
    assert searches == {f"{what}/seed{s}" for s in (0, 1) for what in ("scout", "search/ga", "search/retrain")}
    assert set(cell_names(study())) == {c.name for c in made.evidence}
    assert [c.name for c in made.cells if c.reported and c.stage.name in ("scout", "search")] == [
        f"search/{m}/seed{s}" for s in (0, 1) for m in ("ga", "retrain")
    ]


def test_a_search_is_given_the_models_and_the_scouts_rows(study):
    cells = planned(study()).by_name
    found = {name: getattr(source, "cell", None) for name, source in cells["search/ga/seed1"].inputs.items()}
    assert found == {
        "base": None,
        "benchmark": "data",
        "scout": "scout/seed1",
        "imprint": "imprint/imprint/seed1",
        "gold": "imprint/gold/seed1",
        "placebo": "imprint/placebo/seed1",
        "adapter0": "imprint/imprint/seed1",
        "adapter1": "unlearn/ga/seed1",
    }
    assert cells["search/ga/seed1"].after_gate == cells["scout/seed1"].after_gate == "gate/seed1"
    alone = cells["search/retrain/seed0"].inputs
    assert (alone["adapter0"].cell, "adapter1" in alone) == ("unlearn/retrain/seed0", False)


def test_the_parts_are_the_studys_routes_of_the_allowed_families(study):
    config = planned(study()).by_name["search/ga/seed0"].config
    wanted = tuple(r.id for r in CATALOGUE.values() if r.id in CORE and r.family in ("cloze", "geometry"))
    assert config.routes == wanted
    assert config.catalogue == catalogue_hash(CATALOGUE[name] for name in wanted)
    assert (config.budget, config.tuning, config.floor) == (9, 4, 0.2)
    held_out = study(ATTACKED, 'routes.held_out=["geometry"]')
    assert planned(held_out).by_name["search/ga/seed0"].config.routes == wanted


def test_the_same_study_without_it_has_the_same_other_cells(study):
    plain, attacked = (pretend.keys(planned(study(text))) for text in (HEAD, ATTACKED))
    more = {name for name in attacked if name.startswith(("scout/", "search/"))}
    assert pretend.changed(plain, attacked) == more | {"aggregate", "tables"}


def test_setting_people_aside_tunes_nothing(study):
    cells = planned(study(HEAD)).by_name
    assert not [name for name in cells if "tuning" in name or "select" in name or "trial" in name]
    assert cells["eval/ga/seed0"].config.tuning == cells["gate/seed0"].config.tuning == 4
    assert cells["aggregate"].config.tuning.families == ()


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["attacker.budget=1"], r"attacker\.budget: 1 is out of range"),
        (["attacker.tries=3"], r"attacker\.tries: unknown key"),
        (['attacker.families=["cloxe"]'], r"attacker\.families\[0\]: unknown route family 'cloxe'; did you mean"),
        (['attacker.families=["cloze", "cloze"]'], r"attacker\.families\[1\]: 'cloze' is listed twice"),
        (['routes.exclude=["cloze"]'], r"attacker\.families\[0\]: 'cloze' has no T0 route among the chosen ones"),
        (["tuning.people=16"], r"tuning\.people: 16 of 16 people"),
        (["attacker=3"], r"attacker: expected a table"),
    ],
)
def test_what_cannot_be_meant_is_refused(study, sets, said):
    with pytest.raises(StudyError, match=said):
        study(ATTACKED, *sets) if sets != ["attacker=3"] else study(HEAD.replace("[study]", "attacker = 3\n[study]", 1))


def test_there_must_be_somebody_to_search_on(study):
    with pytest.raises(StudyError, match=r"attacker: an attacker searches on people who are in no figure"):
        study(ATTACKED.replace("[tuning]\npeople = 4\n", ""))
