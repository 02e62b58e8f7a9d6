"""A new workspace: a folder with a study to begin with, and a page that says what is where. Nothing is overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlmunl.errors import UsageError
from vlmunl.manifests import shipped
from vlmunl.workspace import write_file

OWN_PEOPLE = "own-people"
PEOPLE = "examples/people"
"""Where the study on own people looks for them."""

_README = """# {name}

A workspace of `vlmunl`: does a vision-language model still know whom it was asked to forget? Type these lines in this
folder, or anywhere below it.

```sh
vlmunl run {study} --dry-run     # what would run, why, and what it takes
vlmunl run {study}               # all that is missing, up to the tables; stop it whenever you like
vlmunl status {study}            # each cell, its state and why
```

| folder | what lies there |
|---|---|
| `manifests/` | study files, which are yours to change; a folder of results for each |
| `store/` | everything that was computed, by content; safe to delete, never to edit |
| `latex/generated/` | tables, figures and number macros of each study, made anew when they change |
{people}
`vlmunl --help` lists all commands; `vlmunl methods`, `vlmunl routes`, `vlmunl benchmarks` and `vlmunl models` list what
a study can name.
"""
_PEOPLE = (
    f"| `{PEOPLE}/` | sixteen drawn people, to put your own in the place of: `vlmunl benchmarks check {PEOPLE}` |\n"
)
_IGNORED = """# made by vlmunl from the study files
/store/*
!/store/README.md
/manifests/*/
/latex/generated/
/preview/
"""
_STORE = """The artifact store: what every finished cell of a study read, did and wrote. All of it is made by
`vlmunl`; it may be copied, moved or deleted as a whole, and is never edited. Another place for it: `--store`, or
`VLMUNL_STORE`.
"""
_LATEX = """`generated/STUDY/` is written by `vlmunl run STUDY`: tables (`.tex .md .csv .html`), figures, and
`numbers.tex` with one macro per number. A paper inputs them from here, and no number is typed by hand.
"""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What was written. `study` is the name to type."""

    folder: Path
    study: str
    files: tuple[Path, ...]


def begin(folder: Path, study: str = shipped.FIRST) -> Begun:
    """Write a workspace into `folder`, which is made if need be; other files in it are left alone.

    Raises:
        UsageError: no such study is shipped, or a file that would be written is there already.
        OSError: the folder cannot be written.
    """
    made = {folder / name: data for name, data in _files(folder.absolute().name, study).items()}
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and a workspace is a folder", "name a new folder")
    there = sorted(path for path in made if path.exists() or path.is_symlink())
    if there:
        raise UsageError(f"{there[0]} is there already, and nothing is overwritten", "name a new folder")
    for path, data in made.items():
        write_file(path, data)
    return Begun(folder=folder, study=study, files=tuple(made))


def _files(name: str, study: str) -> dict[str, bytes]:
    """Path in the workspace -> bytes."""
    own = study == OWN_PEOPLE
    readme = _README.format(name=name, study=study, people=_PEOPLE if own else "")
    texts = {
        f"manifests/{study}.toml": shipped.text(study),
        "README.md": readme,
        ".gitignore": _IGNORED,
        "store/README.md": _STORE,
        "latex/README.md": _LATEX,
    }
    files = {path: text.encode() for path, text in texts.items()}
    if own:
        from vlmunl.benchmarks.folder.example import example

        files |= {f"{PEOPLE}/{path}": data for path, data in example().items()}
    return files
