"""Login nodes: how they are told, what is refused there, and what `doctor` says of the cluster."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from vlmunl.cluster import site
from vlmunl.commands.carry_out import Request, refuse_on_login_node
from vlmunl.commands.session import Globals, Session
from vlmunl.engine import cores
from vlmunl.errors import UsageError
from vlmunl.machine.guard import LARGEST, refuse_heavy, weights_of
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.out import Out
from vlmunl.store import Store
from vlmunl.workspace import Workspace

SINFO = """debug*|up|infinite|1|2|4000|gpu:2
gpu|up|2-00:00:00|12|64|257000|gpu:a100:4(S:0-1),lscratch:800
gpu|up|2-00:00:00|2|64+|257000+|gpu:h100:8(S:0-1)
old|down|1:00:00|3|16|64000|(null)
"""


@pytest.fixture
def login(space, fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A login node. (The workspace comes first: making it clears the environment of Slurm's variables.)"""
    fake.says("sbatch")
    fake.says("sinfo", SINFO)
    (tmp_path / "slurm.conf").write_text("")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    return fake


def test_a_login_node_has_slurm_and_no_job(login, monkeypatch):
    assert site.login_node()
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert not site.login_node()


def test_slurm_without_a_configuration_is_no_cluster(fake, monkeypatch, tmp_path):
    monkeypatch.setattr(site, "_CONFIGS", (str(tmp_path / "slurm.conf"),))
    assert not site.has_slurm()
    fake.says("sbatch")
    assert not site.login_node()
    (tmp_path / "slurm.conf").write_text("")
    assert site.login_node()


def test_a_configuration_beside_the_program_counts(fake, monkeypatch):
    monkeypatch.setattr(site, "_CONFIGS", ())
    fake.says("sbatch")
    assert not site.has_slurm()
    (fake.folder / "etc").mkdir()
    (fake.folder / "etc" / "slurm.conf").write_text("")
    assert site.has_slurm()


def test_a_shell_that_was_taken_into_a_job_is_in_a_job(tmp_path):
    own = tmp_path / "cgroup"
    for text, inside in (
        ("4:cpu:/slurm/uid_1000/job_12/step_extern\n", True),
        ("0::/system.slice/slurmstepd.scope/job_12/step_extern\n", True),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", False),
    ):
        own.write_text(text)
        assert site._inside(own) is inside


def test_partitions_and_their_accelerators():
    debug, a100, h100, old = site.parse(SINFO)
    assert (debug.name, debug.default, debug.accelerators) == ("debug", True, {"GPU": 2})
    assert str(debug) == "1 node of 2 cores, 4 GiB, 2 GPU; jobs of any length; the default"
    assert str(a100) == "12 nodes of 64 cores, 251 GiB, 4 a100; jobs of up to 2-00:00:00"
    assert (h100.cores, h100.accelerators) == (64, {"h100": 8})
    assert (old.up, old.accelerators) == (False, {})
    assert str(old) == "3 nodes of 16 cores, 62 GiB, no accelerator; jobs of up to 1:00:00; it is DOWN"
    assert site.accelerators("gpu:a100:2,gpu:a100:2,gpu:mig_1g:7") == {"a100": 4, "mig_1g": 7}


def test_few_cores_of_a_login_node_are_used(login, monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setattr(cores, "_affinity", lambda: 64)
    assert cores.usable_cores(tmp_path, tmp_path / "none") == cores.LOGIN
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert cores.usable_cores(tmp_path, tmp_path / "none") == 64
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "12")
    assert cores.usable_cores(tmp_path, tmp_path / "none") == 12
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert cores.usable_cores(tmp_path, tmp_path / "none") == 3


# ------------------------------------------------------------------------------ what is refused


def large(folder: Path, billions: float) -> None:
    """A model's folder whose files say that it has so many weights, and have none."""
    width = 1024
    blocks = round(billions * 1e9 / width / 4096)
    tensors = {
        "model.embed_tokens.weight": [128, width],
        "model.layers.0.self_attn.q_proj.weight": [width, width],
        "model.layers.0.mlp.down_proj.weight": [width, 4096 * blocks],
    }
    header = json.dumps({n: {"dtype": "BF16", "shape": s, "data_offsets": [0, 0]} for n, s in tensors.items()})
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode())


