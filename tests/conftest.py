"""Shared fixtures: the embedded model and a small benchmark, each made once per worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.schema import Benchmark
from vlmunl.stages.configs import DataConfig


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
