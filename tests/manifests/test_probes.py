"""Probes in a plan: one cell for each distinct score, shared by methods, trials and sweeps; and whom they reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.keys import pretend
from vlmunl.commands.session import chooser
from vlmunl.manifests.checks import cell_names
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.run_manifest import document
from vlmunl.manifests.states import Board
from vlmunl.methods import language, parts
from vlmunl.methods.registry import Registry
from vlmunl.stages.declared import STAGES

HEAD = """
[study]
name = "s"
seeds = [0, 1]
[model]
id = "base"
[routes]
held_out = ["few_shot"]
[methods.npo]
[methods.ssd]
[methods.iwap]
"""
SWEPT = (
    HEAD
    + """
[methods.salun]
[methods.less]
like = "ssd"
alpha = 2.0
[methods.more]
like = "ssd"
samples = 128
[methods.mine]
terms = [{ loss = "ga" }]
rules = [{ rule = "mask_fisher", tau = 2.0, samples = 64 }]
where = { parts = ["language"] }
[tuning]
people = 4
budget = 4
[tuning.grid.salun]
share = [0.25, 0.5]
samples = [32, 64]
"""
)
UNTOUCHED = HEAD.replace("[methods.ssd]\n[methods.iwap]\n", "")


@pytest.fixture
def of(tmp_path):
    def made(text=SWEPT, *sets, **options):
        path = tmp_path / "s.toml"
        path.write_text(text)
        return plan(pretend.study(path, sets), pretend.BASE, **options)

    return made


def probes(given, seed=0):
    return [c.name for c in given.cells if c.stage.name == "probe" and c.seed == seed]


def read_by(given, cell):
    return {name: i.cell for name, i in given.by_name[cell].inputs.items() if name.startswith("probe.")}


def test_a_probe_is_one_cell_whoever_asks_for_it(of):
    given = of()
    assert probes(given) == [
        "probe/fisher-forget/seed0",
        "probe/fisher-retain/seed0",
        "probe/gradient-forget/seed0",
        "probe/gradient-retain/seed0",
        "probe/gradient_size-forget/seed0",
        "probe/gradient_size-forget.2/seed0",
        "probe/fisher-forget.2/seed0",
        "probe/fisher-retain.2/seed0",
        "probe/fisher-forget.text-retain-retain.text/seed0",
    ]
    fisher = {f"probe.fisher-{view}.64": f"probe/fisher-{view}/seed0" for view in ("forget", "retain")}
    assert read_by(given, "unlearn/ssd/seed0") == read_by(given, "unlearn/less/seed0") == fisher
    assert read_by(given, "unlearn/iwap/seed0").items() > fisher.items()
    assert set(read_by(given, "unlearn/more/seed0")) == {"probe.fisher-forget.128", "probe.fisher-retain.128"}
    assert read_by(given, "unlearn/mine/seed0")["probe.fisher-forget.64"] == "probe/fisher-forget/seed0"
    trials = [read_by(given, f"unlearn/salun/seed0/trial{k}") for k in range(4)]
    assert trials[0] == trials[2] != trials[1] == trials[3]
    assert read_by(given, "unlearn/npo/seed0") == {}


def test_probes_stand_between_the_gate_and_what_reads_them(of):
    given = of()
    place = {cell.name: i for i, cell in enumerate(given.cells)}
    assert all(place[above] < place[cell.name] for cell in given.cells for above in cell.needs)
    for name in probes(given):
        cell = given.by_name[name]
        assert (cell.row, cell.after_gate, cell.reported) == (None, "gate/seed0", False)
        assert {n: getattr(i, "cell", None) for n, i in cell.inputs.items()} == {
            "base": None, "benchmark": "data", "imprint": "imprint/imprint/seed0"
        }  # fmt: skip


def test_their_names_are_known_before_the_plan_and_they_are_no_rows(of, tmp_path):
    given = of()
    assert set(cell_names(given.study)) == {cell.name for cell in given.evidence}
    assert not {row.name for row in given.by_name["aggregate"].config.rows} & set(probes(given))
    board = Board(given, pretend.Pretended())
    listed = {cell["cell"] for cell in document(given, board.states)["cells"]}
    assert set(probes(given)) <= listed
    assert not [name for name in board["aggregate"].inputs or () if name.startswith("probe")]
    path = tmp_path / "excluded.toml"
    path.write_text(SWEPT + '[evidence]\nexclude = [{ cell = "probe/fisher-forget/seed1", reason = "why not" }]\n')
    states = Board(plan(load_study(path), pretend.BASE), pretend.Pretended()).states
    assert states["unlearn/ssd/seed1"].status == states["eval/iwap/seed1"].status == "excluded"
    assert states["unlearn/ssd/seed0"].status == states["unlearn/npo/seed1"].status == "verified"


def test_a_sweep_leaves_probes_alone_and_a_probe_reaches_its_readers(of):
    keys = pretend.keys(of())
    swept = pretend.keys(of(SWEPT, "methods.less.alpha=5", "methods.mine.lr=0.5", "methods.ssd.floor=0.5"))
    assert not [name for name in pretend.changed(keys, swept) if name.startswith("probe/")]
    bumped = {**STAGES, "probe": replace(STAGES["probe"], version=2)}
    given = of(stages=bumped)
    assert pretend.changed(keys, pretend.keys(given)) == pretend.downstream(given, ("probe/*",)) | {
        "aggregate",
        "tables",
    }


def test_other_methods_keep_their_keys(of):
    """A method that chooses by no score has the key it has in a study without any."""
    alone, beside = pretend.keys(of(UNTOUCHED)), pretend.keys(of(HEAD))
    assert {name for name in alone if alone[name] != beside[name]} == {"aggregate", "tables"}


@pytest.mark.parametrize(("kind", "name"), [("SCORES", "fisher"), ("TRANSFORMS", "text")])
def test_the_version_of_a_score_or_a_transform_reaches_the_probes_that_use_it(of, monkeypatch, kind, name):
    before, registry = of(), getattr(parts, kind)
    changed = [replace(p, version=p.version + 1) if p.name == name else p for p in map(registry.get, registry.builtin)]
    monkeypatch.setattr(parts, kind, Registry(registry.kind, "none", changed))
    moved = pretend.changed(pretend.keys(before), pretend.keys(of()))
    own = {n for n in probes(before) if (name in n if kind == "SCORES" else ".text" in n)}
    assert {n for n in moved if n.startswith("probe/") and n.endswith("seed0")} == own
    assert "unlearn/mine/seed0" in moved
    assert "unlearn/salun/seed0/trial0" not in moved


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        ('where = { parts = ["language"], modules = ["mlp"] }', True),
        ('where = { parts = ["language"] }\nviews = "wide"', False),
        ('where = { parts = ["language"] }\nsteps = 3', False),
    ],
)
def test_layers_are_probed_apart_and_how_one_trains_is_not(of, change, reached):
    own = SWEPT.replace('where = { parts = ["language"] }', change)
    mine = [read_by(of(text), "unlearn/mine/seed0")["probe.fisher-forget.64"] for text in (SWEPT, own)]
    assert (mine[0] != mine[1]) is reached


def test_an_unknown_score_is_refused(monkeypatch):
    part = language.Part(
        name="odd", formula="0", source="a test", run="nowhere:none", probes=(language.Probe("none", ("forget",)),)
    )
    monkeypatch.setattr(parts, "EDITS", Registry(language.Part, "none", [part]))
    with pytest.raises(Exception, match="score 'none' is not known"):
        parts.probes_of(language.Recipe(before=(language.Edit(edit="odd"),)), {})


def test_rows_that_are_chosen_bring_their_probes_and_no_others(of):
    given = of()
    chosen = chooser(given, rows=["less"], seeds=[0])
    assert [c.name for c in given.cells if c.stage.name == "probe" and chosen(c)] == [
        "probe/fisher-forget/seed0", "probe/fisher-retain/seed0"
    ]  # fmt: skip
    assert chosen(given.by_name["data"])
    assert all(chooser(given)(cell) for cell in given.cells)
