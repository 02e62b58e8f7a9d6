"""Clear away what nothing needs, in two passes: into `trash/` first, gone for good when it has lain there in turn.

Why nothing is lost, though any number of processes put and record meanwhile, and nobody takes a lock:

- What is taken is unreached and older than the grace period by the file system's own clock. A put makes the object
  young first and looks at it after; here it is looked at once more just before it is renamed, and once more in the
  trash: one that became young in between is put back. A put that comes later finds nothing and writes it anew.
- Records go before the objects they name, so that no record stands without its objects.
- What the trash holds and a root reaches again is put back. A kill at any instant leaves work for the next pass only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmunl.errors import StoreDamaged, UsageError
from vlmunl.store.leftovers import leftovers
from vlmunl.store.mark import Marked, Roots, mark
from vlmunl.store.store import Store
from vlmunl.store.survey import Stored
from vlmunl.store.sweep import delete, file_clock, put_back, trash, trashed

GRACE = 14 * 86400.0
LEAST_GRACE = 3600.0
"""Seconds that anything is left alone: no cell takes longer from its first put to its record, or between two cells."""
Fate = Literal["trash", "delete", "restore"]
What = Literal["record", "object", "tmp", "claim", "doing", "partial", "quarantine"]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One file or folder that is, or would be, taken away or put back. `label` says what it was, if that is known."""

    what: What
    name: str
    fate: Fate
    path: Path
    size: int
    age: float
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What a pass did, or would do.

    `kept` counts objects that are needed, `young` those that nothing needs and that are not old enough;
    `grace` is the one in force, in seconds; `lost` are needed listings that are not there.
    """

    done: bool
    grace: float
    busy: int
    kept: int
    kept_bytes: int
    young: int
    young_bytes: int
    items: tuple[Item, ...]
    lost: tuple[str, ...]


def parse_age(text: str) -> float:
    """Seconds of `14d`, `12h`, `30m`, `2w`, `0`.

    Raises:
        UsageError: it is not a number with such a unit.
    """
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "")
    if not number.isdecimal() or len(number) > 6 or (not unit and int(number) != 0):
        raise UsageError(f"{text!r} is no length of time", "a number with s, m, h, d or w: 14d, 12h, 0")
    return float(int(number) * _UNITS.get(unit, 1))


def collect(
    store: Store,
    roots: Callable[[], Iterable[Roots]],
    *,
    grace: float = GRACE,
    stale: bool = False,
    quarantine: bool = False,
    do: bool = False,
) -> Collection:
    """Find what nothing needs, and with `do` take it away.

    Args:
        grace: in seconds; never less than an hour.
        roots: reads what the workspaces need; asked twice, before the search and just before the sweep.
        stale: also take records, and what only they need, that no root, pin or running cell reaches.
        quarantine: also take what `verify` set aside.

    Raises:
        StoreDamaged: something is damaged that may say what is needed.
        UsageError: the store is read-only, or (with `stale`) a cell of an unknown study is running.
        VlmunlError: whatever `roots` raises; nothing was taken.
    """
    now, grace = file_clock(store.root) if do else time.time(), max(grace, LEAST_GRACE)
    marked = mark(store, list(roots()), stale=stale, now=now, grace=grace)
    busy = len(marked.running) + sum(left.busy for left in leftovers(store.root, marked.running, now))
    if do and marked.lost:
        raise StoreDamaged(
            f"the listing {min(marked.lost)} is missing, so which files it holds is not known",
            "see who needs it: vlmunl store verify; run those studies, or drop what none needs: add --stale",
        )
    found = _found(store, marked, now, grace, quarantine=quarantine)
    if do:
        again = mark(Store(store.root), list(roots()), stale=stale, now=now, grace=grace)
        found = [item for item in found if _still(item, again)]
        found = [item for item in found if _carry_out(store, item, now - grace)]
    return _result(marked, found, grace, busy, done=do)


def _found(store: Store, marked: Marked, now: float, grace: float, *, quarantine: bool) -> list[Item]:
    """In the order in which they are to be done: what comes back, what goes for good, records, objects, the rest."""
    seen, old = marked.seen, now - grace
    items = list(_trash_items(store, marked, now, old))
    for name, record in seen.records.items():
        if name not in marked.records and seen.files[name].when < old:
            items.append(_item("record", name.file, "trash", seen.files[name], now, record.cell))
    for xxh3, stored in seen.objects.items():
        if xxh3 not in marked.objects and stored.when < old:
            makers = sorted({marked.graph.nodes[file].cell for file in marked.graph.makers.get(xxh3, ())})
            items.append(_item("object", xxh3, "trash", stored, now, ", ".join(makers)))
    for left in leftovers(store.root, marked.running, now, quarantine=quarantine):
        if left.dead or (not left.busy and left.stored.when < old):
            items.append(_item(left.what, left.stored.path.name, "delete", left.stored, now))
    return items


def _trash_items(store: Store, marked: Marked, now: float, old: float) -> Iterable[Item]:
    """Objects come before the records that name them."""
    for what, stored in trashed(store.root):
        name = stored.path.name
        if what == "object":
            wanted = name in marked.objects and name not in marked.seen.objects
        else:
            wanted = name in marked.revived
        if wanted:
            yield _item(what, name, "restore", stored, now)
        elif stored.when < old:
            yield _item(what, name, "delete", stored, now)


def _item(what: What, name: str, fate: Fate, stored: Stored, now: float, label: str = "") -> Item:
    age = max(0.0, now - stored.when)
    return Item(what=what, name=name, fate=fate, path=stored.path, size=stored.size, age=age, label=label)


def _still(item: Item, marked: Marked) -> bool:
    """Is it still to be taken, by what is known just before the sweep?"""
    if item.fate == "restore" or item.what not in ("object", "record"):
        return True
    return item.name not in (marked.objects if item.what == "object" else marked.kept)


def _carry_out(store: Store, item: Item, old: float) -> bool:
    """Do it, unless it has become young or has gone meanwhile; says whether it was done."""
    if item.fate == "restore":
        return put_back(store.root, item.path)
    if item.fate == "delete":
        return delete(item.path)
    return trash(store.root, item.path, old)


def _result(marked: Marked, found: list[Item], grace: float, busy: int, *, done: bool) -> Collection:
    objects = marked.seen.objects
    taken = {item.name for item in found if item.what == "object"}
    kept = [o.size for xxh3, o in objects.items() if xxh3 in marked.objects]
    young = [o.size for xxh3, o in objects.items() if xxh3 not in marked.objects and xxh3 not in taken]
    return Collection(
        done=done,
        grace=grace,
        busy=busy,
        kept=len(kept),
        kept_bytes=sum(kept),
        young=len(young),
        young_bytes=sum(young),
        items=tuple(found),
        lost=tuple(sorted(marked.lost)),
    )
