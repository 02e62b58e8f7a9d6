"""Jobs on a real Slurm: arrays of many cells, the wrappers by hand, paths, GPUs, and a study on the embedded model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.slurm.world import ROOT, World, paths, toy_world

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def stub(world: World, text: str) -> Path:
    """Let jobs start a script in the place of vlmunl; returns the file that it appends to, one line at a time."""
    log = world.root / "stub.txt"
    program = Path(world.env["VLMUNL"])
    program.write_text(f'#!/bin/bash\nline="{text}"\necho "$line" >> "{log}"\n')
    return log


def test_hundreds_of_cells_are_a_few_arrays(world):
    """274 cells, of which 250 in arrays: each is done once, by its command, after what it needs."""
    methods = "".join(f'[methods.m{k}]\nlike = "npo"\n' for k in range(10))
    text = (world.root / "manifests" / "toy.toml").read_text()
    text = text.replace("seeds = [0, 1]", f"seeds = {list(range(10))}").replace(
        "[methods.ga]\n[methods.npo]\n", methods
    )
    (world.root / "manifests" / "toy.toml").write_text(text.replace("[slurm]", "[slurm]\nparallel = 3"))
    log = stub(world, "$1 ${@: -1}")
    document = world.json("submit", "toy")
    arrays = [job for job in document["jobs"] if job["tasks"][0]["index"] is not None]
    assert sum(len(job["tasks"]) for job in document["jobs"]) == 274
    assert sum(len(job["tasks"]) for job in arrays) == 250
    assert len(document["jobs"]) == 10 * 6 + 4
    many = next(job for job in arrays if job["stage"] == "unlearn")
    assert world.cluster.show(many["id"])["ArrayTaskThrottle"] == "3"
    seen = world.cluster.wait(timeout=300)
    assert {state.state for state in seen.values()} == {"COMPLETED"}
    done = [line.split() for line in log.read_text().splitlines()]
    command = {task["cell"]: job["stage"] for job in document["jobs"] for task in job["tasks"]} | {"data": "imprint"}
    assert sorted(done) == sorted([command[cell], cell] for cell in command)
    at = {cell: i for i, (_, cell) in enumerate(done)}
    for seed in range(10):
        assert at["data"] < at[f"imprint/gold/seed{seed}"] < at[f"gate/seed{seed}"]
        for k in range(10):
            assert at[f"gate/seed{seed}"] < at[f"unlearn/m{k}/seed{seed}"] < at[f"eval/m{k}/seed{seed}"]
    assert [cell for _, cell in done[-2:]] == ["aggregate", "tables"]


def test_a_job_is_told_its_gpu_and_light_stages_have_none(world):
    log = stub(world, "${@: -1} ${CUDA_VISIBLE_DEVICES:-none} $OMP_NUM_THREADS")
    world.submit("--set", "slurm.gpus=1", "--set", "slurm.cpus=2", "--seed", "0", "--only", "data", "--only", "imprint")
    world.cluster.wait()
    told = {line.split()[0]: line.split()[1:] for line in log.read_text().splitlines()}
    assert told.pop("data") == ["none", "1"]
    assert len(told) == 3
    for gpu, threads in told.values():
        assert gpu in ("0", "1")
        assert threads == "2"


def test_the_wrappers_by_hand(world):
    wrappers, ask = ROOT / "commands", ("--mem=100M", "-c", "1")
    env = {**world.env, "TOY_WEAK": "1"}

    def submit(name, *options, after=""):
        given = [f"--dependency=afterok:{after}"] if after else []
        return world.cluster.submit(
            *ask, *given, wrappers / f"{name}.sbatch", "manifests/toy.toml", *options, env=env, cwd=world.root
        )

    taught = submit("imprint")
    gates = [submit("gate", "--seed", seed, after=taught) for seed in ("0", "1")]
    methods = [submit("unlearn", "--seed", s, "--method", "npo", after=gates[int(s)]) for s in ("0", "1")]
    seen = world.cluster.wait()
    assert seen[taught].state == seen[gates[0]].state == seen[methods[0]].state == "COMPLETED", seen
    assert world.cluster.show(gates[1])["ExitCode"] == "3:0"
    assert seen[methods[1]].state == "CANCELLED"
    assert [line for line in world.calls() if line.startswith("unlearn")] == ["unlearn/npo/0"]
    log = world.root / f"slurm-vlmunl-unlearn-{methods[0]}.out"
    assert "unlearn/npo/seed0" in log.read_text()


def test_a_workspace_behind_a_symlink_with_blanks_and_wrappers_of_its_own(slurm, tmp_path):
    real = toy_world(tmp_path / "real place" / "a space", slurm)
    (tmp_path / "li nk").symlink_to(real.root)
    world = World(tmp_path / "li nk", slurm, real.env)
    (world.root / "commands").mkdir()
    own = (ROOT / "commands" / "imprint.sbatch").read_text().replace("set -euo pipefail", "set -euo pipefail\necho own")
    (world.root / "commands" / "imprint.sbatch").write_text(own)
    cells = world.submit("--seed", "0", "--only", "data", "--only", "imprint", "--only", "gate")
    (world.root / "commands" / "imprint.sbatch").write_text("exit 1\n")  # after the submission: of no effect
    seen = world.cluster.wait()
    assert {state.state for state in seen.values()} >= {"COMPLETED"}, seen
    states = world.states()
    assert {states[name] for name in cells} == {"verified"}, world.logs()
    logs = {path.name.partition("-")[0]: path.read_text() for path in world.root.glob("store/slurm/toy/*/logs/*")}
    assert logs["imprint"].startswith("own\n")
    assert not logs["gate"].startswith("own")
    assert world.json("submit", "toy", "--only", "gate", "--seed", "0")["jobs"] == []


SMALL = """
[study]
name = "small"
seeds = [0, 1]
[model]
id = "tiny"
[benchmark]
people = 6
forget = 3
photos = 4
[imprint]
recipe = "full"
optimizer = "muon"
steps = 20
lr = 3e-3
warmup = 2
image_samples = 5
text_samples = 2
replay = 0
[[imprint.override]]
seed = 1
roles = ["imprint"]
steps = 0
[gate]
paraphrases = "1 of 4"
headroom = 0.0
min_identities = 2
[methods.ga]
steps = 2
[methods.finetune]
steps = 2
[routes]
exclude = [EXCLUDED]
[statistics]
draws = 100
splits = 2
[slurm]
cpus = 1
memory = "1G"
setup = ["export TORCH_NUM_THREADS=1"]
[slurm.aggregate]
cpus = 1
"""
KEPT = ("canonical", "text_only", "choice")


def test_a_study_on_the_embedded_model_gives_the_same_bytes_as_without_slurm(slurm, tmp_path):
    """One seed passes its gate; the other was never taught, and ends at its gate."""
    from vlmunl.manifests.known import known
    from vlmunl.routes.catalogue import CATALOGUE

    core = known().core
    families = sorted({r.family for r in CATALOGUE.values() if r.id in core and r.tier == "T0"} - set(KEPT))
    text = SMALL.replace("EXCLUDED", ", ".join(f'"{family}"' for family in families))
    worlds = []
    for name in ("with", "without"):
        (tmp_path / name / "manifests").mkdir(parents=True)
        (tmp_path / name / "manifests" / "small.toml").write_text(text)
        worlds.append(World(tmp_path / name, slurm, paths(), main=("-m", "vlmunl")))
    program = tmp_path / "vlmunl"
    program.write_text(f'#!/bin/bash\nexec {sys.executable} -m vlmunl "$@"\n')
    program.chmod(0o755)
    worlds[0].env["VLMUNL"] = str(program)
    cells = worlds[0].submit("--set", "eval.batch_size=16", study="small")
    seen = slurm.wait(timeout=900)
    worlds[1].vlmunl("run", "small", "--jobs", "2", "--set", "eval.batch_size=16", code=3)
    assert seen[cells["gate/seed1"]].state == "FAILED"
    assert seen[cells["eval/ga/seed1"]].state == "CANCELLED"
    found = [files(world.root / "manifests" / "small") for world in worlds]
    assert found[0], worlds[0].logs()
    assert found[0] == found[1]
    assert files(worlds[0].root / "latex") == files(worlds[1].root / "latex")
    worlds[0].vlmunl("store", "verify")
    assert worlds[0].submit("--set", "eval.batch_size=16", study="small") == {}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
