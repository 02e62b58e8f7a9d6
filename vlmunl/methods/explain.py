"""What a method needs, what it costs and what it shows the model: all of it read off its declaration. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlmunl.errors import StudyError
from vlmunl.methods import parts
from vlmunl.methods.costs import cost, cost_line
from vlmunl.methods.language import STREAMS, Number, Part, Recipe, Term, Where, arguments, stream_of, value_of
from vlmunl.methods.specs import Method
from vlmunl.stages.configs import StopRule

Kind = Literal["training", "edit", "inference"]
KINDS: dict[Kind, str] = {
    "training": "Training: gradient steps on the imprint",
    "edit": "Edits: weights are changed without a gradient step",
    "inference": "Inference: the weights still hold the knowledge",
}


def kind_of(method: Method) -> Kind:
    """Does it train, only edit, or leave the weights as they are?"""
    if method.recipe.infer is not None:
        return "inference"
    return "training" if method.recipe.terms or method.start == "base" else "edit"


def problem(method: Method) -> str | None:
    """Why a method cannot be used (a plug-in may name what is not there), or None."""
    try:
        if method.start == "imprint":
            parts.check(method.recipe, method.params)
    except StudyError as error:
        return f"method {method.name!r} cannot be used: {error.message}; {error.hint}"
    return None


# ------------------------------------------------------------------------------------------- needs


def needs(method: Method) -> list[str]:
    """What must be there beside the imprint and the forget request, in words of one or two."""
    recipe, found = method.recipe, []
    wanted = parts.needs_of(recipe)
    found += [view for view in parts.views_of(recipe) if view != "forget"]
    if any("reference" in need for need in wanted):
        found.append("reference")
    if any("oracle" in need for need in wanted):
        found.append("gold model")
    if any("layer" in need for need in wanted):
        found.append("an inner layer")
    found += [rule.rule for rule in recipe.rules]
    found += [edit.edit for edit in (*recipe.before, *recipe.after)]
    if recipe.infer is not None:
        found.append(recipe.infer.wrapper)
    if method.start == "base":
        found.append("the base model")
    return found


def needs_in_short(method: Method) -> str:
    """`needs` on one line: more than two views of one stream are counted."""
    found, of = needs(method), [stream_of(view) for view in parts.views_of(method.recipe) if "." in view]
    many = {stream for stream in of if of.count(stream) > 2}
    short = [f"{of.count(n.partition('.')[0])} views of {stream_of(n)}" if stream_of(n) in many else n for n in found]
    return ", ".join(dict.fromkeys(short))


_CACHED = {
    "total": "the summed NLL of each answer: one number per sample",
    "logits": "the last hidden states at the answer tokens, from which the head makes all logits again",
    "layer": "the states of the inner layer",
}


def caches(recipe: Recipe, params: Mapping[str, float]) -> list[str]:
    """What is computed once and then remembered: scores once for an imprint, the rest once for a sample."""
    found = []
    for probe, samples in parts.probes_of(recipe, params).values():
        asked = f"{samples:g} questions of each view" if samples > 0 else "all questions"
        found.append(f"probe {probe}: once per imprint, {asked}")
    for term in recipe.terms:
        for need in parts.LOSSES.named(term.loss, "loss").needs:
            who = "the gold model" if "oracle" in need else "the model before unlearning" if "reference" in need else ""
            view = term.other if need.startswith("other") else term.view
            if who:
                found.append(f"{who} on {view}: {_CACHED[need.split()[-1]]}")
    return list(dict.fromkeys(found))


# ------------------------------------------------------------------------------------- piece by piece


def term_line(term: Term, params: Mapping[str, float]) -> str:
    """`4 * ce(retain)`, settings by name and value."""
    loss = parts.LOSSES.named(term.loss, "loss")
    args = "".join(f", {name} = {number:g}" for name, number in arguments(loss, term.args, params).items())
    views = term.view if term.other is None else f"{term.view}, {term.other}"
    call = f"{term.loss}({views}{args})"
    if term.dual is not None:
        return f"w * {call}, w from {_number(term.dual.start, params)}"
    prefix = "" if term.weight == 1.0 else f"{_number(term.weight, params)} * "
    return prefix + call + (", shown to the rules only" if term.constraint else "")


def dual_line(term: Term, params: Mapping[str, float]) -> str | None:
    """How the weight of a term grows."""
    d = term.dual
    if d is None:
        return None
    slack, rate, warmup = (_number(n, params) for n in (d.slack, d.rate, d.warmup))
    return f"w <- max(0, w + {rate} (loss - {slack} * loss at the first step)), after {warmup} steps"


def call_line(name: str, given: Mapping[str, Number], part: Part, params: Mapping[str, float]) -> str:
    """`pcgrad`, or `mask(share = 0.5)`."""
    args = ", ".join(f"{key} = {number:g}" for key, number in arguments(part, given, params).items())
    return f"{name}({args})" if args else name


def _number(number: Number, params: Mapping[str, float]) -> str:
    return f"{value_of(number, params, 'the method'):g}"


def view_line(view: str) -> str:
    """What a view shows the model."""
    stream, _, transform = view.partition(".")
    if not transform:
        return STREAMS.get(stream, stream)
    part = parts.TRANSFORMS.named(transform, "view")
    return f"{STREAMS.get(stream, stream)}, {part.formula}"


def where_line(where: Where, params: Mapping[str, float]) -> str:
    """Which layers are trained or edited."""
    named = {"language": "language model", "vision": "vision tower", "down": "down-projection"}
    modules, places = ([named.get(name, name) for name in names] for names in (where.modules, where.parts))
    layers = f"{' and '.join(modules)} layers of the {' and '.join(places)}"
    if where.depth is None:
        return layers
    return f"{layers}; of the language model the last {where.last} up to {_number(where.depth, params)} of the depth"


def stop_line(stop: StopRule) -> str:
    """When the training ends before its last step."""
    tests = []
    if stop.forget_nll:
        tests.append(f"the forget NLL is above {stop.forget_nll:g} nats per token")
    if stop.strangers:
        tests.append(f"the forget NLL is above {stop.strangers:g} times that of people never taught")
    if stop.retain_rise:
        tests.append(f"the retain NLL is above {stop.retain_rise:g} times its first value")
    words = f"when {' or '.join(tests)}, for {stop.patience} steps" if tests else "never"
    return words + (f"; each sample by itself above {stop.each:g} nats per token" if stop.each else "")


def schedule_line(recipe: Recipe) -> str:
    """Whose turn it is in a step."""
    turns = "step" if recipe.every == 1 else f"{recipe.every} steps"
    return {
        "joint": "both sides in every step",
        "alternate": f"forget and retain alternate every {turns}",
        "epochwise": "an epoch of the forget side, then one of the retain side",
    }[recipe.schedule]


# ---------------------------------------------------------------------------------------- all of it


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One named part of a recipe: how it is used, what it computes, and who published it."""

    kind: str
    use: str
    formula: str
    source: str
    note: str = ""


