"""Which accelerators there are, without a driver; and that each worker sees one of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vlmunl.engine.messages import Finished, Job
from vlmunl.engine.pool import Pool
from vlmunl.machine.accelerators import Accelerator, accelerators
from vlmunl.stage import Context
from vlmunl.stages.configs import GateConfig
from vlmunl.stages.declared import STAGES
from vlmunl.store import Store


def machine(root: Path, *, nvidia: int = 0, amd: int = 0) -> Path:
    (root / "dev").mkdir(exist_ok=True)
    for name in [*(f"nvidia{n}" for n in range(nvidia)), "nvidiactl", "nvidia-uvm", "tty0"]:
        (root / "dev" / name).touch()
    nodes = root / "sys" / "class" / "kfd" / "kfd" / "topology" / "nodes"
    for number in range(amd + 1 if amd else 0):
        (nodes / str(number)).mkdir(parents=True)
        (nodes / str(number) / "properties").write_text(f"cpu_cores_count 1\nsimd_count {256 if number else 0}\n")
    return root


def shown(root: Path, **environ: str) -> list[dict[str, str]]:
    return [dict(device.environ) for device in accelerators(environ, root)]


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, ["2", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "1, 4, 0"}, ["1"]),  # CUDA stops at the first that is not there
        ({"CUDA_VISIBLE_DEVICES": "1,1"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8f2b,MIG-77aa"}, ["GPU-8f2b", "MIG-77aa"]),
        ({"SLURM_GPUS_ON_NODE": "2"}, ["0", "1"]),
        ({"SLURM_GPUS_ON_NODE": "2", "CUDA_VISIBLE_DEVICES": "3,2"}, ["3", "2"]),
    ],
)
def test_nvidia(tmp_path: Path, environ: dict[str, str], names: list[str]) -> None:
    found = shown(machine(tmp_path, nvidia=4), **environ)
    assert found == [{"CUDA_VISIBLE_DEVICES": name} for name in names]


@pytest.mark.parametrize(
    ("environ", "variable", "names"),
    [
        ({}, "HIP_VISIBLE_DEVICES", ["0", "1"]),
        ({"ROCR_VISIBLE_DEVICES": "1"}, "ROCR_VISIBLE_DEVICES", ["1"]),
        ({"HIP_VISIBLE_DEVICES": "1,0", "ROCR_VISIBLE_DEVICES": "0,1"}, "HIP_VISIBLE_DEVICES", ["1", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "0"}, "CUDA_VISIBLE_DEVICES", ["0"]),
    ],
)
def test_amd(tmp_path: Path, environ: dict[str, str], variable: str, names: list[str]) -> None:
    assert shown(machine(tmp_path, amd=2), **environ) == [{variable: name} for name in names]


def test_a_machine_without_has_none_whatever_is_listed(tmp_path: Path) -> None:
    assert shown(machine(tmp_path), CUDA_VISIBLE_DEVICES="0,1") == []
    assert shown(tmp_path / "nowhere") == []


# --------------------------------------------------------------------------------------- in the workers


def look(config: GateConfig, ctx: Context) -> dict[str, str]:
    """What a worker sees."""
    import os
    import time

    time.sleep(0.3)
    (ctx.out / "rows.json").write_text("{}")
    return {name: os.environ.get(name, "none") for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}


def seen(tmp_path: Path, devices: tuple[Accelerator, ...], size: int) -> tuple[list[str], list[str]]:
    """(what each of `size` cells at once sees, the devices that it was said to be on)."""
    store = Store.open(tmp_path / "store")
    stage = replace(STAGES["gate"], run=f"{look.__module__}:look", inputs=(), outputs=("rows",))
    told, ended = [], 0
    with Pool(store.root, size, devices=devices) as pool:
        for number in range(size):
            job = Job(cell=f"{number}", stage=stage, config=GateConfig(seed=number), inputs={}, seed=0, force=False)
            told.append(pool.submit(job))
        while ended < size:
            for message in pool.receive(1.0):
                if isinstance(message, Finished):
                    assert message.error is None, message.error
                    ended += 1
    store.refresh()
    records = sorted(store.history("gate"), key=lambda record: record.cell)
    return [str(record.metrics["CUDA_VISIBLE_DEVICES"]) for record in records], told


@pytest.mark.slow
def test_every_worker_sees_another_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    three = accelerators({"CUDA_VISIBLE_DEVICES": "1,GPU-8f2b,0"}, machine(tmp_path, nvidia=2))
    assert seen(tmp_path, three, 3) == (["1", "GPU-8f2b", "0"], ["gpu 1", "gpu GPU-8f2b", "gpu 0"])


@pytest.mark.slow
def test_more_workers_than_devices_take_turns_and_none_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    (tmp_path / "a").mkdir()
    two = accelerators({}, machine(tmp_path, nvidia=2))
    assert seen(tmp_path / "a", two, 3)[0] == ["0", "1", "0"]
    assert seen(tmp_path / "b", (), 2) == (["7", "7"], ["", ""])
