"""From cells to Slurm jobs: one array per stage and seed where all its tasks wait for the same, or each for its own.

Dependencies are as narrow as Slurm can tell them: `afterok:JOB` and `afterok:JOB_INDEX` for what all tasks of a job
need, `aftercorr:JOB` where each task needs the task of the same index (the lanes of a study: method after method), so
that a failed task blocks what needs it and nothing else. What reads the run manifest comes `afterany`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vlmunl.manifests.cells import Cell, Plan

LARGEST = 1000
"""Tasks of an array: `MaxArraySize` is 1001 unless a site says otherwise, and an index must be below it."""


@dataclass(frozen=True)
class Upstream:
    """A job, or one task of an array. `job` is a `Group.name`, or the number of a job that is in the queue already."""

    job: str
    index: int | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """One job to be submitted: one cell, or the tasks of an array by index."""

    name: str
    stage: str
    command: str
    seed: int | None
    cells: tuple[tuple[int | None, str], ...]
    ok: tuple[Upstream, ...] = ()
    corr: tuple[str, ...] = ()
    any: tuple[str, ...] = ()

    @property
    def is_array(self) -> bool:
        """Has it tasks?"""
        return self.cells[0][0] is not None

    @property
    def indices(self) -> str:
        """`0-2,5`, as `--array` takes it."""
        numbers = sorted(index for index, _ in self.cells if index is not None)
        spans: list[list[int]] = []
        for number in numbers:
            if spans and number == spans[-1][1] + 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def groups(plan: Plan, wanted: Collection[str], queued: Mapping[str, Upstream]) -> list[Group]:
    """The jobs for the wanted cells, each after those it depends on; `queued` are cells that live jobs will do."""
    return _Grouping(plan, frozenset(wanted), queued).groups()


class _Grouping:
    def __init__(self, plan: Plan, wanted: frozenset[str], queued: Mapping[str, Upstream]) -> None:
        self.plan, self.wanted = plan, wanted
        self.where = dict(queued)
        self.queued = tuple(dict.fromkeys(place.job for place in queued.values()))
        self.names: Counter[str] = Counter()
        self.made: list[Group] = []
        self.needs = _needs(plan, wanted | queued.keys())

    def groups(self) -> list[Group]:
        for level in self._levels():
            buckets: dict[object, list[Cell]] = defaultdict(list)
            for cell in level:
                jobs = frozenset(self.where[name].job for name in self.needs[cell.name])
                buckets[cell.kind, cell.seed, cell.collects, jobs].append(cell)
            for cells in buckets.values():
                self._bucket(cells)
        return self.made

    def _levels(self) -> list[list[Cell]]:
        """The wanted cells by how many lie above them; what collects comes last, and then what needs it."""
        depth: dict[str, int] = {}
        for cell in self.plan.cells:
            if cell.name in self.wanted:
                above = [depth[name] for name in cell.needs if name in depth]
                depth[cell.name] = max(len(self.plan.cells) * cell.collects, 1 + max(above, default=-1))
        return [[self.plan.by_name[n] for n in depth if depth[n] == level] for level in sorted(set(depth.values()))]

    def _bucket(self, cells: list[Cell]) -> None:
        """Cells of one stage and seed that depend on the same jobs: as few arrays as Slurm's words allow."""
        if len(cells) == 1:
            return self._single(cells[0])
        at = {cell.name: self._places(cell) for cell in cells}
        jobs = list(at[cells[0].name])
        shared = [job for job in jobs if len({at[cell.name][job] for cell in cells}) == 1]
        lanes = [job for job in jobs if job not in shared]
        fitting = [cell for cell in cells if _lane(at[cell.name], lanes) is not None or not lanes]
        for array in self._arrays(fitting, at, lanes):
            self._add(array, [Upstream(job, i) for job in shared for i in at[fitting[0].name][job]], lanes)
        for cell in cells:
            if cell not in fitting:
                self._single(cell)
        return None

    def _places(self, cell: Cell) -> dict[str, tuple[int | None, ...]]:
        """Job -> the indices there that the cell waits for."""
        places: dict[str, list[int | None]] = defaultdict(list)
        for name in self.needs[cell.name]:
            places[self.where[name].job].append(self.where[name].index)
        return {
            job: tuple(sorted(found, key=lambda i: -1 if i is None else i)) for job, found in sorted(places.items())
        }

    @staticmethod
    def _arrays(
        cells: Sequence[Cell], at: Mapping[str, Mapping[str, tuple[int | None, ...]]], lanes: Sequence[str]
    ) -> Iterator[list[tuple[int, Cell]]]:
        """Cells with their indices: counted through, or those of what they wait for, each once per array."""
        if not lanes:
            for start in range(0, len(cells), LARGEST):
                yield list(enumerate(cells[start : start + LARGEST]))
            return
        rounds: dict[int, list[tuple[int, Cell]]] = defaultdict(list)
        seen: Counter[int] = Counter()
        for cell in cells:
            index = _lane(at[cell.name], lanes)
            assert index is not None, "only asked of cells with a lane"
            rounds[seen[index]].append((index, cell))
            seen[index] += 1
        yield from rounds.values()

    def _single(self, cell: Cell) -> None:
        self._add([(None, cell)], [Upstream(job, i) for job, found in self._places(cell).items() for i in found], ())

    def _add(self, members: Sequence[tuple[int | None, Cell]], ok: Iterable[Upstream], lanes: Iterable[str]) -> None:
        first = members[0][1]
        if len(members) == 1 and members[0][0] is not None:  # an array of one task says nothing that a job does not
            return self._single(first)
        name = self._name(first)
        collects = first.collects and not self.needs[first.name]  # else what it needs has waited for all
        everything = (*self.queued, *(group.name for group in self.made)) if collects else ()
        self.made.append(
            Group(
                name=name,
                stage=first.kind,
                command=first.command,
                seed=first.seed,
                cells=tuple((index, cell.name) for index, cell in members),
                ok=self._whole(ok),
                corr=tuple(lanes),
                any=everything,
            )
        )
        self.where |= {cell.name: Upstream(name, index) for index, cell in members}
        return None

    def _whole(self, ok: Iterable[Upstream]) -> tuple[Upstream, ...]:
        """All tasks of a new array are the array."""
        given = list(ok)
        sizes = {group.name: len(group.cells) for group in self.made if group.is_array}
        counts = Counter(place.job for place in given)
        whole = {job for job, number in counts.items() if sizes.get(job) == number}
        return tuple(dict.fromkeys(Upstream(p.job, None) if p.job in whole else p for p in given))

    def _name(self, cell: Cell) -> str:
        name = cell.kind + ("" if cell.seed is None else f"-seed{cell.seed}")
        self.names[name] += 1
        return name if self.names[name] == 1 else f"{name}-{self.names[name]}"


def _lane(places: Mapping[str, tuple[int | None, ...]], lanes: Sequence[str]) -> int | None:
    """The one index that a cell waits for in each of these arrays; None if they differ or are several."""
    found = {places[job] for job in lanes}
    if len(found) != 1:
        return None
    indices = found.pop()
    return indices[0] if len(indices) == 1 else None


def _needs(plan: Plan, pending: Collection[str]) -> dict[str, list[str]]:
    """Pending cell -> the pending cells it must wait for, less those that one of the others waits for itself."""
    above: dict[str, set[str]] = {}
    needs: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.name not in pending:
            continue
        direct = [name for name in cell.needs if name in pending]
        beyond = set().union(*(above[name] for name in direct))
        needs[cell.name] = [name for name in direct if name not in beyond]
        above[cell.name] = beyond | set(direct)
    return needs
