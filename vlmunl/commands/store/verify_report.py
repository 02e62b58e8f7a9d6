"""The report of `vlmunl store verify` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmunl.commands.byte_progress import size
from vlmunl.out import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlmunl.commands.store.opened import Opened
    from vlmunl.store.verify import Verification
    from vlmunl.trail.damage import Consequence, Users
    from vlmunl.trail.published import Numbers

_HOW = {"sizes": "names and sizes", "fast": "xxh3 re-computed", "full": "xxh3 and sha256 re-computed"}
_SHOWN = 6


def report(at: Opened, found: Verification, damage: Sequence[Consequence]) -> None:
    """Every damage with what rests on it, then the sum and what to do."""
    out = at.out
    for consequence in damage:
        for line in _lines(at, consequence):
            out.line(line)
    for gap in found.gaps[:_SHOWN]:
        out.line(f"gap  {gap}")
    if len(found.gaps) > _SHOWN:
        out.line(f"gap  and {len(found.gaps) - _SHOWN} more (--json lists all)")
    looked = f"{count(found.objects, 'object')} ({size(found.bytes)}), {count(found.records, 'record')}"
    verdict = f"{len(found.damages)} damaged" if found.damages else "all sound"
    out.line(f"{at.store.root}: {looked}: {verdict}  [{_HOW[found.level]}]")
    if found.leftovers:
        out.line(f"{count(len(found.leftovers), 'leftover file')}: vlmunl store gc clears away what is old enough")
    if found.damages:
        out.line(_advice(damage))


def _lines(at: Opened, consequence: Consequence) -> list[str]:
    damage = consequence.damage
    lines = [f"damaged {damage.kind} {damage.name}: {damage.problem}"]
    if damage.moved:
        lines.append(f"    moved to  {damage.moved}")
    elif damage.there:
        lines.append(f"    at        {damage.path}")
    for title, users in (
        ("made by", consequence.made_by),
        ("read by", consequence.read_by),
        ("then", consequence.downstream),
    ):
        if users:
            lines.append(f"    {title:<8}  {_cells(users)}")
    if consequence.studies:
        lines.append(f"    studies   {', '.join(consequence.studies)}")
    lines += [f"    numbers   {line}" for numbers in consequence.numbers for line in _numbers(numbers)]
    if damage.kind != "pin" and not consequence.numbers and at.workspace is not None:
        lines.append("    numbers   none that is published here")
    return lines


def _cells(users: Users) -> str:
    shown = [f"{cell} ({file[:10]})" for cell, file in users[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else "")


def _numbers(numbers: Numbers) -> list[str]:
    lines = []
    if numbers.figures:
        rows = ", ".join(
            f"{row} (seed {', '.join(map(str, seeds))})" if seeds else row for row, seeds in numbers.rows.items()
        )
        lines.append(f"{numbers.study}: {numbers.figures} of {numbers.of} figures: {rows or 'no row'}")
    if numbers.claims:
        lines.append(f"{numbers.study}: claims {', '.join(numbers.claims)}")
    if numbers.macros:
        more = f" and {len(numbers.macros) - 3} more" if len(numbers.macros) > 3 else ""
        lines.append(f"{numbers.study}: numbers.tex {', '.join(numbers.macros[:3])}{more}")
    if numbers.files:
        more = f" and {len(numbers.files) - _SHOWN} more" if len(numbers.files) > _SHOWN else ""
        lines.append(f"{numbers.study}: files {', '.join(numbers.files[:_SHOWN])}{more}")
    return lines


def _advice(damage: Sequence[Consequence]) -> str:
    studies = sorted({study for consequence in damage for study in consequence.studies})
    if not studies:
        return "no study here uses it: run what does, or drop it once it is old enough: vlmunl store gc --stale"
    again = "; ".join(f"vlmunl run {study}" for study in studies)
    if any(consequence.damage.there and not consequence.damage.moved for consequence in damage):
        return f"to make it anew: vlmunl store verify --quarantine, then: {again}"
    return f"to make it anew: {again}"
