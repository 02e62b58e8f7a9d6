"""What stands under the tables in words: the scale, the intervals, the catalogue, and what is not evidence."""

from __future__ import annotations

from vlmunl.latex.numerals import ABSENT, bounds, counted, decimal
from vlmunl.latex.results import ModelRow, PendingCell, Results, Seed
from vlmunl.metrics.chance import SCALE, made_elsewhere, no_placebo

SHORT_HASH = 12
_NAMED_CELLS = 6


def provenance(results: Results) -> str:
    """The comment on a generated file's first line: where its numbers come from, without any time."""
    return (
        f"vlmunl tables; study {results.study}; catalogue {results.catalogue}; run manifest sha256 {results.evidence}"
    )


def wcr_notes(results: Results) -> tuple[str, ...]:
    """What every table with a WCR must say where it stands: models made elsewhere, failed controls, what is missing."""
    return (*made_elsewhere_notes(results), *control_warnings(results), *evidence_notes(results))


def wcr_background(results: Results) -> tuple[str, ...]:
    """What every table with a WCR of this study says in the same words: scale, intervals, thresholds, catalogue."""
    return (_scale_note(results), _interval_note(results), _policy_note(results), catalogue_note(results))


def _scale_note(results: Results) -> str:
    if results.calibration == "chance":
        return f"{SCALE} {ABSENT}: not defined for this row."
    return (
        "Recovery is 0 for a model that never learned the people (gold) and 1 for the imprinted one; below 0 the model "
        f"answers worse than gold. {ABSENT}: not defined for this row."
    )


def made_elsewhere_notes(results: Results) -> tuple[str, ...]:
    """Which models no cell of this study trained."""
    said = made_elsewhere(results.checkpoints, len(results.seeds))
    return (said,) if said else ()


def _interval_note(results: Results) -> str:
    draws, splits = results.resampling.get("draws"), results.resampling.get("splits")
    return (
        f"Brackets are {results.level} % intervals from a paired cluster bootstrap over identities"
        + (f" ({draws} draws)" if draws is not None else "")
        + (
            f"; cross-fitting averages {splits} half-splits, its interval is a jackknife's"
            if splits is not None
            else ""
        )
        + f". Lower bound: one-sided {results.level} %, simultaneous over all live routes (max-T). "
        "The plug-in maximum is chosen and measured on the same data and is optimistic."
    )


def _policy_note(results: Results) -> str:
    get = results.thresholds.get
    return (
        "Recovers: lower bound above 0. Robust: simultaneous upper bound below the tolerance "
        f"{decimal(get('tolerance'))}. Not assessable: utility below {decimal(get('utility_floor'))}, or refusal + "
        f"invalid on retain above {decimal(get('refusal_ceiling'))}. Held-out families (in no method's training): "
        + (", ".join(results.held_out) or "none")
        + "."
    )


def tuning_notes(results: Results) -> tuple[str, ...]:
    """What was chosen on what; nothing for a study that tunes nothing."""
    t = results.tuning
    if t is None:
        return ()
    return (
        (
            f"Trials: settings tried per method, {t.budget or ABSENT} where it was tuned. Chosen per seed on "
            f"{counted(t.people, 'further person', 'further people')} to forget, "
            f"who {_are(t.people)} in no figure here, "
            f"by {_SCORES.get(t.score, t.score)} recovery over the families "
            f"{', '.join(t.families) or ABSENT}, subject to "
            "the utility floor on people and questions that are in no figure either."
        ),
    )


_SCORES = {"worst": "the least worst-case", "mean": "the least mean"}


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def catalogue_note(results: Results) -> str:
    """Hash, routes and sample sizes: figures with another hash must not stand in the same table."""
    n, lost = results.n, sum(bool(route.not_asked) for route in results.routes)
    without = f"; {counted(lost, 'further route')} not asked of this benchmark" if lost else ""
    return (
        f"Catalogue {results.catalogue[:SHORT_HASH] or ABSENT} (tiers {', '.join(results.tiers) or ABSENT}): "
        f"{counted(len(results.routes) - lost, 'route')}, {live_routes(results)}{without}. "
        f"{counted(n.get('identities'), 'identity', 'identities')}, {counted(n.get('items'), 'item')}, "
        f"{counted(n.get('retain_identities'), 'matched retain identity', 'matched retain identities')}, "
        f"{counted(n.get('seeds'), 'verified seed')}."
    )


