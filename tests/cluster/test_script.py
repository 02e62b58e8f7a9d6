"""The scripts of jobs, as text and as bash reads them; and the command lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vlmunl.cluster.groups import Group, Upstream
from vlmunl.cluster.sbatch import environment, wrapper
from vlmunl.cluster.script import Setting, command, dependencies, text
from vlmunl.manifests.slurm import Resources

SETTING = Setting(
    study="quick",
    submission="20260102-030405-abcd",
    folder=Path("/s/slurm/quick/20260102-030405-abcd"),
    workspace=Path("/w"),
    store=Path("/s"),
)
ARRAY = Group(
    name="unlearn-seed0",
    stage="unlearn",
    command="unlearn",
    seed=0,
    cells=((0, "unlearn/ga/seed0"), (2, "unlearn/npo/seed0")),
    ok=(Upstream("gate-seed0", None), Upstream("71", 3)),
    corr=("probe-seed0",),
)
ASK = Resources(
    cpus=4,
    memory="16G",
    time="04:00:00",
    partition="gpu",
    account="ours",
    constraint="a100|h100",
    gpus=1,
    extra=("--exclude=node7",),
    setup=("module load cuda", "source ~/env/bin/activate"),
    parallel=8,
)
GOLDEN = """#!/bin/bash
#SBATCH --job-name=vlmunl-quick-unlearn-seed0
#SBATCH --comment=vlmunl:20260102-030405-abcd:unlearn-seed0
#SBATCH --output=logs/unlearn-seed0-%A_%a.out
#SBATCH --open-mode=append
#SBATCH --array=0,2%8
#SBATCH --partition=gpu
#SBATCH --account=ours
#SBATCH --constraint='a100|h100'
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --gres=gpu:1
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --exclude=node7
set -eo pipefail
trap '' USR1
export VLMUNL_WORKSPACE=/w
export VLMUNL_STORE=/s

module load cuda
source ~/env/bin/activate

case $SLURM_ARRAY_TASK_ID in
  0) cell=unlearn/ga/seed0 ;;
  2) cell=unlearn/npo/seed0 ;;
  *) echo "no cell has the index $SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;
esac
cd -- /s/slurm/quick/20260102-030405-abcd
exec bash commands/unlearn.sbatch /s/slurm/quick/20260102-030405-abcd/study.toml --only "$cell"
"""


def test_the_script_of_an_array():
    assert text(ARRAY, SETTING, ASK) == GOLDEN


def test_the_command_line_and_what_it_waits_for():
    numbers = {"gate-seed0": "12", "probe-seed0": "13"}
    assert dependencies(ARRAY, numbers) == ("afterok:12:71_3", "aftercorr:13")
    assert command(ARRAY, SETTING, numbers) == [
        "sbatch",
        "--parsable",
        "--kill-on-invalid-dep=yes",
        "--dependency=afterok:12:71_3,aftercorr:13",
        "--chdir=/s/slurm/quick/20260102-030405-abcd",
        "/s/slurm/quick/20260102-030405-abcd/unlearn-seed0.sbatch",
    ]


@pytest.mark.parametrize("name", ["plain", "with blanks", "it's", 'a "b" $HOME `x`', "100%"])
def test_any_path_and_any_setting_arrives_as_it_is(tmp_path, name):
    """Through the script and the wrapper to the program, signals and exit code included."""
    folder, workspace = tmp_path / name / "sub", tmp_path / name / "work"
    (folder / "commands").mkdir(parents=True)
    workspace.mkdir()
    (folder / "commands" / "unlearn.sbatch").write_bytes(wrapper("unlearn", workspace).read_bytes())
    program = tmp_path / name / "program"
    program.write_text('#!/bin/bash\nprintf "%s\\n" "$PWD" "$VLMUNL_STORE" "$OMP_NUM_THREADS" "$@" $$\nexit 3\n')
    program.chmod(0o755)
    sets = ("methods.npo.lr=3e-4", "study.title=\"what is 'this'\"")
    setting = Setting(
        study="quick",
        submission="x",
        folder=folder,
        workspace=workspace,
        store=tmp_path / name,
        sets=sets,
        program=str(program),
    )
    script = tmp_path / "job"
    script.write_text(text(ARRAY, setting, Resources(cpus=2, memory="1G", time="10")))
    env = {"PATH": "/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_PER_TASK": "2"}
    started = subprocess.Popen(["bash", script], env=env, stdout=subprocess.PIPE, text=True, cwd="/")
    lines = started.communicate()[0].splitlines()
    assert started.returncode == 3
    assert lines.pop() == str(started.pid), "one process from the batch shell to the program"
    assert lines[:3] == [str(workspace), str(tmp_path / name), "2"]
    given = [part for value in sets for part in ("--set", value)]
    assert lines[3:] == ["unlearn", str(folder / "study.toml"), *given, "--only", "unlearn/npo/seed0"]


def test_an_index_without_a_cell_does_nothing(tmp_path):
    script = tmp_path / "job"
    script.write_text(text(ARRAY, SETTING, Resources(cpus=2, memory="1G", time="10")))
    done = subprocess.run(["bash", script], env={"SLURM_ARRAY_TASK_ID": "1"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "no cell has the index 1\n")


def test_the_submitters_own_job_and_taste_are_kept_from_the_new_one():
    given = {"SLURM_ARRAY_TASK_ID": "3", "SBATCH_JOB_NAME": "x", "SBATCH_PARTITION": "gpu", "SLURM_CONF": "c", "A": "b"}
    assert environment(given) == {"SBATCH_PARTITION": "gpu", "SLURM_CONF": "c", "A": "b"}


def test_the_workspaces_wrapper_comes_first(tmp_path):
    assert wrapper("gate", tmp_path).parent.name == "wrappers"
    own = tmp_path / "commands" / "gate.sbatch"
    own.parent.mkdir()
    own.touch()
    assert wrapper("gate", tmp_path) == own
