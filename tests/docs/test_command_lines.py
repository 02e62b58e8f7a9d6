"""Every command line of README and documentation: it parses, and it is carried out here, or the table says why not.

A new line on a page that fits no row of `HOW` fails. `QUICK` rows are carried out at once in a workspace of their own,
`STUDY` rows in a slow test on a finished study, `SHOWN` rows are only parsed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.docs.command_lines import ROOT, Do, Line, commands, lines, pages, parse, spans
from vlmunl.manifests import shipped

QUICK, STUDY, SHOWN = "quick", "study", "shown"
REAL = "clear|fiubench|llava-mllmu|qwen-vl-covu|qwen-vl-mllmu|qwen3-muse|qwen3-tofu|qwen3-wmdp"


class How(NamedTuple):
    """What is done with the lines that a pattern fits as a whole: the first row that fits counts."""

    pattern: str
    kind: str
    code: int = 0
    why: str = ""


HOW = (
    # ---------------------------------------------------------------- needs what a test machine does not have
    How(r"vlmunl fetch .*", SHOWN, why="the network; tests/hub carries fetch out on a stand-in of the Hub"),
    How(rf"vlmunl run ({REAL})", SHOWN, why="a GPU, the real model and its data"),
    How(rf"vlmunl run ({REAL}) --dry-run", QUICK, 1),  # the model is not here
    How(rf"vlmunl doctor ({REAL})", QUICK, 4),  # as doctor says itself
    How(r"vlmunl (run audit|run audit_by_chance)", SHOWN, why="tests/stages/test_audit.py carries them out"),
    How(r"sbatch .*", SHOWN, why="Slurm; the wrapper is parsed as the command that it stands for"),
    How(r"vlmunl (submit|cancel) .*", SHOWN, why="Slurm; tests/cluster submits to a real one and to a stand-in"),
    How(r"vlmunl status qwen3-tofu --watch", SHOWN, why="a queue; tests/cluster/test_watch.py watches one"),
    How(r"(less .)?.*vlmunl logs .*", SHOWN, why="a job's log; tests/cluster/test_logs.py has some"),
    How(r"vlmunl sync .*", SHOWN, why="a Hub; tests/hub carries it out on one that runs on this machine"),
    How(r"srun .*|export MASTER_ADDR=.*", SHOWN, why="Slurm and several nodes"),
    How(r"(torchrun|accelerate launch) .* -m vlmunl run STUDY", SHOWN, why="tests/models/test_distributed.py launches"),
    # ------------------------------------------------------------------------- stands for something of the reader's
    How(r"vlmunl (run|routes) mine\.toml .*", SHOWN, why="tests/docs/test_own_parts.py carries them out"),
    How(r"vlmunl show [0-9a-f]{8}|vlmunl diff [0-9a-f]{8} [0-9a-f]{8}", SHOWN, why="a made-up key; names are tried"),
    How(
        r"vlmunl diff old/run_manifest\.json .*", SHOWN, why="a file of the reader's; tests/commands compare manifests"
    ),
    How(r"vlmunl store pin camera-ready [0-9a-f]{8} .*", SHOWN, why="a made-up key; pinning by name is tried"),
    How(r"vlmunl trace quick summary:16", SHOWN, why="a line of a longer summary; tests/trail/test_names.py"),
    How(r"vlmunl store export quick weak-imprint .*", SHOWN, why="two studies; tests/commands/test_store_bundles.py"),
    How(r"vlmunl store gc --stale --also .*", SHOWN, why="another workspace of the reader's; tests/store has such"),
    How(r"vlmunl --(store|workspace) /.*", SHOWN, why="a folder of the reader's"),
    How(
        r"vlmunl benchmarks check .* --split split_small",
        SHOWN,
        why="a column of the reader's; tests/benchmarks/folder",
    ),
    # ----------------------------------------------------------------------------- other programs
    How(r"make (demo|test)", SHOWN, why="CI runs them"),
    How(r"pip install \.", SHOWN, why="tests/commands/test_init.py builds and unpacks the package"),
    How(r"cd [\w-]+( && latexmk .*)?", SHOWN, why="a change of directory; tests/latex/test_paper.py runs latexmk"),
    How(r"mkdir .* && cp .*|python docs/audit/.*", SHOWN, why="tests/stages/test_audit.py carries them out"),
    # ------------------------------------------------------------------------------- a second or so each
    How(r"vlmunl (version|models|doctor)( .*)?", QUICK),
    How(r"vlmunl methods( npo| --markdown)?", QUICK),
    How(r"vlmunl routes(?!.*--preview)( .*)?", QUICK),
    How(r"vlmunl init my-audit( --study own-people)?", QUICK),
    How(r"vlmunl benchmarks( folder| --markdown)?", QUICK),
    How(r"vlmunl benchmarks (example|check) .*", QUICK),
    How(r"vlmunl run (quick|own-people)( .*)? --dry-run", QUICK),
    How(r"vlmunl status quick --why --set .*", QUICK, 4),  # nothing of that study is done
    # --------------------------------------------------------------------- on a study that has been carried out
    How(r"vlmunl benchmarks preview .*", STUDY),
    How(r"vlmunl routes quick --preview.*", STUDY),
    How(r"vlmunl --workspace my-audit run first", STUDY),
    How(r"vlmunl run own-people", STUDY),
    How(r"vlmunl (run|gate|unlearn|eval|aggregate|tables|status|trace|report) (quick|own-people)( .*)?", STUDY),
    How(r"vlmunl show (gate|unlearn)/.*", STUDY),
    How(r"vlmunl imprint quick( --seed 0)?", STUDY),
    How(r"vlmunl imprint quick --seed 0 --set imprint.steps=200", STUDY),
    How(r"vlmunl diff unlearn/.* --exit-code", STUDY, 1),  # they differ
    How(r"vlmunl diff .*", STUDY),
    How(r"vlmunl store .*", STUDY),
)
PIN = "vlmunl store pin camera-ready eval/npo/seed0"
FIRST = (PIN, "vlmunl store export quick --out quick.tar")
"""What other lines of the store rest on; carried out before them."""
DRY = ("vlmunl imprint quick --seed 0 --set imprint.steps=200", "vlmunl run quick --set methods.npo.lr=1e-3")
"""Minutes of training: carried out with --dry-run."""
PLACES = {"STUDY", "NAME", "mine.toml", "my-study.toml"}
"""What stands for a study of the reader's."""