def pieces(method: Method) -> list[Piece]:
    """Edits before, terms, rules, edits after, wrapper: in the order in which they work."""
    recipe, params = method.recipe, method.params
    found = [_edit("before", edit.edit, edit.args, params) for edit in recipe.before]
    for term in recipe.terms:
        loss, note = parts.LOSSES.named(term.loss, "loss"), dual_line(term, params) or ""
        use = term_line(term, params)
        found.append(Piece(kind=term.side, use=use, formula=loss.formula, source=loss.source, note=note))
    for rule in recipe.rules:
        part = parts.RULES.named(rule.rule, "rule")
        use = call_line(rule.rule, rule.args, part, params)
        found.append(Piece(kind="rule", use=use, formula=part.formula, source=part.source))
    found += [_edit("after", edit.edit, edit.args, params) for edit in recipe.after]
    if recipe.infer is not None:
        part = parts.WRAPPERS.named(recipe.infer.wrapper, "wrapper")
        use = call_line(recipe.infer.wrapper, recipe.infer.args, part, params)
        found.append(Piece(kind="when asked", use=use, formula=part.formula, source=part.source))
    return found


def _edit(when: str, name: str, args: Mapping[str, Number], params: Mapping[str, float]) -> Piece:
    part = parts.EDITS.named(name, "edit")
    return Piece(kind=when, use=call_line(name, args, part, params), formula=part.formula, source=part.source)


def views(method: Method) -> list[tuple[str, str]]:
    """(view, what it contains) of all views that the method reads: its terms, probes and wrapper."""
    return [(view, view_line(view)) for view in parts.views_of(method.recipe)]


def rows(method: Method) -> list[tuple[str, str]]:
    """(title, text) of all there is to say of one method, in the order of reading."""
    recipe, params, kind = method.recipe, method.params, kind_of(method)
    found = [("objective", method.objective), ("source", method.source)]
    for piece in pieces(method):
        note = f"; {piece.note}" if piece.note else ""
        found.append((piece.kind, f"{piece.use}\n{piece.formula} [{piece.source}]{note}"))
    found += [("view", f"{view}: {contains}") for view, contains in views(method)]
    found += [("remembered", line) for line in caches(recipe, params)]
    if method.start == "imprint" and kind != "inference":
        found.append(("changes", where_line(recipe.where, params)))
    found.append(("settings", ", ".join(f"{key} = {value:g}" for key, value in params.items()) or "none of its own"))
    if recipe.terms:
        optim = method.optim
        found.append(("training", f"steps = {optim.steps}, lr = {optim.lr:g}, warmup = {optim.warmup}"))
        if len({term.side for term in recipe.terms}) > 1:
            found.append(("in a step", schedule_line(recipe)))
        found.append(("stops early", stop_line(method.stop)))
    found += [("cost", cost_line(method)), ("fails", method.fails or "not known")]
    if kind == "inference":
        found.append(("caveat", "the weights still hold the knowledge: whoever has them can ask without this"))
    return found


def document(method: Method) -> dict[str, Any]:
    """Everything that can be derived, for `--json`, beside the declaration itself."""
    spent = cost(method)
    return {
        "kind": kind_of(method),
        "needs": needs(method),
        "cost": {"step": spent.step, "words": spent.words},
        "views": dict(views(method)),
        "caches": caches(method.recipe, method.params),
        "pieces": [vars(piece) for piece in pieces(method)],
        "parts": parts.versions(method.recipe),
    }
