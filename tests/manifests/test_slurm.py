"""`[slurm]`: what a job of each stage asks for, and what the table may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmunl.errors import StudyError
from vlmunl.keys import digest_bytes
from vlmunl.manifests.cells import STAGES_OF
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.manifests.slurm import LIGHT, own_option, seconds
from vlmunl.stage import External
from vlmunl.stages.declared import STAGES
from vlmunl.store import Ref

HEAD = '[study]\nname = "s"\nseeds = [0]\n[model]\nid = "tiny"\n[methods.npo]\n'


@pytest.fixture
def load(tmp_path):
    def read(text, *sets):
        path = tmp_path / "s.toml"
        path.write_text(HEAD + text)
        return load_study(path, sets)

    return read


def test_every_stage_has_a_command_and_asks_for_something(load):
    study = load("")
    kinds = {name for stages in STAGES_OF.values() for name in stages}
    assert kinds == set(STAGES) - {"checkpoint", "chance"}, "these two stand in the place of others"
    for kind in kinds:
        ask = study.slurm.of(kind)
        assert ask.cpus >= 1
        assert ask.gpus == 0
        assert ask.warning == 120


def test_sizes_are_those_of_stages_with_a_model_and_all_else_is_every_stages(load):
    section = load('[slurm]\npartition = "gpu"\ngpus = 2\ncpus = 9\nmemory = "64G"\ntime = "2-00:00:00"\n').slurm
    for kind in ("imprint", "gate", "probe", "unlearn", "eval", "attack", "scout", "search"):
        ask = section.of(kind)
        assert (ask.gpus, ask.cpus, ask.memory, ask.time) == (2, 9, "64G", "2-00:00:00"), kind
    for kind in LIGHT:
        ask = section.of(kind)
        assert (ask.gpus, ask.partition) == (0, "gpu"), kind
        assert ask.cpus <= 2, kind


def test_a_stages_own_table_wins(load):
    section = load(
        '[slurm]\ntime = "01:00:00"\nextra = ["--exclude=a"]\nsetup = ["module load x"]\n'
        '[slurm.unlearn]\ntime = "08:00:00"\nextra = []\n[slurm.tables]\ngpus = 1\n[slurm.attack]\nqos = "long"\n'
    ).slurm
    assert (section.of("unlearn").time, section.of("unlearn").extra) == ("08:00:00", ())
    assert section.of("unlearn").setup == ("module load x",)
    assert (section.of("eval").time, section.of("eval").extra) == ("01:00:00", ("--exclude=a",))
    assert section.of("tables").gpus == 1
    assert section.of("search").qos == "long"


def test_nothing_of_it_reaches_a_cell_of_evidence(load):
    base = External(ref=Ref.of(digest_bytes(b"base"), "tree"), path=Path("base"))
    plans = [plan(load(text), base) for text in ("", '[slurm]\ngpus = 1\n[slurm.eval]\ntime = "10"\n')]
    assert [(c.name, c.config, c.inputs) for c in plans[0].cells] == [
        (c.name, c.config, c.inputs) for c in plans[1].cells
    ]


@pytest.mark.parametrize("time", ["30", "30:00", "08:00:00", "2-0", "2-12:30", "2-12:30:00"])
def test_times_that_slurm_reads(load, time):
    assert load(f'[slurm]\ntime = "{time}"\n').slurm.of("eval").time == time


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[slurm]\ntime = "8 hours"', "slurm.time: .* is not a time such as '08:00:00'"),
        ('[slurm]\nmemory = "16 GB"', "slurm.memory: .* is not an amount of memory such as '16G'"),
        ('[slurm]\npartition = "a b"', "slurm.partition: .* is not one word"),
        ("[slurm]\ncpus = 0", "slurm.cpus: 0 is out of range"),
        ("[slurm]\nwarning = 70000", "slurm.warning: 70000 is out of range"),
        ('[slurm]\nextra = ["exclude=a"]', "slurm.extra.0.: .* is not an option of sbatch"),
        ('[slurm]\nextra = ["--exclude=a\\n#SBATCH x"]', "slurm.extra.0."),
        ('[slurm]\nsetup = ["a\\nb"]', "slurm.setup.0.: .* is not one line of shell"),
        ('[slurm]\nextra = ["--nice", "--array=1-9"]', "slurm.extra.1.: --array is set by vlmunl submit"),
        ('[slurm.gate]\nextra = ["-o x"]', "slurm.gate.extra.0.: --output is set by vlmunl submit"),
        ("[slurm.gates]\ncpus = 1", "slurm.gates: unknown key; did you mean 'gate'"),
        ("[slurm.gate]\ngpu = 1", "slurm.gate.gpu: unknown key; did you mean 'gpus'"),
    ],
)
def test_what_it_may_not_say(load, text, words):
    with pytest.raises(StudyError, match=words):
        load(text)


@pytest.mark.parametrize(
    ("directive", "option"),
    [
        ("--output=x", "output"),
        ("-J name", "job-name"),
        ("-d afterok:1", "dependency"),
        ("--exclude=node7", None),
        ("-N 1", None),
        ("--outputs", None),
    ],
)
def test_options_that_submitting_sets_itself(directive, option):
    assert own_option(directive) == option


@pytest.mark.parametrize(
    ("time", "long"),
    [("30", 1800), ("1:30", 90), ("01:02:03", 3723), ("2-12", 216000), ("1-01:01", 90060), ("1-00:00:01", 86401)],
)
def test_times_are_read_as_sbatch_reads_them(time, long):
    assert seconds(time) == long


def test_a_limit_is_longer_than_the_warning_before_it(load):
    """Else the warning would come before anything can have been done."""
    with pytest.raises(
        StudyError, match=r"slurm\.unlearn\.time: 00:02:00 is no longer than the warning before it, 120 s"
    ):
        load('[slurm.unlearn]\ntime = "00:02:00"\n')
    assert load('[slurm]\nwarning = 30\n[slurm.unlearn]\ntime = "00:02:00"\n').slurm.of("unlearn").warning == 30