def how(line: str) -> How | None:
    """The row that says what is done with a line."""
    return next((row for row in HOW if re.fullmatch(row.pattern, line)), None)


def shown() -> list[Line]:
    """All lines of all pages."""
    return [line for page in pages() for line in lines(page)]


def of_kind(kind: str) -> list[tuple[str, int]]:
    """Distinct lines with the exit code that is expected of them."""
    found = {line.text: row.code for line in shown() if (row := how(line.text)) is not None and row.kind == kind}
    return list(found.items())


def vlmunl_of(words: list[str]) -> list[str] | None:
    """The arguments of `vlmunl` in a command, also of one that launches it; None if it has nothing to do with it."""
    if words[0] == "vlmunl":
        return words[1:]
    if words[0] == "sbatch":
        at = next(i for i, word in enumerate(words) if word.endswith(".sbatch"))
        script = ROOT / words[at]
        assert script.is_file(), words
        return [script.stem, *words[at + 1 :]]
    if words[0] in ("torchrun", "accelerate"):
        at = words.index("vlmunl")
        assert words[at - 1] == "-m"
        return words[at + 1 :]
    if words[0] == "srun":
        return vlmunl_of(re.sub(r"^(\w+=\S+ )*", "", words[-1]).split())
    return None


def test_every_line_has_a_row_and_every_row_a_line() -> None:
    without = [f"{line.where}: {line.text}" for line in shown() if how(line.text) is None]
    assert not without, "carry it out, or say in HOW why it cannot be"
    used = {how(line.text) for line in shown()}
    assert not [row.pattern for row in HOW if row not in used], "no page has such a line any more"
    assert all(row.why for row in HOW if row.kind == SHOWN)


def test_every_line_is_understood() -> None:
    wrong, studies = [], {*shipped.names(), "audit", "audit_by_chance"}
    for line in shown():
        for words in commands(line.text):
            if (args := vlmunl_of(words)) is None:
                continue
            try:
                name, given = parse(args)
            except ValueError as error:
                wrong.append(f"{line.where}: {error}")
                continue
            study = given.get("study")
            if not isinstance(study, str) or study in PLACES:
                continue
            study = re.sub(r"^manifests/(.*)\.toml$", r"\1", study)
            if study not in studies:
                wrong.append(f"{line.where}: {name} of {study!r}, which is no study that is shipped")
            elif study in shipped.names():
                wrong += [f"{line.where}: {name} of {study}, which has no {what}" for what in _lacks(study, given)]
    assert not wrong


def _lacks(study: str, given: dict[str, Any]) -> Iterator[str]:
    """Seeds and rows that a command names and its study does not have."""
    from vlmunl.manifests.load import load_study

    loaded = load_study(ROOT / "vlmunl" / "manifests" / "builtin" / f"{study}.toml")
    rows = {"base", *loaded.roles, *(method.name for method in loaded.methods)}
    yield from (f"seed {seed}" for seed in given.get("seed") or () if seed not in loaded.study.seeds)
    yield from (f"row {row}" for row in given.get("method") or () if row not in rows)


def test_settings_on_the_pages_are_settings(tmp_path: Path) -> None:
    from vlmunl.manifests.load import load_study

    tried = 0
    for line in shown():
        for words in commands(line.text):
            args = vlmunl_of(words)
            _, given = parse(args) if args else ("", {})
            study = given.get("study") or given.get("name")
            if given.get("sets") and study in shipped.names():
                load_study(ROOT / "vlmunl" / "manifests" / "builtin" / f"{study}.toml", given["sets"])
                tried += 1
    assert tried > 3


