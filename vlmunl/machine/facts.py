"""Versions, limits, disks and tools of this machine, each as a line that says whether it is as it should be."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from uuid import uuid4

from vlmunl.cluster.site import Site
from vlmunl.engine.cores import usable_cores

Verdict = Literal["ok", "note", "missing"]
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "huggingface_hub", "numpy", "pyarrow")
EXTRAS = {"bitsandbytes": "8 and 4 bit: pip install 'vlmunl[quant]'", "flash-attn": 'attention = "flash_attention_2"'}
LOW = 5 << 30


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that was looked at: `missing` is something that vlmunl cannot do without."""

    name: str
    found: str
    verdict: Verdict = "ok"


def facts(store: Path) -> list[Fact]:
    """All of them; `store` is where results go."""
    return [*_versions(), _threads(), *_disks(store), _promises(store), *_tools(), *_hub()]


def version_of(library: str) -> str | None:
    """The installed version of a distribution, without importing it."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> Iterator[Fact]:
    yield Fact(name="python", found=platform.python_version())
    for library in LIBRARIES:
        version = version_of(library)
        yield Fact(name=library, found=version or "not installed", verdict="ok" if version else "missing")
    for library, used in EXTRAS.items():
        version = version_of(library)
        yield Fact(name=library, found=version or f"not installed ({used})", verdict="ok" if version else "note")


def _threads() -> Fact:
    limits = [f"{usable_cores()} of {os.cpu_count()} cores may be used"]
    limits += [f"{n}={os.environ[n]}" for n in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS") if os.environ.get(n)]
    return Fact(name="threads", found=", ".join(limits))


def _disks(store: Path) -> Iterator[Fact]:
    for name, path in (("disk of the store", store), ("disk of the Hub cache", hub_cache())):
        place = existing(path)
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            yield Fact(name=name, found=f"{place}: {error.strerror}", verdict="missing")
            continue
        yield Fact(
            name=name,
            found=f"{free / 2**30:.1f} GiB free at {path} ({filesystem(place)})",
            verdict="note" if free < LOW else "ok",
        )


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())


def filesystem(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The kind of file system that a path is on."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return "unknown"
    real = str(path.resolve())
    over = [
        (len(m[1]), m[2]) for m in lines if len(m) > 2 and (real == m[1] or real.startswith(m[1].rstrip("/") + "/"))
    ]
    return max(over)[1] if over else "unknown"


def _promises(store: Path) -> Fact:
    """A file written, made durable and renamed over another one must be there, whole; tried in the store's folder."""
    name, folder = "file system", existing(store)
    if not os.access(folder, os.W_OK):
        return Fact(name=name, found=f"{folder} cannot be written to", verdict="missing")
    first, second = (folder / f".doctor-{uuid4().hex[:8]}" for _ in range(2))
    try:
        for path, data in ((first, b"old"), (second, b"new")):
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        os.replace(second, first)
        kept = first.read_bytes() == b"new" and not second.exists()
    except OSError as error:
        return Fact(name=name, found=f"{folder}: {error.strerror}", verdict="missing")
    finally:
        for path in (first, second):
            path.unlink(missing_ok=True)
    told = "renames replace whole files, and they can be made durable"
    return Fact(name=name, found=told if kept else f"{folder}: a rename lost data", verdict="ok" if kept else "missing")


def _tools() -> Iterator[Fact]:
    wanted = {
        "TeX": (("latexmk", "pdflatex"), "the paper is not built"),
        "Chromium": (("chromium", "chromium-browser", "google-chrome"), "no pictures of HTML pages"),
    }
    for name, (programs, without) in wanted.items():
        path = next((found for program in programs if (found := shutil.which(program))), None)
        yield Fact(name=name, found=path or f"not here: {without}", verdict="ok" if path else "note")


def slurm_facts(site: Site) -> Iterator[Fact]:
    """What this machine is to its cluster, and what the cluster offers."""
    if not site.slurm:
        found = "sbatch is here, but no slurm.conf" if shutil.which("sbatch") else "not here"
        yield Fact(name="Slurm", found=f"{found}: cells run on this machine", verdict="note")
        return
    if site.login_node:
        told = "this is a login node: large models compute in jobs (vlmunl submit STUDY), here only with --here"
    else:
        told = f"this is a compute node, in job {site.job}" if site.job else "this is a compute node, in a job"
    yield Fact(name="Slurm", found=told)
    if site.trouble:
        yield Fact(name="partitions", found=site.trouble, verdict="note")
    for part in site.partitions:
        yield Fact(name=f"partition {part.name}", found=str(part), verdict="ok" if part.up else "note")


def hub_cache() -> Path:
    """Where models and data sets of the Hub are kept."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def _hub() -> Iterator[Fact]:
    cache = hub_cache()
    kept = len([p for p in cache.glob("*--*") if p.is_dir()]) if cache.is_dir() else 0
    yield Fact(name="Hub cache", found=f"{kept} models and data sets in {cache}")
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    yield Fact(
        name="Hub", found="offline (HF_HUB_OFFLINE is set)" if offline else "may be asked (HF_HUB_OFFLINE unset)"
    )
