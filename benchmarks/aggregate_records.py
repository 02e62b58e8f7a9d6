"""How long does it take to turn the records of a large store into the list of evidence that results rest on?

Reads every record of a finished study (10,000 by default), checks keys, seals and outputs, judges the gates, and
writes the run manifest in memory: all that `vlmunl aggregate` does before it looks at a single row. Beside it the
same records are merely read and parsed, which is the floor.

Usage:  python benchmarks/aggregate_records.py [--records 10000] [--repeats 5] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import report
import workspace

from vlmunl.manifests.plan import Plan
from vlmunl.manifests.states import Board
from vlmunl.store import Store


def evidence(root: Path, given: Plan) -> None:
    """The run manifest from a store that was just opened."""
    assert Board(given, Store.open(root / "store")).manifest().count(b'"status": "verified"') >= len(given.evidence)


def merely_read(root: Path, given: Plan) -> None:
    """Every record's file, parsed by the fastest parser there is, nothing checked."""
    for path in (root / "store" / "records").glob("*/*.json"):
        orjson.loads(path.read_bytes())


def clock(work: Callable[[Path, Plan], None], root: Path, given: Plan) -> report.Times:
    """Wall and CPU time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(root, given)
    return report.Times(time.perf_counter() - wall, time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="show where the time goes, and write nothing")
    options = parser.parse_args()
    root, given = workspace.finished(options.records)
    if options.profile:
        with cProfile.Profile() as profile:
            evidence(root, given)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    works = {"run manifest from all records": evidence, "reading and parsing alone": merely_read}
    times: dict[str, list[report.Times]] = {name: [] for name in works}
    for _ in range(options.repeats):
        for name, work in works.items():
            times[name].append(clock(work, root, given))
    rows = []
    for name, all_ in times.items():
        middle = report.median(all_)
        each = 1e6 * middle.cpu / len(given.cells)
        rows.append([name, f"{middle.wall:.2f}", f"{middle.cpu:.2f}", f"{each:.0f}"])
    head = ["work", "wall, s", "CPU, s", "CPU per record, µs"]
    text = f"{report.machine()}. {len(given.cells):,} records, medians of {options.repeats}, taken in turn.\n\n"
    report.write("aggregate_records", "The list of evidence from many records", text + report.table(head, rows))


if __name__ == "__main__":
    main()
