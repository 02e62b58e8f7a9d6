"""Which cells feed which figure of the verified results.

These rules say in data what `vlmunl.metrics` computes in code; a test changes and removes every cell of a study and
holds each figure that moves against them. A cell plays a part:

    rows      its rows enter the figure
    verdict   its verdict lets the seed count
    verified  it must be verified, or the seed does not count; its rows do not enter
    steps     its record tells the training steps
    status    its status is counted or named
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from vlmunl.errors import StudyError
from vlmunl.metrics import chance
from vlmunl.metrics.evidence import reported
from vlmunl.metrics.own.declared import against
from vlmunl.trail.document import Document, Path

Part = Literal["rows", "verdict", "verified", "steps", "status"]
Uses = dict[str, Part]

_STRENGTH: tuple[Part, ...] = ("rows", "steps", "verdict", "verified", "status")
CONTROLS = ("base", "placebo")


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What a figure of a row takes; `every_seed`: live routes are chosen on all seeds, not the row's alone.

    `placebo`: what chance reaches is taken from it, at every seed. `attacks`: attacked models are asked too.
    """

    mine: Part = "verified"
    gate: Part = "verdict"
    gold: Part = "verified"
    imprint: Part = "verified"
    every_seed: bool = False
    steps: bool = False
    placebo: Part | None = None
    attacks: bool = False


_WORST = _Rule(mine="rows", gate="rows", gold="rows", imprint="rows", every_seed=True)
_PERSONS = _Rule(mine="rows", gate="rows", gold="rows", imprint="rows", every_seed=True, placebo="rows")
_TIERS = _Rule(mine="rows", gate="rows", gold="rows", imprint="rows", every_seed=True, attacks=True)
_CALIBRATED = _Rule(mine="rows", gate="rows", gold="rows")
_ON_KEPT_ITEMS = _Rule(mine="rows", gate="rows")
_OWN = _Rule(mine="rows")
_UTILITY = _Rule(mine="rows", imprint="rows")
_MEASURED_AGAINST = {"": _OWN, "gold": _Rule(mine="rows", gold="rows"), "imprint": _UTILITY}
_RULES: dict[str, _Rule | None] = {
    **dict.fromkeys(("wcr", "wcr_held_out", "item_wcr", "retain_did", "verdict", "reason"), _WORST),
    **dict.fromkeys(("accuracy", "logp"), _ON_KEPT_ITEMS),
    **dict.fromkeys(("refusal", "invalid", "refusal_invalid_retain"), _OWN),
    **dict.fromkeys(("utility", "utility_parts"), _UTILITY),
    **dict.fromkeys(("seeds", "n_seeds"), _Rule()),
    **dict.fromkeys(("name", "label", "kind", "views")),  # from the study file
    **dict.fromkeys(("canonical", "routes"), _CALIBRATED),
    **dict.fromkeys(("group", "trials")),
    **dict.fromkeys(("cost", "tried"), _Rule(steps=True)),
    "identity_wcr": _PERSONS,
    "tiers": _TIERS,
    **dict.fromkeys(("named", "own"), _Rule(mine="rows", gold="rows", imprint="rows")),
}