def test_commands_in_the_running_text_exist() -> None:
    """`vlmunl trace` may leave out its arguments, and what is in capitals or `<...>` stands for something."""
    wrong = []
    for page in pages():
        for line in spans(page):
            for words in commands(line.text):
                if re.fullmatch(r"[A-Z]+|<\w+>", words[1]):
                    continue
                try:
                    parse(words[1:])
                except ValueError as error:
                    if "Missing " not in str(error):
                        wrong.append(f"{line.where}: {error}")
    assert not wrong


def test_targets_of_make_and_files_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in pages():
        for name in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE):
            assert name in targets, (page, name)
    for line in shown():
        for name in re.findall(r"(?:commands|docs|examples)/\S+\.\w+", line.text):
            assert list(ROOT.glob(name)), (line.where, name)


def test_the_parser_here_refuses_what_the_command_line_would(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    blocks = (
        "```sh\nvlmunl run quick --jbos 2   # no\nvlmunl rnu quick\n```",
        "    vlmunl show",
        "```console\nno\n$ a\n```",
    )
    page.write_text("\n\n".join(blocks) + "\n")
    found = list(lines(page))
    assert [(line.line, line.text) for line in found] == [
        (2, "vlmunl run quick --jbos 2"),
        (3, "vlmunl rnu quick"),
        (10, "a"),
        (6, "vlmunl show"),
    ]
    for line in found:
        if line.text != "a":
            with pytest.raises(ValueError, match="vlmunl"):
                parse(commands(line.text)[0][1:])
    assert parse(["run", "quick", "--jobs", "2"]) == parse(["--json", "run", "--jobs=2", "quick"])


# ---------------------------------------------------------------------------------- carrying them out


def _workspace(folder: Path) -> Path:
    (folder / "manifests").mkdir(parents=True)
    for path in (ROOT / "manifests").glob("*.toml"):
        shutil.copy(path, folder / "manifests")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.mark.model
def test_quick_lines_are_carried_out(do: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_workspace(tmp_path / "space"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    do("vlmunl benchmarks example my-people", 0)
    for line, code in of_kind(QUICK):
        shutil.rmtree("my-audit", ignore_errors=True)
        assert do(line, code) or code == 1, line


SMALL = """
[methods.graddiff_wide]
like  = "graddiff"
views = "wide"
steps = 20
"""


@pytest.fixture
def carried_out(do: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's workspace, with `quick` made of its study: the same cells and some more."""
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "tutorial.md"
    said = {line.text: do(line.text, 0) for line in lines(page) if line.text.startswith("vlmunl init")}
    assert any(text.startswith("86 files in my-audit") for text in said.values())
    space = tmp_path / "my-audit"
    monkeypatch.chdir(space)
    for path in (ROOT / "manifests").glob("*.toml"):
        shutil.copy(path, space / "manifests")
    own = (ROOT / "manifests" / "own-people.toml").read_text()
    (space / "manifests" / "quick.toml").write_text(own.replace('name  = "own-people"', 'name  = "quick"') + SMALL)
    return space


@pytest.mark.model
@pytest.mark.slow
def test_the_tutorial_and_all_lines_on_a_study(do: Do, carried_out: Path) -> None:
    told = [line.text for line in lines(ROOT / "docs" / "tutorial.md") if line.text.startswith("vlmunl ")]
    said = {line: do(line, 0) for line in told if not line.startswith("vlmunl init")}
    _as_on_the_page(said["vlmunl run own-people"])
    assert "sha256" in said["vlmunl trace own-people npo.wcr --rows 3"]
    do("vlmunl run quick", 0)
    rest = [(line, code) for line, code in of_kind(STUDY) if line not in told and "my-audit" not in line]
    for line in FIRST:
        do(line, 0)
    for line, code in rest:
        if line in FIRST:
            continue
        if "unpin" in line:
            do(PIN, 0)
        do(f"{line} --dry-run" if line in DRY else line, code)


def _as_on_the_page(said: str) -> None:
    """The verdicts of the page are those that came out; digits may differ from machine to machine."""
    page = (ROOT / "docs" / "tutorial.md").read_text()
    for row in ("base", "imprint", "graddiff", "npo", "gold", "placebo"):
        mine, its = (re.search(rf"^{row} .*?([a-z][a-z0 ]+)$", text, re.MULTILINE) for text in (said, page))
        assert mine is not None
        assert its is not None
        assert mine[1] == its[1], row


def test_pages_are_all_there(tmp_path: Path) -> None:
    names: Any = {str(path.relative_to(ROOT)) for path in pages()}
    assert {"README.md", "commands/README.md", "manifests/README.md", "docs/tutorial.md"} <= names
    assert len(shown()) > 120