def test_a_large_model_is_refused_with_the_remedies_and_only_if_something_would_run(login, cli, space, calls):
    large(space / "base", 7)
    code, _, err = cli("run", "toy", "--jobs", "1")
    assert code == 2
    assert "cells with a model of 7 billion weights would run on this login node" in err
    assert "as Slurm jobs: vlmunl submit toy; or here all the same: --here" in err
    assert not calls()
    assert cli("run", "toy", "--dry-run")[0] == 0
    assert cli("imprint", "toy", "--seed", "0")[0] == 2
    assert cli("run", "toy", "--only", "data", "--jobs", "1")[0] == 0, "which loads no model"
    assert calls() == ["data"]
    assert cli("imprint", "toy", "--seed", "0", "--here", "--jobs", "1")[0] == 0
    assert "no cell ran" in cli("imprint", "toy", "--seed", "0")[1]
    assert cli("imprint", "toy", "--seed", "0", "--force")[0] == 2


def test_a_small_model_and_a_job_are_not_refused(login, space, monkeypatch):
    study = load_study(space / "manifests" / "toy.toml")
    planned = plan(study, base_model(study, space))
    refuse_heavy(planned.cells, "toy")
    large(space / "base", 7)
    with pytest.raises(UsageError, match="7 billion"):
        refuse_heavy(planned.cells, "toy")
    refuse_heavy([cell for cell in planned.cells if cell.kind in ("aggregate", "tables", "data")], "toy")
    session = Session(
        options=Globals(),
        out=Out(quiet=True),
        workspace=Workspace(root=space),
        store=Store.open(space / "store"),
        plan=planned,
    )
    request = Request(chosen=lambda cell: True)
    with pytest.raises(UsageError):
        refuse_on_login_node(session, request)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    refuse_on_login_node(session, request)


def test_the_size_of_a_model_that_cannot_be_read_is_that_of_its_files(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(1000))
    assert weights_of(tmp_path) == 500
    large(tmp_path, 3)
    assert weights_of(tmp_path) == pytest.approx(3e9, rel=0.01)
    assert weights_of(tmp_path / "nowhere") == 0
    from vlmunl.models.locate import locate

    assert weights_of(locate("tiny", None, Path())) < LARGEST / 10


# -------------------------------------------------------------------------------------- doctor


def test_doctor_tells_of_the_login_node_and_the_partitions(login, cli):
    code, out, _ = cli("doctor")
    assert code == 0
    assert (
        "Slurm this is a login node: large models compute in jobs (vlmunl submit STUDY), here only with --here" in out
    )
    assert "partition gpu 12 nodes of 64 cores, 251 GiB, 4 a100; jobs of up to 2-00:00:00" in out
    assert "- partition old 3 nodes" in out
    assert login.calls("sinfo") == ["-h -o %P|%a|%l|%D|%c|%m|%G"]
    document = json.loads(cli("doctor", "--json")[1])
    assert document["slurm"]["login_node"] is True
    assert document["slurm"]["partitions"][1]["accelerators"] == {"a100": 4}


def test_doctor_in_a_job_and_where_slurm_does_not_answer(login, cli, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    login.says("sinfo", err="slurm_load_partitions: Unable to contact slurm controller\n", code=1)
    code, out, _ = cli("doctor")
    assert code == 0
    assert "Slurm this is a compute node, in job 12" in out
    assert "- partitions sinfo: slurm_load_partitions: Unable to contact slurm controller" in out


def test_doctor_where_there_is_no_slurm(fake, cli, monkeypatch):
    monkeypatch.setattr(site, "_CONFIGS", ())
    assert "- Slurm not here: cells run on this machine" in cli("doctor")[1]
    fake.says("sbatch")
    assert "- Slurm sbatch is here, but no slurm.conf: cells run on this machine" in cli("doctor")[1]
