"""Three cells in a row without any science, for tests that damage or clear away what they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmunl.keys import digest_file, keyed, run_key
from vlmunl.stage import Context, Stage, run_stage
from vlmunl.store import Record, Ref, Store


@dataclass(frozen=True, kw_only=True)
class Config:
    text: str = keyed(default="x")


def make(config: Config, ctx: Context) -> Mapping[str, Any]:
    (ctx.out / "blob.bin").write_bytes(config.text.encode() * 5000)
    (ctx.out / "log.txt").write_text("nobody reads this")
    (ctx.out / "folder").mkdir()
    for i in range(2):
        (ctx.out / "folder" / f"{i}.txt").write_text(f"{config.text} {i}")
    return {}


def double(config: Config, ctx: Context) -> Mapping[str, Any]:
    (ctx.out / "twice.bin").write_bytes(ctx.input("blob").read_bytes() * 2)
    return {}


def end(config: Config, ctx: Context) -> Mapping[str, Any]:
    (ctx.out / "last.txt").write_text(f"{ctx.input('twice').stat().st_size}")
    return {}


def _stage(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Stage:
    return Stage(name=name, version=1, config=Config, inputs=inputs, outputs=outputs, run=f"{__name__}:{name}")


MAKE = _stage("make", (), ("blob", "folder", "log"))
DOUBLE = _stage("double", ("blob", "folder"), ("twice",))
END = _stage("end", ("twice",), ("last",))


def study(root: Path, text: str = "x") -> dict[str, Record]:
    """Run what is missing of the three cells; the records by cell."""
    store, config = Store.open(root), Config(text=text)
    first = run_stage(MAKE, config, {}, store, cell="make")
    read = {name: first.outputs[name] for name in DOUBLE.inputs}
    second = run_stage(DOUBLE, config, read, store, cell="double")
    third = run_stage(END, config, second.outputs, store, cell="end")
    return {"make": first, "double": second, "end": third}


def recorded(
    store: Store,
    cell: str,
    outputs: Mapping[str, Ref],
    inputs: Mapping[str, Ref] | None = None,
    env: Mapping[str, Any] | None = None,
) -> Record:
    """A record written by hand."""
    params = {"cell": cell}
    key = run_key("made", 1, params, inputs or {})
    record = Record(
        key=key,
        cell=cell,
        stage="made",
        stage_version=1,
        params=params,
        inputs=inputs or {},
        outcome="ok",
        outputs=outputs,
        env=env or {},
    )
    store.write_record(record)
    return record


def content(root: Path) -> dict[str, str]:
    """What lies in objects/ and records/: path -> sha256 (of objects; a record tells when it was made)."""
    objects = [p for p in sorted((root / "objects").rglob("*")) if p.is_file()]
    records = [p for p in sorted((root / "records").rglob("*")) if p.is_file()]
    return {p.name: digest_file(p).sha256 for p in objects} | {p.name: "" for p in records}
