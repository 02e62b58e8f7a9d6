"""`docs/reference/files.md`: the files of a workspace, a store and a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from vlmunl.stage_types import Stage
from vlmunl.stages import declared
from vlmunl.store.records import Record

HEAD = """# Files

From the code; written by `python -m vlmunl.reference`, not by hand. All that `vlmunl` writes is made from the
store, and the store from the study files, the models and the data: deleting any of it costs time and nothing else.

## The workspace

| path | what it is | who writes it |
|---|---|---|
"""
WORKSPACE = (
    ("`manifests/STUDY.toml`", "a study ([every key](study.md))", "you"),
    (
        "`manifests/STUDY/run_manifest.json`",
        "which records count, and what every other cell lacks",
        "`run`, `aggregate`",
    ),
    ("`manifests/STUDY/verified_results.json`", "every number of the tables, unrounded", "`run`, `aggregate`"),
    ("`manifests/STUDY/summary.md`", "the results in words and tables", "`run`, `aggregate`"),
    (
        "`latex/generated/STUDY/`",
        "tables (`.tex .md .csv .html`), figures (`.pdf .png`), `numbers.tex`, `claims.tex`",
        "`run`, `tables`",
    ),
    ("`store/`", "the store, unless `--store` or `VLMUNL_STORE` names another place", "every command that runs cells"),
    ("`preview/`", "contact sheets", "`benchmarks preview`, `routes --preview`"),
)
STORE: Mapping[str, str] = {
    "LAYOUT.json": "version of this layout, and the store's id",
    "objects/": "`ab/<32 hex>`: immutable bytes, named by the xxh3-128 of their content; a directory is a listing",
    "records/": "`ab/<key>.<ok or error>.<16 hex>.json`: one file for each attempt at a cell that ended",
    "refs/": "what is pinned (`vlmunl store pin`)",
    "claims/": "who works on what just now; advisory, and ignored once its process is gone",
    "doing/": "how far running cells are; advisory",
    "partial/": "checkpoints of cells that were stopped; gone when the cell is done",
    "published/": "receipts of what was published; never asked before anything is decided",
    "slurm/": "what was submitted to Slurm, one file for each job, with the jobs' scripts and logs",
    "tmp/": "unfinished writes and scratch; what dead processes leave is swept by the next run",
    "trash/": "what `vlmunl store gc --delete` took away; gone for good once it has lain there for the grace period",
    "quarantine/": "objects found altered; their cells run again",
}
RECORD: Mapping[str, str] = {
    "key": "run key: the hash of stage, version, params and inputs, known before the cell runs",
    "cell": "the cell's name in the study that ran it: a label, in no hash",
    "stage": "which stage it is of",
    "stage_version": "the stage's version, bumped by hand when equal params and inputs may give other bytes",
    "params": "every setting that can change the result, defaults filled in",
    "inputs": "name -> `{kind, xxh3, sha256, size}` of what it read",
    "outcome": "`ok` or `error`",
    "outputs": "name -> `{kind, xxh3, sha256, size}` of what it wrote",
    "metrics": "numbers that the stage tells",
    "error": "what went wrong, or null",
    "env": "where, when and with what: versions, device, host, git commit, times, memory, the traceback of an error",
    "schema": "version of this form",
}
RESULT = """
The file also ends with `seal`, a hash of all of the above. Its name holds the key, the outcome and an address of the
result (key, outcome, outputs, metrics, error): two records of one key with different addresses say that equal questions
had different answers, and both stay. Where and when is in no hash.

## What each stage reads and writes

`?`: only where there is one; `*`: any number of that name.

| stage | version | inputs | outputs |
|---|---|---|---|
"""
OUTPUTS = """
`adapter` is what is added to the base model (safetensors), `rows` a Parquet table with one row for each question,
`curve` the training's losses in JSON, `benchmark` the people with their pictures and questions. `vlmunl show CELL`
names their objects.
"""


def page() -> str:
    """The page.

    Raises:
        ValueError: the record's fields are not those that are described here.
    """
    if {field.name for field in dataclasses.fields(Record)} != set(RECORD):
        raise ValueError("vlmunl/reference/files.py does not describe the fields that a record has")
    lines = [HEAD, *(f"| {' | '.join(row)} |\n" for row in WORKSPACE)]
    lines += ["\n## The store\n\n| path | what lies there |\n|---|---|\n"]
    lines += [f"| `{name}` | {text} |\n" for name, text in STORE.items()]
    lines += ["\n## A record\n\nSorted JSON, written last, never changed. `vlmunl show KEY --json` prints one.\n\n"]
    lines += ["| field | what it says |\n|---|---|\n", *(f"| `{name}` | {text} |\n" for name, text in RECORD.items())]
    stages = [stage for stage in vars(declared).values() if isinstance(stage, Stage)]
    lines += [RESULT, *map(_row, stages), OUTPUTS]
    return "".join(lines)


def _row(stage: Stage) -> str:
    inputs, outputs = (", ".join(f"`{name}`" for name in names) for names in (stage.inputs, stage.outputs))
    return f"| {stage.name} | {stage.version} | {inputs} | {outputs} |\n"
