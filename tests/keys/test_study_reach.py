"""Each key of a study file changes the run keys of exactly the cells that it can affect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.keys import pretend
from tests.keys.reach import FEW, MINE, OF_FILES, ONE_VALUE, REACH, RESULTS, SCORED, SEARCHED, STUDY, schema_keys
from vlmunl.errors import StudyError
from vlmunl.manifests import external
from vlmunl.manifests.external import outside
from vlmunl.manifests.known import known
from vlmunl.manifests.load import SECTIONS, load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.sections import CheckpointsSection
from vlmunl.methods import language, parts
from vlmunl.methods.known import METHODS
from vlmunl.methods.registry import Registry
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.stages.declared import STAGES

REPO = Path(__file__).parents[2]
PROBE = replace(CATALOGUE["canonical"], id="probe", tier="T1")
MORE = {"probe": PROBE, "further": replace(CATALOGUE["crop"], id="further")}  # the second is not of the core
NAMES = replace(known(), routes={**CATALOGUE, **MORE}, core=known().core | {"probe"})


@pytest.fixture(autouse=True)
def _probes(monkeypatch):
    """One more part of each kind, which says what its declaration says and has no code."""
    said = {"formula": "0", "source": "a test", "run": "nowhere:none"}
    more = {
        "LOSSES": [
            language.Loss(name="probe_pair", needs=("other",), **said),
            language.Loss(name="probe_oracle", needs=("oracle logits",), **said),
        ],
        "TRANSFORMS": [language.Transform(name="probe", **said)],
        **{
            kind: [language.Part(name="probe", args={"strength": 1.0}, **said)]
            for kind in ("RULES", "EDITS", "WRAPPERS")
        },
    }
    for kind, probes in more.items():
        registry = getattr(parts, kind)
        registered = Registry(registry.kind, registry.group, (*(registry[n] for n in registry.builtin), *probes))
        monkeypatch.setattr(parts, kind, registered)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(STUDY)
    return file


@pytest.fixture
def of(path):
    """The plan of the study with some `--set` options."""

    def made(*sets, **options):
        study = pretend.study(path, sets, NAMES)
        made = outside(replace(study, checkpoints=CheckpointsSection(), methods=()), REPO)
        given = replace(pretend.outside(study), source=made.source)
        return plan(study, pretend.BASE, NAMES, outside=given, **options)

    return made


def assert_reaches(before, after, patterns):
    expected = pretend.downstream(before, patterns) | pretend.downstream(after, patterns)
    excluded = {"eval/retrain/seed1"}  # has no key in either
    assert pretend.changed(pretend.keys(before), pretend.keys(after)) == expected - excluded


def test_every_key_of_the_schema_says_whom_it_reaches():
    lost, extra = schema_keys() - set(REACH) - set(OF_FILES) - ONE_VALUE, {*REACH, *OF_FILES} - schema_keys()
    assert not lost, f"say in tests/keys/reach.py which cells these keys reach: {sorted(lost)}"
    assert not extra, f"these are no keys of a study any more: {sorted(extra)}"
    assert {key.partition(".")[0] for key in schema_keys()} == set(SECTIONS)


@pytest.mark.parametrize("key", REACH)
def test_a_key_changes_exactly_the_cells_it_reaches(of, key):
    change, patterns = REACH[key]
    assert_reaches(of(), of(change), patterns)


@pytest.mark.parametrize("key", OF_FILES)
def test_a_key_of_a_benchmark_in_files_changes_exactly_the_cells_it_reaches(of, key):
    before, after, patterns = OF_FILES[key]
    assert_reaches(of(*before), of(*after), patterns)


def test_a_folders_content_counts_and_not_its_name(of, tmp_path):
    before = of(*OF_FILES["benchmark.path"][0])
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    table = (REPO / "tests/keys/people/people.jsonl").read_bytes()
    for data, reached in ((table, ()), (table.replace(b"baker", b"miller"), ("data",))):
        (copy / "people.jsonl").write_bytes(data)
        external._hashed.cache_clear()  # a folder is hashed once per process
        assert_reaches(before, of('benchmark.id="folder"', f'benchmark.path="{copy}"', *FEW), reached)


@pytest.mark.parametrize(("method", "setting"), [(m.name, p) for m in METHODS.values() for p in m.params])
def test_a_methods_own_setting_reaches_its_cells(of, method, setting):
    like = f'methods.npo_wide={{ like = "{method}" }}'
    value = METHODS[method].params[setting] + 1
    reached = ("unlearn/npo_wide/*", "probe/*") if setting == "samples" else ("unlearn/npo_wide/*",)
    assert_reaches(of(like), of(like, f"methods.npo_wide.{setting}={value}"), reached)


def test_a_recipe_in_the_study_is_the_same_run_as_the_declared_one_under_any_name(of):
    own = 'methods.NAME={ terms = [{ loss = "ga" }, { loss = "ce", view = "retain", weight = 4 }] }'
    keys = pretend.keys(of(own.replace("NAME", "one"), own.replace("NAME", "two").replace("4", "4.0")))
    assert keys["unlearn/one/seed0"] == keys["unlearn/two/seed0"]
    assert keys["unlearn/one/seed0"] != keys["unlearn/ga/seed0"]


def test_a_variant_of_an_own_method_follows_it(of):
    before, variant = of('methods.more={ like = "mine" }'), 'methods.more={ like = "mine", anchor = 3 }'
    assert_reaches(before, of('methods.more={ like = "mine" }', "methods.mine.lr=0.5"), (MINE, "unlearn/more/*"))
    assert_reaches(before, of(variant), ("unlearn/more/*",))


def test_a_parts_version_reaches_the_methods_that_name_it(of, monkeypatch):
    before = of()
    bumped = replace(parts.LOSSES["npo"], version=parts.LOSSES["npo"].version + 1)
    registered = [bumped if n == "npo" else parts.LOSSES[n] for n in parts.LOSSES.builtin]
    monkeypatch.setattr(parts, "LOSSES", Registry(language.Loss, "none", registered))
    assert_reaches(before, of(), ("unlearn/npo_wide/*", MINE))


def test_the_gold_model_is_an_input_only_of_methods_that_learn_from_it(of):
    plain, taught = of(), of('methods.mine.terms=[{ loss = "probe_oracle", weight = "anchor" }]')
    assert "gold" not in plain.by_name["unlearn/mine/seed0"].inputs
    assert taught.by_name["unlearn/mine/seed0"].inputs["gold"].cell == "imprint/gold/seed0"
    keys = [pretend.keys(taught, {"imprint/gold/seed0": text}) for text in ("one", "two")]
    moved = pretend.changed(*keys)
    assert "unlearn/mine/seed0" in moved
    assert not {name for name in moved if name.startswith("unlearn/") and "mine" not in name}


def test_a_new_method_adds_its_cells_and_moves_no_other(of):
    after = of('methods.more={ like = "ga", steps = 2 }')
    assert_reaches(of(), after, ("unlearn/more/*", RESULTS))
    twin = pretend.keys(of('methods.more={ like = "ga" }'))
    assert twin["unlearn/more/seed0"] == twin["unlearn/ga/seed0"], "equal settings are one run, whatever its name"


@pytest.mark.parametrize(
    "same",
    [
        'imprint.lr="4e-3"',  # a default written out
        "methods.ga.steps=60",
        "imprint.warmup=10",
        "imprint.clip=1",
        'gate.paraphrases=" 3 of 4 "',
        'routes.tiers=["T0"]',
        "imprint.augment=0.5",
        'study.title="t"',
    ],
)
def test_what_is_said_in_other_words_changes_nothing(of, same):
    assert pretend.keys(of(same.replace('"4e-3"', "0.004"))) == pretend.keys(of())


def test_settings_that_are_not_used_are_not_in_a_key(of):
    full = ('imprint.recipe="full"', 'unlearn.recipe="full"')
    ranks = ("imprint.rank=3", "imprint.alpha=5", "unlearn.rank=3", "unlearn.alpha=5")
    assert pretend.keys(of(*full, *ranks)) == pretend.keys(of(*full))


@pytest.mark.parametrize("setting", ["lr=1", "steps=1", "warmup=1", "clip=1", "batch=1", 'views="wide"', "stop={}"])
def test_a_setting_that_would_have_no_effect_is_refused(of, setting):
    with pytest.raises(StudyError, match=rf"methods.retrain.{setting.partition('=')[0]}: has no effect: .*imprint"):
        of(f"methods.retrain.{setting}")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_version_reaches_its_cells(of, stage):
    bumped = {**STAGES, stage: replace(STAGES[stage], version=STAGES[stage].version + 1)}
    before = of()
    own = {cell.name for cell in before.cells if cell.stage.name == stage}
    assert_reaches(before, of(stages=bumped), own)


def test_a_methods_version_reaches_its_cells(path):
    names = replace(NAMES, methods={**METHODS, "npo": replace(METHODS["npo"], version=METHODS["npo"].version + 1)})
    before, after = (plan(pretend.study(path, (), n), pretend.BASE, n) for n in (NAMES, names))
    assert_reaches(before, after, ("unlearn/npo_wide/*",))


@pytest.mark.parametrize("part", [{"ask": (1,)}, {"image": ("photo:1",)}, {"subject": "name"}, {"rewrite": ("shout",)}])
def test_a_routes_definition_reaches_every_scoring_and_the_results(path, part):
    names = replace(NAMES, routes={**NAMES.routes, "crop": replace(CATALOGUE["crop"], **part)})
    before, after = (plan(pretend.study(path, (), n), pretend.BASE, n) for n in (NAMES, names))
    assert_reaches(before, after, (SCORED, *SEARCHED, RESULTS))


def test_a_route_that_is_not_asked_reaches_nothing(path):
    names = replace(NAMES, routes={**NAMES.routes, "flip": replace(CATALOGUE["flip"], ask=(1,))})
    keys = [pretend.keys(plan(pretend.study(path, (), n), pretend.BASE, n)) for n in (NAMES, names)]
    assert keys[0] == keys[1]


def test_the_evidence_names_its_study_file_and_nothing_else_does(path):
    def keys():
        return pretend.keys(plan(load_study(path, (), NAMES), pretend.BASE, NAMES))

    before = keys()
    path.write_text(STUDY + "# a remark\n")
    assert pretend.changed(before, keys()) == {"aggregate", "tables"}
