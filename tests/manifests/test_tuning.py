"""`[tuning]`: which trials there are, which cells follow, and every way in which it could cheat or be unfair."""

from __future__ import annotations

import pytest

from tests.keys import pretend
from vlmunl.errors import StudyError
from vlmunl.manifests.checks import cell_names
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.run_manifest import document
from vlmunl.manifests.states import Board
from vlmunl.manifests.tuning import trials

HEAD = """
[study]
name = "s"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[methods.npo]
[methods.retrain]
[routes]
held_out = ["few_shot"]
"""
TUNED = (
    HEAD
    + """
[tuning]
people = 4
budget = 6
[tuning.grid.npo]
lr = [1e-3, 2e-3, 4e-3]
beta = [0.05, 0.2]
"""
)


@pytest.fixture
def study(tmp_path):
    def load(text=TUNED, *sets):
        path = tmp_path / "s.toml"
        path.write_text(text)
        return load_study(path, sets)

    return load


def planned(given):
    return plan(given, pretend.BASE)


def of(given, name="npo"):
    return trials(given.tuning, next(m for m in given.methods if m.name == name))


def test_a_grid_of_the_budgets_size_is_tried_whole_and_in_order(study):
    found = of(study())
    assert [t.settings for t in found] == [f"lr={lr} beta={b}" for lr in (0.001, 0.002, 0.004) for b in (0.05, 0.2)]
    assert [t.plan.optim.lr for t in found[::2]] == [1e-3, 2e-3, 4e-3]
    assert [t.plan.params["beta"] for t in found[:2]] == [0.05, 0.2]


def test_a_method_without_a_grid_has_one_trial_and_its_old_cells(study):
    given = study()
    assert [t.settings for t in of(given, "ga")] == ["as written"]
    names = planned(given).by_name
    assert "unlearn/ga/seed0" in names
    assert "select/ga/seed0" not in names


def test_a_larger_grid_is_sampled_alike_for_all_seeds_by_the_methods_name(study):
    small = study(TUNED, "tuning.budget=3")
    found = [t.settings for t in of(small)]
    assert len(set(found)) == 3
    assert found == sorted(found, key=[t.settings for t in of(study())].index)
    cells = planned(small).by_name
    for k in range(3):
        configs = [cells[f"unlearn/npo/seed{seed}/trial{k}"].config for seed in (0, 1)]
        assert configs[0].optim == configs[1].optim
    others = {tuple(t.settings for t in of(study(TUNED, "tuning.budget=3", f"tuning.seed={i}"))) for i in range(8)}
    assert len(others) > 1


def test_a_grid_too_large_to_list_is_sampled(study):
    keys = ("lr", "clip", "beta")
    huge = HEAD + "[tuning]\nbudget = 2\n[tuning.grid.npo]\n"
    huge += "\n".join(f"{key} = {[i / 1000 for i in range(1, 1001)]}" for key in keys)
    assert len(of(study(huge))) == 2


def test_the_cells_of_a_tuned_method(study):
    given = study(TUNED, "tuning.budget=2")
    made = planned(given)
    assert set(cell_names(given)) == {cell.name for cell in made.evidence}
    select = made.by_name["select/npo/seed1"]
    assert {name: (i.cell, i.output) for name, i in select.inputs.items()} == {
        "imprint": ("eval/imprint/seed1/tuning", "rows"),
        "gold": ("eval/gold/seed1/tuning", "rows"),
        **{f"adapter{k}": (f"unlearn/npo/seed1/trial{k}", "adapter") for k in range(2)},
        **{f"rows{k}": (f"eval/npo/seed1/trial{k}", "rows") for k in range(2)},
    }
    assert made.by_name["eval/npo/seed1"].inputs["adapter1"].cell == "select/npo/seed1"


def test_people_and_routes_of_selection_and_report_share_nothing(study):
    cells = planned(study()).by_name
    for cell in cells.values():
        if cell.stage.name in ("eval", "gate"):
            assert cell.config.tuning == 4
        if cell.stage.name == "eval":
            trial = "trial" in cell.name or cell.name.endswith("/tuning")
            assert (cell.config.side, cell.reported) == (("tuning", False) if trial else ("report", True))
            assert any(route.startswith("few_shot") for route in cell.config.routes) is not trial
    read = Board(planned(study()), pretend.Pretended())["aggregate"].inputs
    assert not [name for name in read if "trial" in name or name.endswith("/tuning")]


def test_a_trial_is_the_run_that_the_same_settings_make(study):
    tuned = pretend.keys(planned(study()))
    plain = pretend.keys(planned(study(HEAD, "methods.npo.lr=2e-3", "methods.npo.beta=0.2")))
    assert tuned["unlearn/npo/seed0/trial3"] == plain["unlearn/npo/seed0"]


