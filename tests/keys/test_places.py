"""Where, when, by whom and with how many workers a study is run changes no key, and no result either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keys.reach import STUDY
from vlmunl.store import Store

PRINT = Path(__file__).parent / "print_keys.py"
TOY = Path(__file__).parents[1] / "engine" / "toy_main.py"
TOY_STUDY = '[study]\nname = "toy"\nseeds = [0]\n[model]\nid = "base"\n[methods.ga]\n[methods.retrain]\n'
ELSEWHERE = {
    "PYTHONHASHSEED": "77",
    "LC_ALL": "C",
    "LANG": "tr_TR.UTF-8",
    "PYTHONUTF8": "0",
    "TZ": "Pacific/Kiritimati",
    "HOME": "/nonexistent",
    "USER": "somebody",
    "LOGNAME": "somebody",
    "HOSTNAME": "login1",
    "OMP_NUM_THREADS": "7",
    "MKL_NUM_THREADS": "7",
    "SLURM_CPUS_PER_TASK": "3",
    "COLUMNS": "40",
}


@pytest.fixture
def spaces(tmp_path):
    """Two workspaces with the same study and base model, on paths of quite different shapes."""
    found = []
    for folder in (tmp_path / "a", tmp_path / "with blank" / "ünïcode" / ("deep/" * 8)):
        (folder / "manifests").mkdir(parents=True)
        (folder / "manifests" / "s.toml").write_text(STUDY)
        (folder / "manifests" / "toy.toml").write_text(TOY_STUDY)
        (folder / "base").mkdir()
        (folder / "base" / "config.json").write_text("{}")
        found.append(folder)
    os.utime(found[1] / "manifests" / "s.toml", (1, 1))
    return found


def environment(**other):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VLMUNL_", "SLURM_", "TOY_", "PYTHONHASH"))}
    return {**kept, **other}


def printed(space, *arguments, **env):
    command = [sys.executable, str(PRINT), str(space / "manifests" / "s.toml"), str(space), *arguments]
    done = subprocess.run(command, cwd=space, env=environment(**env), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_key_depends_on_host_user_time_path_locale_threads_or_hash_seed(spaces):
    here = printed(spaces[0], PYTHONHASHSEED="0")
    assert len(here) > 20
    assert printed(spaces[1], **ELSEWHERE) == here
    assert printed(spaces[1], "strange") == here


def ran(space, store, *arguments, **env):
    """Record names of a toy study that was really run, by cell, and what it wrote for people."""
    command = [sys.executable, str(TOY), "run", "toy", "--store", str(store), *arguments]
    done = subprocess.run(command, cwd=space, env=environment(**env), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    opened = Store.open(store)
    records = {record.cell: record.name.file for record in map(opened.load, opened.records())}
    results = space / "manifests" / "toy"
    return records, {path.name: path.read_bytes() for path in sorted(results.iterdir())}


def test_workers_place_and_locale_change_no_record_and_no_byte_of_the_results(spaces, tmp_path):
    here = ran(spaces[0], tmp_path / "store", "--jobs", "1", PYTHONHASHSEED="0")
    assert len(here[0]) == 15
    assert set(here[1]) == {"run_manifest.json", "verified_results.json", "summary.md"}
    there = ran(spaces[1], spaces[1] / "other store", "--jobs", "3", **ELSEWHERE)
    assert there == here


def test_a_store_that_moved_is_the_same_store(spaces, tmp_path):
    ran(spaces[0], tmp_path / "store", "--jobs", "2")
    shutil.move(tmp_path / "store", tmp_path / "moved")
    (tmp_path / "link").symlink_to(tmp_path / "moved")
    command = [sys.executable, str(TOY), "run", "toy", "--store", str(tmp_path / "link"), "--json"]
    done = subprocess.run(command, cwd=spaces[1], env=environment(), capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["ran"] == []
