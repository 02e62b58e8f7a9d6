"""Studies as jobs of a real Slurm: what runs, what is pruned, what is never submitted twice."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

EVIDENCE = 24  # cells of the study without aggregate and tables


def test_a_study_runs_through_and_nothing_is_left_to_submit(world):
    cells = world.submit()
    seen = world.cluster.wait()
    assert set(world.states().values()) == {"verified"}, world.logs()
    assert {seen[cells[name]].state for name in cells} == {"COMPLETED"}
    assert len(world.calls()) == len(cells) == EVIDENCE + 2
    assert (world.root / "manifests" / "toy" / "run_manifest.json").is_file()
    assert (world.root / "latex" / "generated" / "toy" / "main.tex").is_file()
    assert world.submit() == {}
    assert "all that can be done is done" in world.vlmunl("submit", "toy").stdout
    assert len(world.calls()) == EVIDENCE + 2


def test_a_failed_gate_ends_its_seed_and_no_other(world):
    cells = world.submit(TOY_WEAK="1")
    seen = world.cluster.wait()
    assert seen[cells["gate/seed1"]].state == "FAILED"
    assert world.cluster.show(cells["gate/seed1"])["ExitCode"] == "3:0"
    after = [name for name in cells if name.endswith("seed1") and name.startswith(("unlearn", "eval"))]
    assert len(after) == 7
    for name in after:
        assert seen[cells[name]].state == "CANCELLED", name
        assert world.cluster.show(cells[name])["RunTime"] == "00:00:00"
    assert not [line for line in world.calls() if line.startswith("unlearn/") and line.endswith("/1")]
    states = world.states()
    assert {states[n] for n in cells if n.endswith("seed0")} == {"verified"}
    assert {states[n] for n in after} == {"failed-gate"}
    assert states["aggregate"] == states["tables"] == "verified"
    assert world.submit() == {}