def live_routes(results: Results) -> str:
    """`34 live`, or that no seed has been judged on yet."""
    return "liveness not judged yet" if results.seedless else f"{results.live_routes} live"


def control_warnings(results: Results) -> tuple[str, ...]:
    """A sentence for each control (placebo, base) that does not cover 0, or that has no interval yet."""
    sentences = (
        _control_warning(name, results.row(name))
        for name in ("placebo", "base")
        if name == "base" or not results.without_placebo
    )
    said = tuple(sentence for sentence in sentences if sentence)
    return (no_placebo(results.calibration), *said) if results.without_placebo else said


def _control_warning(name: str, row: ModelRow | None) -> str:
    interval = row.wcr.cross_fit if row is not None and row.wcr is not None else None
    if row is None or interval is None:
        return f"The WCR of {name} is not measured yet, so the zero of the scale is unchecked."
    if row.verdict == "does not cover 0" or interval.excludes_zero:
        return (
            f"Warning: the WCR of {name}, {decimal(interval.estimate)} {bounds(interval)}, does not cover 0; "
            "no claim that rests on it counts as supported."
        )
    return ""


def evidence_notes(results: Results) -> tuple[str, ...]:
    """Seeds and cells that feed no number, each with its reason."""
    absent = tuple(seed for seed in results.seeds if seed.status != "verified")
    explained = {f"seed{seed.seed}" for seed in absent}  # the seed's own note covers its cells
    cells = tuple(cell for cell in results.pending if not explained & set(cell.cell.split("/")))
    return (*(_seed_note(seed) for seed in absent), *_pending_notes(cells))


def _seed_note(seed: Seed) -> str:
    failing = [gate for gate in seed.gate if gate.verdict != "passed"]
    figures = "; ".join(
        f"{gate.format} {gate.verdict or 'not judged'}"
        + (
            f", D = {decimal(gate.headroom.estimate)}, lower bound {decimal(gate.headroom.low)}"
            if gate.headroom
            else ""
        )
        for gate in failing
    )
    why = seed.reason or "no reason recorded"
    return f"Seed {seed.seed}: {words(seed.status)} ({why})" + (f" [{figures}]" if figures else "") + "; not evidence."


def _pending_notes(pending: tuple[PendingCell, ...]) -> tuple[str, ...]:
    groups: dict[tuple[str, str], list[str]] = {}
    for cell in pending:
        groups.setdefault((cell.status, cell.reason), []).append(cell.cell)
    return tuple(
        f"{words(status).capitalize()} ({reason or 'no reason recorded'}): {_some(cells)}."
        for (status, reason), cells in groups.items()
    )


def _some(cells: list[str]) -> str:
    named, rest = cells[:_NAMED_CELLS], len(cells) - _NAMED_CELLS
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")


def pending_reason(row: ModelRow, results: Results) -> str:
    """Why a row has no evidence: its own reason, else that of its first pending cell."""
    if row.reason:
        return row.reason
    cells = (cell for cell in results.pending if row.name in cell.cell.split("/"))
    first = next(cells, None)
    return f"{first.cell}: {first.reason or words(first.status)}" if first else "no verified cell yet"


def row_status(row: ModelRow, results: Results) -> str:
    """Status of a row without evidence: the one that all its missing cells and all seeds share, else `pending`."""
    if results.seedless:
        return results.seedless
    statuses = {cell.status for cell in results.pending if row.name in cell.cell.split("/")}
    statuses = statuses - {"verified"} or {"pending"}
    return statuses.pop() if len(statuses) == 1 else "pending"


def words(status: str) -> str:
    """`failed-gate` -> `failed gate`."""
    return status.replace("-", " ") or "pending"
