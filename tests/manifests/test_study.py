"""Study files: what is read, what is refused and how it is told, and the cells that follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmunl.errors import StudyError, UsageError
from vlmunl.keys import digest_bytes
from vlmunl.manifests.load import load_study, parse_set
from vlmunl.manifests.plan import plan
from vlmunl.methods.known import METHODS
from vlmunl.stage import External, cell_key
from vlmunl.stages import configs as c
from vlmunl.stages import prompts
from vlmunl.store import Ref

REPO = Path(__file__).parents[2]
HEAD = '[study]\nname = "s"\nseeds = [0]\n[model]\nid = "tiny"\n'
BASE = External(ref=Ref.of(digest_bytes(b"base"), "tree"), path=Path("base"))


@pytest.fixture
def load(tmp_path):
    def read(text, *sets):
        path = tmp_path / "s.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_study(path, sets)

    return read


def test_defaults_are_those_of_the_configs(load):
    study = load(HEAD + "[methods.npo]\n")
    cells = plan(study, BASE).by_name
    assert cells["data"].config == c.DataConfig(wordings=prompts.wordings())
    assert cells["imprint/imprint/seed0"].config == c.ImprintConfig(role="imprint", seed=0)
    npo = cells["unlearn/npo/seed0"].config
    assert npo == c.UnlearnConfig(
        method="npo",
        version=METHODS["npo"].version,
        params=dict(METHODS["npo"].params),
        recipe=METHODS["npo"].recipe,
        parts={"loss ce": 1, "loss npo": 1},
        seed=0,
        optim=METHODS["npo"].optim,
        stop=METHODS["npo"].stop,
    )
    assert cells["aggregate"].config.gate == c.GatePolicy()
    assert cells["aggregate"].config.statistics == c.Statistics()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[methods.npo]\nlearning_rate = 1", "methods.npo.learning_rate: unknown key"),
        ("[methods.npo]\nbta = 1", "methods.npo.bta: unknown key; did you mean 'beta'?"),
        ("[methods.nop]", "methods.nop: unknown method; did you mean 'npo'?"),
        ("[methods.npo]\nlr = 0", "methods.npo.lr: 0.0 is out of range; use a number > 0"),
        ("[methods.npo]\nlr = nan", "methods.npo.lr: nan is not a finite number"),
        ('[methods.npo]\nlr = "fast"', "methods.npo.lr: expected a number, found the text 'fast'"),
        ("[methods.npo]\nsteps = 1.5", "methods.npo.steps: expected a whole number"),
        ("[methods.npo]\nsteps = true", "methods.npo.steps: expected a whole number, found true"),
        ('[methods.a]\nlike = "b"\n[methods.b]\nlike = "a"', "goes round in a circle"),
        ('[methods.gold]\nlike = "ga"', "'gold' is the name of a role"),
        ('[methods."../x"]\nlike = "ga"', "is not a name"),
        ("[methods.ga]\n[gat]\n", "gat: unknown section; did you mean 'gate'?"),
        ("[methods.ga]\n[gate]\nparaphrases = '5 of 4'", "gate.paraphrases: '5 of 4' cannot be met"),
        ("[methods.ga]\n[gate]\nmin_identities = 17", "gate.min_identities: 17 people are required"),
        ("[methods.ga]\n[benchmark]\nforget = 48", "benchmark.forget: 48 of 48"),
        (
            '[methods.ga]\n[routes]\nheld_out = ["few_shots"]',
            "routes.held_out[0]: unknown route family 'few_shots'; did",
        ),
        ('[methods.ga]\n[routes]\nexclude = ["rotat"]', "routes.exclude[0]: unknown route or family 'rotat'; did you"),
        ('[methods.ga]\n[evidence]\nexclude = [{cell="eval/ga/seed1", reason="x"}]', "did you mean 'eval/ga/seed0'"),
        ("[methods.ga]\n[[imprint.override]]\nseed = 3\nsteps = 1", "imprint.override[0].seed: seed 3 is not in"),
        ("[methods.ga]\n[[imprint.override]]\nseed = 0", "imprint.override[0]: changes nothing"),
        ("[methods]", "methods: no method is named"),
        ("", "methods: this section is missing"),
        ("[methods.ga]\n[methods.ga]", "not valid TOML"),
        (b"\xff", "line 6 is not UTF-8 text"),
    ],
)
def test_mistakes_name_file_key_and_remedy(load, text, words):
    with pytest.raises(StudyError) as caught:
        load(HEAD.encode() + text if isinstance(text, bytes) else HEAD + text)
    assert words in str(caught.value)
    assert "s.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="cannot be read: No such file"):
        load_study(tmp_path / "none.toml")


def test_set_overrides_and_is_blamed(load):
    study = load(HEAD + "[methods.npo]\n", "methods.npo.lr=0.5", "imprint.recipe=full", "study.seeds=[1, 2]")
    assert study.methods[0].optim.lr == 0.5
    assert study.imprint.recipe.recipe == "full"
    assert study.study.seeds == (1, 2)
    assert study.overrides == {"methods.npo.lr": 0.5, "imprint.recipe": "full", "study.seeds": [1, 2]}
    with pytest.raises(StudyError, match=r"methods.npo.lr: .* \(from --set methods.npo.lr\)"):
        load(HEAD + "[methods.npo]\n", "methods.npo.lr=-1")
    with pytest.raises(StudyError, match="cannot reach into"):
        load(HEAD + "[methods.npo]\n", "study.name.x=1")
    with pytest.raises(UsageError, match="not of the form"):
        load(HEAD + "[methods.npo]\n", "seeds=1")


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=1", 1), ("a.b = 2e-4", 2e-4), ("a.b=true", True), ("a.b=word", "word"), ('a.b="x=y"', "x=y"), ("a.b=", "")],
)
def test_set_values_are_toml_or_words(text, value):
    assert parse_set(text) == ("a.b", value)


def test_like_inherits_settings_but_no_label(load):
    text = '[methods.npo]\nlr = 1e-3\nlabel = "NPO"\nstop = { patience = 9 }\n'
    text += '[methods.npo_wide]\nlike = "npo"\nviews = "wide"\n'
    narrow, wide = load(HEAD + text).methods
    assert (wide.method, wide.optim.lr, wide.views, wide.label) == ("npo", 1e-3, "wide", "npo_wide")
    assert (narrow.label, narrow.views) == ("NPO", "narrow")
    assert wide.stop.patience == 9
    assert wide.stop.forget_nll == METHODS["npo"].stop.forget_nll


def test_held_out_families_change_wide_cells_only(load):
    text = '[methods.ga]\n[methods.ga_wide]\nlike = "ga"\nviews = "wide"\n'
    one = plan(load(HEAD + text), BASE).by_name
    two = plan(load(HEAD + text + '[routes]\nheld_out = ["few_shot"]\n'), BASE).by_name
    assert one["unlearn/ga/seed0"].config == two["unlearn/ga/seed0"].config
    assert two["unlearn/ga_wide/seed0"].config.held_out == ("few_shot",)
    assert one["eval/ga/seed0"].config == two["eval/ga/seed0"].config


def test_a_method_that_trains_on_a_held_out_family_is_refused_at_once(load):
    text = HEAD + '[methods.siu]\n[routes]\nheld_out = ["{}"]\n'
    with pytest.raises(StudyError, match=r"methods\.siu: trains on 'forget\.\w+', of the route family 'text_only'"):
        load(text.format("text_only"))
    load(text.format("choice"))


def test_an_override_changes_its_seed_and_roles_only(load):
    text = '[methods.ga]\n[[imprint.override]]\nseed = 0\nroles = ["imprint"]\nsteps = 3\n'
    cells = plan(load(HEAD + text), BASE).by_name
    assert cells["imprint/imprint/seed0"].config.optim.steps == 3
    assert cells["imprint/gold/seed0"].config.optim.steps == c.Optim().steps * 2 // 3


def test_gold_and_placebo_see_each_person_as_often_as_the_imprint_does(load):
    cells = plan(load(HEAD + "[methods.retrain]\n[imprint]\nsteps = 61\n[benchmark]\nforget = 12\n"), BASE).by_name
    steps = {name: cell.config.optim.steps for name, cell in cells.items() if name.startswith("imprint/")}
    assert steps["imprint/imprint/seed0"] == 61
    assert {steps["imprint/gold/seed0"], steps["imprint/placebo/seed0"]} == {46}  # 61 * 36 / 48, rounded up
    assert cells["unlearn/retrain/seed0"].config.lesson.optim.steps == 46


def test_cells_and_what_they_need(load):
    cells = plan(load(HEAD + "[methods.ga]\n[methods.retrain]\n"), BASE).by_name
    assert list(cells)[:2] == ["data", "eval/base"]
    assert list(cells)[-2:] == ["aggregate", "tables"]
    ga, again = cells["eval/ga/seed0"], cells["eval/retrain/seed0"]
    assert [ga.inputs[f"adapter{i}"].cell for i in (0, 1)] == ["imprint/imprint/seed0", "unlearn/ga/seed0"]
    assert again.inputs["adapter0"].cell == "unlearn/retrain/seed0"
    assert "adapter1" not in again.inputs
    assert "imprint" not in cells["unlearn/retrain/seed0"].inputs
    assert set(cells["eval/base"].inputs) == {"base", "benchmark"}
    assert cells["unlearn/retrain/seed0"].after_gate == "gate/seed0"
    seen: set[str] = set()
    for cell in cells.values():
        assert set(cell.needs) <= seen, f"{cell.name} stands before what it needs"
        seen.add(cell.name)
    assert len(cell_key(cells["data"].stage, cells["data"].config, {})) == 32


def test_routes_are_chosen_by_tier_name_and_family(load):
    everything = plan(load(HEAD + "[methods.ga]\n"), BASE)
    fewer = plan(load(HEAD + '[methods.ga]\n[routes]\nexclude = ["few_shot", "flip"]\n'), BASE)
    assert everything.routes[0] == "canonical"
    assert set(everything.routes) - set(fewer.routes) == {"flip", "few_shot", "few_shot_image"}
    assert everything.catalogue != fewer.catalogue


def test_the_studies_that_come_with_it():
    quick = load_study(REPO / "manifests" / "quick.toml")
    views = load_study(REPO / "manifests" / "views.toml")
    rows = ["finetune", "retrain", *(f"{m}{w}" for m in ("ga", "graddiff", "klmin", "npo") for w in ("", "_wide"))]
    assert [m.name for m in views.methods] == rows
    left_to_views = ("retrain", "ga_wide", "klmin_wide", "npo_wide")
    assert [m.name for m in quick.methods] == [r for r in rows if r not in left_to_views]
    assert {m.views for m in views.methods if m.name.endswith("_wide")} == {"wide"}
    assert (quick.benchmark.people, quick.benchmark.forget, quick.study.seeds) == (48, 16, (0,))
    assert quick.routes.held_out == ("corruption", "choice", "few_shot")
    weak = plan(load_study(REPO / "manifests" / "weak-imprint.toml"), BASE).by_name
    steps = [weak[f"imprint/imprint/seed{seed}"].config.optim.steps for seed in (0, 1)]
    assert steps[1] < steps[0] / 5
