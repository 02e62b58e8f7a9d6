"""A small filled store, and taking an export into another: what the tests of exports share."""

from __future__ import annotations

from pathlib import Path

from vlmunl.keys import run_key
from vlmunl.store import Record, Store
from vlmunl.store.bundle_import import Checked, check, settle
from vlmunl.store.bundle_write import gather, write

FILES = {"manifests/toy.toml": b"[study]\n", "manifests/toy/run_manifest.json": b"{}\n"}


def record(store: Store, cell: str, inputs: dict, outputs: dict, **env) -> Record:
    made = Record(
        key=run_key("toy", 1, {"cell": cell}, inputs),
        cell=cell,
        stage="toy",
        stage_version=1,
        params={"cell": cell},
        inputs=inputs,
        outcome="ok",
        outputs=outputs,
        metrics={"lr": 1e-05},
        env=env,
    )
    store.write_record(made)
    return made


def fill(root: Path, folder: Path) -> tuple[Store, list[Record]]:
    """A store with a chain of two records (a tree, an input from outside) and one that stands alone."""
    store = Store.open(root)
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"a" * 1000)
    (folder / "deep" / "b").write_bytes(b"")
    base = Store.open(root.parent / "other").put_bytes(b"the base model")
    first = record(store, "first", {"base": base}, {"adapter": store.put_tree(folder)}, external={"base": "/base"})
    outputs = {"rows": store.put_bytes(b"rows" * 1000)}
    second = record(store, "second", {"adapter": first.outputs["adapter"]}, outputs)
    third = record(store, "third", {}, {"rows": store.put_bytes(b"else")})
    return store, [first, second, third]


def export(store: Store, records: list[Record], path: Path, files=FILES) -> Path:
    write(gather(store, [r.name for r in records], files), path)
    return path


def take(bundle: Path, root: Path) -> Checked:
    store = Store.open(root)
    with store.scratch() as staging:
        checked = check(bundle, store, staging, lambda done, total: None)
        settle(checked, store, staging)
    return checked


def state(root: Path) -> dict[str, bytes]:
    """Everything in a store that counts."""
    files = [*root.glob("objects/*/*"), *root.glob("records/*/*")]
    return {str(p.relative_to(root)): p.read_bytes() for p in files}
