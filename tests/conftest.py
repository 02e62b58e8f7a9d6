"""Shared fixtures: the embedded model and a small benchmark, each made once per worker; and what is slow waits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.schema import Benchmark
from vlmunl.stages.configs import DataConfig

FAMILIES = ("VLMUNL", "HF_", "TRANSFORMERS_", "SLURM_", "SBATCH_")
SINGLE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "COLUMNS", "LINES")
KEPT = ("VLMUNL_SOAK",)
"""What a caller may say to the tests by the environment."""

# Before anything is imported that reads it once (huggingface_hub does): the tests see the same environment wherever
# they run, and so do the processes that they start. A test that needs a variable sets it.
for _name in [name for name in os.environ if name.startswith(FAMILIES) or name in SINGLE]:
    if _name not in KEPT:
        del os.environ[_name]


LONGEST = ("docs/test_command_lines", "slurm/test_jobs", "slurm/test_requeue", "studies/test_shipped", "slurm/")
"""Files of minutes: begun first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of minutes are run when they are asked for: by `make slow`, or by any other `-m` that names them."""
    items.sort(key=lambda item: next((i for i, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))
    if "slow" in str(config.option.markexpr):
        return
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.skip(reason="takes minutes: make slow"))


@pytest.fixture(scope="session")
def benchmark_small() -> Benchmark:
    """Six people, two of them to forget."""
    return build(DataConfig(people=6, forget=2, photos=5))


@pytest.fixture
def vlm() -> Any:
    """A fresh copy of the embedded model."""
    import torch

    from vlmunl.models.locate import locate
    from vlmunl.models.vlm import load

    torch.set_num_threads(1)
    return load(locate("tiny", None, Path()))
