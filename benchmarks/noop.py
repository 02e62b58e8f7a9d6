"""How long does it take to find out that nothing is left to do? vlmunl beside Snakemake and DVC.

The same graph for all three: the cells of a study of independent seeds and what each reads. For Snakemake and DVC
every cell is a job that writes one small file from those of the cells it needs. All is finished; the commands are
taken in turn, each must say that there is nothing to do, and medians of wall and CPU time are reported.

Usage:  python benchmarks/noop.py [--cells 200 1000] [--repeats 5] [--tools build/bench-venv]
The other tools:  python -m venv build/bench-venv && build/bench-venv/bin/pip install snakemake==9.27.1 dvc==3.67.1
"""

from __future__ import annotations

import argparse
import compileall
import json
import shutil
import subprocess
import sys
from pathlib import Path

import report
import workspace

import vlmunl
from vlmunl import __version__
from vlmunl.manifests.plan import Plan

SNAKEFILE = """
import json
GRAPH = json.load(open("graph.json"))
rule all:
    input: ["out/" + cell for cell in GRAPH]
rule cell:
    input: lambda w: ["out/" + name for name in GRAPH[w.cell]]
    output: "out/{cell}"
    wildcard_constraints: cell="[^/]+"
    shell: "echo {wildcards.cell} > {output}"
"""
Command = tuple[list[str | Path], Path, str]
"""What to type, in which folder, and what it says when there is nothing to do."""


def graph(given: Plan) -> dict[str, list[str]]:
    """Cell -> the cells it needs, under names that can be file names; whoever reads all evidence needs all of it."""
    names = {cell.name: cell.name.replace("/", "-") for cell in given.cells}
    evidence = [names[cell.name] for cell in given.evidence]
    return {names[c.name]: evidence if c.collects else [names[n] for n in c.needs] for c in given.cells}


def call(folder: Path, *command: str | Path) -> None:
    """Run something that prepares a workspace.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(
            f"{' '.join(map(str, command))}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"
        )


def fresh(name: str) -> Path | None:
    """An empty folder to make a workspace in; None if it has been made already."""
    folder = workspace.BUILD / name
    if (folder / "done").exists():
        return None
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "out").mkdir(parents=True)
    print(f"making {folder.name}: this takes minutes", file=sys.stderr)
    return folder


def snakemake(tools: Path, given: Plan) -> list[tuple[str, Command]]:
    """The study's graph as a Snakemake workflow that has been run."""
    name = f"snakemake-{len(given.cells)}"
    if (folder := fresh(name)) is not None:
        (folder / "graph.json").write_text(json.dumps(graph(given)))
        (folder / "Snakefile").write_text(SNAKEFILE)
        for cell in graph(given):  # each stands after those it needs, and is as new as they or newer
            (folder / "out" / cell).write_text(f"{cell}\n")
        call(folder, tools / "snakemake", "--touch", "--cores", "1", "--quiet", "all")
        (folder / "done").touch()
    there, says = workspace.BUILD / name, "Nothing to be done"
    return [
        ("snakemake --cores 1", ([tools / "snakemake", "--cores", "1"], there, says)),
        ("snakemake --dry-run", ([tools / "snakemake", "--dry-run"], there, says)),
    ]


def dvc(tools: Path, given: Plan) -> list[tuple[str, Command]]:
    """The study's graph as a DVC pipeline whose outputs are all committed to its cache."""
    name = f"dvc-{len(given.cells)}"
    if (folder := fresh(name)) is not None:
        stages = {
            cell: {"cmd": f"echo {cell} > out/{cell}", "deps": [f"out/{n}" for n in needs], "outs": [f"out/{cell}"]}
            for cell, needs in graph(given).items()
        }
        for cell in stages:
            (folder / "out" / cell).write_text(f"{cell}\n")
        call(folder, tools / "dvc", "init", "--no-scm", "--quiet")
        (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}, indent=1))  # JSON is YAML
        call(folder, tools / "dvc", "commit", "--force", "--quiet")
        (folder / "done").touch()
    there, says = workspace.BUILD / name, "up to date"
    return [
        ("dvc repro", ([tools / "dvc", "repro"], there, says)),
        ("dvc status", ([tools / "dvc", "status"], there, says)),
    ]


def commands(tools: Path, cells: int) -> dict[str, Command]:
    """All commands to compare, on finished work of the same graph."""
    root, given = workspace.finished(cells)
    compileall.compile_dir(Path(vlmunl.__file__).parent, quiet=2)  # as pip does with the others
    ours = Path(sys.executable).parent / "vlmunl"
    found = [
        ("vlmunl run", ([ours, "run", "bench"], root, "no cell ran")),
        ("vlmunl status", ([ours, "status", "bench"], root, f"{len(given.cells)} verified")),
    ]
    for tool, make in (("snakemake", snakemake), ("dvc", dvc)):
        if (tools / tool).exists():
            found += make(tools, given)
    return dict(found)


def version(tools: Path, tool: str) -> str:
    """`snakemake 9.27.1`, or in capitals that it is not there."""
    if not (tools / tool).exists():
        return f"{tool.upper()} IS NOT INSTALLED: NOT COMPARED"
    said = subprocess.run([tools / tool, "--version"], capture_output=True, text=True, check=True)
    return f"{tool} {said.stdout.strip()}"


def measured(tools: Path, cells: int, repeats: int) -> str:
    """One table."""
    todo = commands(tools, cells)
    times: dict[str, list[report.Times]] = {name: [] for name in todo}
    for name, (command, folder, says) in todo.items():
        report.timed(command, folder, says)  # once for the page cache
        print(f"{cells} cells: {name}", file=sys.stderr)
    for _ in range(repeats):
        for name, (command, folder, says) in todo.items():
            times[name].append(report.timed(command, folder, says))
    medians = {name: report.median(all_) for name, all_ in times.items()}
    ours = medians["vlmunl run"]
    rows = [
        [f"`{name}`", f"{t.wall:.2f}", f"{t.wall / ours.wall:.1f}", f"{t.cpu:.2f}", f"{t.cpu / ours.cpu:.1f}"]
        for name, t in medians.items()
    ]
    return report.table(["command", "wall, s", "wall / vlmunl run", "CPU, s", "CPU / vlmunl run"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--tools", type=Path, default=Path("build/bench-venv"), help="where the other tools are installed"
    )
    options = parser.parse_args()
    tools = options.tools.absolute() / "bin"
    versions = [version(tools, tool) for tool in ("snakemake", "dvc")]
    for line in versions:
        if line.isupper() or "NOT INSTALLED" in line:
            print(f"*** {line} ***\n*** see the head of this script for how to install it ***", file=sys.stderr)
    here = report.machine()
    parts = [f"{here}. vlmunl {__version__}, {', '.join(versions)}. Medians of {options.repeats}, taken in turn."]
    for cells in options.cells:
        parts.append(f"{cells:,} finished cells:\n\n{measured(tools, cells, options.repeats)}")
    report.write("noop", "Nothing to do", "\n\n".join(parts))


if __name__ == "__main__":
    main()