def test_the_same_choice_by_another_rule_is_the_same_reported_evaluation(study):
    """Early cut-off: the reported evaluation has the key of the adapter that was chosen, however that was done."""
    wrote = {"select/npo/seed0": "the adapter"}
    keys = [pretend.keys(planned(study(TUNED, f"tuning.score={s}")), wrote) for s in ('"worst"', '"mean"')]
    assert keys[0]["select/npo/seed0"] != keys[1]["select/npo/seed0"]
    assert keys[0]["eval/npo/seed0"] == keys[1]["eval/npo/seed0"]
    assert keys[0]["eval/npo/seed1"] != keys[1]["eval/npo/seed1"]


def test_no_tuning_leaves_the_plan_as_it_was(study):
    made = planned(study(HEAD))
    assert not [cell for cell in made.cells if cell.stage.name == "select" or cell.name.count("/") > 2]
    assert made.by_name["aggregate"].config.tuning.people == 0


def test_the_results_are_told_the_number_of_trials(study):
    config = planned(study()).by_name["aggregate"].config
    assert {row.name: row.trials for row in config.rows if row.kind == "method"} == {"ga": 1, "npo": 6, "retrain": 1}
    assert config.tuning.families[0] == "canonical"
    assert "few_shot" not in config.tuning.families


def test_the_run_manifest_holds_every_trial(study):
    made = planned(study())
    board = Board(made, pretend.Pretended())
    told = document(made, {c.name: board[c.name] for c in made.evidence})
    assert sum("/trial" in cell["cell"] for cell in told["cells"]) == 2 * 2 * 6


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["tuning.grid.npo.gamma=[1.0]"], r"tuning\.grid\.npo\.gamma: unknown setting of npo"),
        (["tuning.grid.npo.label=[1.0]"], r"tuning\.grid\.npo\.label: unknown setting"),
        (["tuning.grid.npo.lr=[-1.0]"], r"tuning\.grid\.npo\.lr\[0\]: -1\.0 is out of range"),
        (["tuning.grid.npo.lr=0.1"], r"tuning\.grid\.npo\.lr: expected a list"),
        (["tuning.grid.npo.lr=[]"], r"tuning\.grid\.npo\.lr: expected a list of 1"),
        (["tuning.grid.npo.lr=[0.1, 0.1]"], r"tuning\.grid\.npo\.lr\[1\]: 0\.1 is listed twice"),
        (["tuning.grid.dpo.lr=[0.1]"], r"tuning\.grid\.dpo: unknown method of this study; .*known: ga, npo, retrain"),
        (["tuning.grid.retrain.lr=[0.1, 0.2]"], r"tuning\.grid\.retrain: 'retrain' follows \[imprint\]"),
        (
            ["methods.ssd={}", "tuning.grid.ssd.lr=[0.1, 0.2]"],
            r"tuning\.grid\.ssd\.lr: has no effect: 'ssd' does not train; try its own settings: alpha, floor, samples",
        ),
        (["tuning.grid.npo={}"], r"tuning\.grid\.npo: expected settings"),
        (["tuning.grid={}"], r"tuning\.grid: no method has a grid"),
        (["tuning.budget=7"], r"tuning\.grid\.npo: has 6 of 7 trials; add values, or lower tuning\.budget"),
        (["tuning.grid.ga.lr=[0.1, 0.2]"], r"tuning\.grid\.ga: has 2 of 6 trials"),
        (["tuning.budget=1"], r"tuning\.budget: 1 is out of range"),
        (["tuning.people=0"], r"tuning\.people: 0 is out of range"),
        (["tuning.people=16"], r"tuning\.people: 16 of 16 people to forget are for tuning"),
        (["tuning.people=9"], r"tuning\.people: 7 people are left to report, and gate\.min_identities wants 8"),
        (["benchmark.people=27"], r"tuning\.people: 11 people are kept, too few for 8 controls and 4 for tuning"),
        (['tuning.routes=["few_shot"]'], r"tuning\.routes\[0\]: 'few_shot' is held out"),
        (['tuning.routes=["telepathy"]'], r"tuning\.routes\[0\]: unknown route family 'telepathy'"),
        (['tuning.routes=["geometry", "geometry"]'], r"tuning\.routes\[1\]: 'geometry' is listed twice"),
        (['routes.exclude=["typo"]', 'tuning.routes=["typo"]'], r"tuning\.routes\[0\]: 'typo' has no route among"),
        (["routes.held_out=[]"], r"routes\.held_out: a study that tunes must hold a route family out"),
        (['tuning.score="best"'], r"tuning\.score: unknown value 'best'"),
        (["tuning.trials=3"], r"tuning\.trials: unknown key"),
    ],
)
def test_what_is_unfair_or_unknown_is_refused_at_its_key(study, sets, said):
    with pytest.raises(StudyError, match=said):
        study(TUNED, *sets)