@dataclass(frozen=True)
class Sources:
    """The rules, applied to one study's verified results and the cells of its run manifest."""

    document: Document
    cells: Mapping[str, Mapping[str, Any]]

    def of(self, path: Path) -> Uses:
        """Cell -> its part, in the manifest's order; empty for what the study file alone decides."""
        section, *rest = path or ("",)
        if section in ("comparisons", "best"):
            return self._in_order
        find: dict[str, Callable[[list[str]], Uses]] = {
            "rows": self._rows,
            "by_seed": self._by_seed,
            "routes": self._routes,
            "seeds": self._seeds,
            "n": self._n,
            "claims": self._claims,
            "detectable": lambda below: self._chance,
            "catalogue": lambda below: self._routes(["", "live"]) if below[:1] in ([], ["n_live"], ["by_tier"]) else {},
            **dict.fromkeys(("cells", "pending", "evidence"), lambda below: dict.fromkeys(self.cells, "status")),
        }
        uses = {self._there(cell): part for cell, part in (find[section](rest) if section in find else {}).items()}
        return {cell: uses[cell] for cell in self.cells if cell in uses}

    def needed(self, row: str, at: tuple[int, ...] | None = None) -> list[str]:
        """The cells that a row needs to be evidence at every seed, or at those of `at`."""
        seeds = [int(name) for name in self.document.tree["seeds"]] if at is None else at
        wanted = [cell for seed in seeds for cell in (f"gate/seed{seed}", *self._of_row(row, seed))]
        wanted += [self._there(f"eval/{role}/seed{seed}") for seed in seeds for role in ("gold", "imprint")]
        return [cell for cell in self.cells if cell in wanted]

    def _there(self, cell: str) -> str:
        """The cell itself; in the place of gold's the rows of chance, where these are what a study measures from."""
        return chance.CELL if chance.CELL in self.cells and cell.startswith("eval/gold/") else cell

    def in_the_way(self, row: str) -> list[str]:
        """Those of them that are not verified."""
        return [cell for cell in self.needed(row) if self.cells[cell].get("status") != "verified"]

    # --------------------------------------------------------------------------------------------

    def _rows(self, rest: list[str]) -> Uses:
        if not rest:
            return _union(self._rows([name]) for name in self.document.rows)
        row, *below = rest
        fields = [below] if below else [[name] for name in self.document.rows[row]]
        return _union(self._field(row, field) for field in fields)

    def _by_seed(self, rest: list[str]) -> Uses:
        """Figures of a row at one seed; its live routes are those of all seeds."""
        rows = rest[:1] or list(self.document.tree["by_seed"])
        pairs = [(row, seed) for row in rows for seed in rest[1:2] or self.document.tree["by_seed"][row]]
        return _union(self._at(row, int(seed), rest[2:]) for row, seed in pairs)

    def _at(self, row: str, seed: int, field: list[str]) -> Uses:
        if seed not in self.document.rows[row]["seeds"]:
            return dict.fromkeys(self.needed(row, (seed,)), "status")
        shown = self.document.tree["by_seed"][row][str(seed)]
        return _union(self._field(row, part, (seed,)) for part in ([field] if field else [[name] for name in shown]))

    def _field(self, row: str, field: list[str], at: tuple[int, ...] | None = None) -> Uses:
        seeds = tuple(self.document.rows[row]["seeds"]) if at is None else at
        if field[0] == "versus":
            return self._compared
        if not seeds:  # no figure, but a reason: that of the first cell that is not verified
            return {} if _RULES.get(field[0], _OWN) is None else dict.fromkeys(self.needed(row), "status")
        if field[0] == "adaptive":
            return self._searched(row, seeds)
        rule = _RULES.get(field[0], _WORST)
        if field[0] == "routes" and field[2:] == ["accuracy"]:
            rule = _ON_KEPT_ITEMS
        if field[0] == "named" and len(field) > 1:
            rule = _named(field[1])
        if field[0] == "own" and len(field) > 1:
            rule = _MEASURED_AGAINST[against(str(self.document.tree.get("own") or ""), field[1])]
        if rule is None:
            return {}
        if self._attacked(field):
            rule = replace(rule, attacks=True)
        if rule.placebo is not None:
            return _union([self._chance, *(self._mine(row, seed, rule) for seed in seeds)])
        return _union([self._scale(rule, seeds), *(self._mine(row, seed, rule) for seed in seeds)])

    def _searched(self, row: str, seeds: Iterable[int]) -> Uses:
        """Found routes: the search's own rows, on the items that the gate keeps; the row's seeds must count."""
        uses: Uses = {}
        for seed in seeds:
            uses |= {f"search/{row}/seed{seed}": "rows", f"gate/seed{seed}": "rows"}
            uses |= {f"eval/{role}/seed{seed}": "verified" for role in ("gold", "imprint", row)}
        return uses

    def _mine(self, row: str, seed: int, rule: _Rule) -> Uses:
        uses: Uses = {"eval/base" if row == "base" else f"eval/{row}/seed{seed}": rule.mine}
        if rule.attacks:
            uses |= dict.fromkeys(self._attacks(row, seed), "rows")
        if rule.steps:
            uses |= dict.fromkeys(self._trained(row, seed), "steps")
        return uses

    def _trained(self, row: str, seed: int) -> tuple[str, ...]:
        """What made the model of a row: one training, or trials and the choice among them."""
        names = (f"imprint/{row}/seed{seed}", f"unlearn/{row}/seed{seed}", f"select/{row}/seed{seed}")
        return (*names, *(cell for cell in self.cells if cell.startswith(f"unlearn/{row}/seed{seed}/trial")))

    def _of_row(self, row: str, seed: int) -> tuple[str, ...]:
        scored = "eval/base" if row == "base" else f"eval/{row}/seed{seed}"
        tried = (cell for cell in self.cells if cell.startswith(f"eval/{row}/seed{seed}/trial"))
        return (*self._trained(row, seed), *tried, scored)

    def _scale(self, rule: _Rule, seeds: Iterable[int]) -> Uses:
        uses: Uses = {}
        for seed in self.document.counted if rule.every_seed else seeds:
            uses |= {f"gate/seed{seed}": rule.gate}
            uses |= {f"eval/gold/seed{seed}": rule.gold, f"eval/imprint/seed{seed}": rule.imprint}
            if rule.attacks:
                uses |= {cell: "rows" for role in ("gold", "imprint") for cell in self._attacks(role, seed)}
        return uses

    def _attacks(self, row: str, seed: int) -> list[str]:
        return [cell for cell in self.cells if cell.startswith(f"attack/{row}/seed{seed}/")]

    def _attacked(self, field: list[str]) -> bool:
        """Is it a figure of a route of a further tier, or one of the headline's where that has attacks?"""
        catalogue = self.document.tree.get("catalogue") or {}
        tiers = catalogue.get("tiers") or []
        headline = catalogue.get("headline") or (tiers[0] if tiers else "T0")
        if field[0] == "routes" and len(field) > 1 and field[1] in self.document.tree["routes"]:
            return bool(self.document.tree["routes"][field[1]]["tier"] != headline)
        return headline != "T0" or field[0] == "routes"

    @cached_property
    def _chance(self) -> Uses:
        """What luck reaches, of the placebo against gold."""
        seeds = self.document.rows["placebo"]["seeds"] if "placebo" in self.document.rows else ()
        known = _union(self._mine("placebo", seed, _WORST) for seed in seeds)
        missing: Uses = {f"eval/placebo/seed{seed}": "status" for seed in self.document.counted}
        return _union([self._scale(_WORST, ()), known, missing])

    @cached_property
    def _in_order(self) -> Uses:
        uses = self._compared
        return {cell: uses[cell] for cell in self.cells if cell in uses}

    @cached_property
    def _compared(self) -> Uses:
        """Every method and the placebo: one difference is corrected for all the others."""
        names = [name for name, row in self.document.rows.items() if row["kind"] == "method" or name == "placebo"]
        seeds = {name: self.document.rows[name]["seeds"] for name in names}
        used = [self._mine(name, seed, _WORST) for name in names for seed in seeds[name]]
        missing: Uses = {cell: "status" for name in names for cell in self.needed(name)}
        return _union([self._scale(_WORST, ()), *used, missing])

    def _routes(self, rest: list[str]) -> Uses:
        if len(rest) > 1 and rest[1] not in ("live", "headroom"):
            return {}  # what the catalogue says
        measured = _Rule(gate="rows", gold="rows", imprint="rows", every_seed=True, attacks=True)
        return self._scale(measured, ())

    def _seeds(self, rest: list[str]) -> Uses:
        uses: Uses = {}
        for seed in [rest[0]] if rest else self.document.tree["seeds"]:
            uses[f"gate/seed{seed}"] = "rows"
            if "gate" not in rest[1:2]:
                uses |= dict.fromkeys((f"eval/gold/seed{seed}", f"eval/imprint/seed{seed}"), "verified")
        return uses

    def _n(self, rest: list[str]) -> Uses:
        uses = self._scale(_Rule(gate="rows", every_seed=True), ())
        if rest in ([], ["retain_identities"], ["unseen_identities"]):  # the people of all evaluations together
            uses = _union(
                [uses, dict.fromkeys((c for c in self.cells if c.startswith("eval/") and reported(c)), "rows")]
            )
        return uses

    def _claims(self, rest: list[str]) -> Uses:
        names = rest[:1] or list(self.document.tree["claims"])
        return _union(self.of(figure) for name in names for figure in self.claimed(name))

    def claimed(self, name: str) -> list[Path]:
        """The figures that a claim rests on: those that it names, and the verdicts that let it stand."""
        from vlmunl.metrics.claims import calibrated, parse

        try:
            condition = parse(self.document.tree["claims"][name]["when"])
        except StudyError:  # the results are of another version of the language
            return []
        paths: dict[Path, None] = {("rows", *figure.split(".")): None for figure in condition.figures}
        verdicts = [figure.partition(".")[0] for figure in condition.figures if calibrated(figure)]
        verdicts += CONTROLS if condition.rests_on_gold else ()
        paths |= {("rows", row, "verdict"): None for row in verdicts}
        return [path for path in paths if path[1] in self.document.rows]


def _named(figure: str) -> _Rule:
    """Of the three published metrics: which other models a figure is measured against."""
    if figure in ("forget_gold_ratio", "retain_gold_ratio", "mia_auc_gap", "mia_gold_gap"):
        return _Rule(mine="rows", gold="rows")
    return _UTILITY if figure.endswith(("_ratio", "_efficacy", "_performance")) else _OWN


def _union(parts: Iterable[Mapping[str, Part]]) -> Uses:
    """All cells, each with its strongest part."""
    uses: Uses = {}
    for part in parts:
        for cell, kind in part.items():
            known = uses.get(cell, kind)
            uses[cell] = min(known, kind, key=_STRENGTH.index)
    return uses
