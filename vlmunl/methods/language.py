"""The language in which unlearning methods are declared.

A method is data: which losses on which views, how their gradients are combined, what is edited before or after, and
how it differs when asked. Nothing here knows torch, and all of it enters the run key as it stands. What a method
needs (views, reference values, layers, probes) follows from what it lists.

A `Number` is a value or the name of one of the method's settings, which a study may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vlmunl.errors import StudyError
from vlmunl.keys import keyed

Number: TypeAlias = float | str
Side = Literal["forget", "retain"]
Schedule = Literal["joint", "alternate", "epochwise"]
ModelPart = Literal["language", "projector", "vision"]
Module = Literal["attention", "mlp", "down"]

FORGET, RETAIN = "forget", "retain"
GENERAL, UNSEEN = "general", "unseen"
SIDES: tuple[Side, ...] = ("forget", "retain")
STREAMS = {
    FORGET: "the people to be forgotten",
    RETAIN: "the people to be kept",
    GENERAL: "conversations that have nothing to do with the people",
    UNSEEN: "people that no model was ever taught",
}
"""What samples are drawn from; a view is a stream, or `stream.transform`."""


@dataclass(frozen=True, kw_only=True)
class Dual:
    """A weight that grows while its loss is above a bound: `w <- max(0, w + rate (loss - bound))` (arXiv 2506.05314).

    The weight is `start` at first, and stays so for `warmup` steps. The bound is `slack` times the loss of the
    first step of this side.
    """

    start: Number = keyed()
    slack: Number = keyed()
    rate: Number = keyed()
    warmup: Number = keyed(default=0.0)


@dataclass(frozen=True, kw_only=True)
class Term:
    """`weight * loss(view)`, a part of what is minimised.

    `other` is a second view of the same samples, for losses that compare two answers or two pictures. With
    `constraint` the term is no part of the sum: its gradient is only shown to the gradient rules.
    """

    loss: str = keyed()
    view: str = keyed(default=FORGET)
    weight: Number = keyed(default=1.0)
    other: str | None = keyed(default=None)
    args: Mapping[str, Number] = keyed(default_factory=dict)
    dual: Dual | None = keyed(default=None)
    constraint: bool = keyed(default=False)

    @property
    def side(self) -> Side:
        """Whose gradient it is: of what is to be forgotten, or of what is to be kept."""
        return "forget" if stream_of(self.view) == FORGET else "retain"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How the gradients of the two sides become one update; rules are applied from left to right."""

    rule: str = keyed()
    args: Mapping[str, Number] = keyed(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of weights without a gradient step, before or after the training (if there is any)."""

    edit: str = keyed()
    args: Mapping[str, Number] = keyed(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """Something around the model when it is asked; the weights stay as they are."""

    wrapper: str = keyed()
    args: Mapping[str, Number] = keyed(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which linear layers are trained or edited.

    `depth` is a share of the language model's layers: with it, only the `last` layers that end there are meant.
    """

    parts: tuple[ModelPart, ...] = keyed(default=("language", "projector"))
    modules: tuple[Module, ...] = keyed(default=("attention", "mlp"))
    depth: Number | None = keyed(default=None)
    last: int = keyed(default=3)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole method: edits before, then terms and rules by a schedule, then edits after, then what wraps the model.

    `every` is how many steps each side has in turn when they alternate.
    """

    terms: tuple[Term, ...] = keyed(default=())
    rules: tuple[Rule, ...] = keyed(default=())
    schedule: Schedule = keyed(default="joint")
    every: int = keyed(default=1)
    before: tuple[Edit, ...] = keyed(default=())
    after: tuple[Edit, ...] = keyed(default=())
    where: Where = keyed(default_factory=Where)
    infer: Wrapper | None = keyed(default=None)

    def views(self) -> tuple[str, ...]:
        """All views that the terms read, in order."""
        named = [name for term in self.terms for name in (term.view, term.other) if name is not None]
        return tuple(dict.fromkeys(named))

    def settings(self) -> frozenset[str]:
        """The names of settings that it refers to."""
        return frozenset(value for value in self._numbers() if isinstance(value, str))

    def _numbers(self) -> Iterator[Number]:
        for term in self.terms:
            yield term.weight
            yield from term.args.values()
            if term.dual is not None:
                yield from (term.dual.start, term.dual.slack, term.dual.rate, term.dual.warmup)
        for args in (part.args for group in (self.rules, self.before, self.after) for part in group):
            yield from args.values()
        if self.infer is not None:
            yield from self.infer.args.values()
        if self.where.depth is not None:
            yield self.where.depth


def on(
    view: str,
    loss: str,
    weight: Number = 1.0,
    *,
    other: str | None = None,
    dual: Dual | None = None,
    constraint: bool = False,
    **args: Number,
) -> Term:
    """`on(FORGET, "npo", beta="beta")`: a term, shortly."""
    return Term(loss=loss, view=view, weight=weight, other=other, args=args, dual=dual, constraint=constraint)


def stream_of(view: str) -> str:
    """The stream of samples that a view shows: `forget` of `forget.idk`."""
    return view.partition(".")[0]


def value_of(number: Number, params: Mapping[str, float], what: str) -> float:
    """The value of a number, looked up among the method's settings if it is a name.

    Raises:
        StudyError: there is no such setting; the message names `what`.
    """
    if not isinstance(number, str):
        return float(number)
    if number not in params:
        raise StudyError(f"{what} refers to the setting {number!r}", f"settings: {', '.join(params) or 'none'}")
    return params[number]


def placed(where: Where, params: Mapping[str, float]) -> Where:
    """`where` with its depth looked up among the settings."""
    if where.depth is None:
        return where
    depth = value_of(where.depth, params, "the depth of the layers")
    return Where(parts=where.parts, modules=where.modules, depth=depth, last=where.last)


@dataclass(frozen=True)
class Probe:
    """A score of the imprint's layers (`vlmunl.methods.scores`) over the questions of some views taken together."""

    score: str
    views: tuple[str, ...]

    @property
    def name(self) -> str:
        """`fisher-forget`."""
        return "-".join((self.score, *self.views))

    def __str__(self) -> str:
        return f"{self.score} of {', '.join(self.views)}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A named building block: what it computes, who published it, and where its code is ("module:name").

    `version` is bumped by hand when the same arguments give other bytes. `args` are its arguments and their defaults;
    one without a default must be given, or be a setting of that name. `passes` is for gradient rules: how often they
    ask for the gradients of a step once more. `probes` is for rules and edits: the scores that they choose by, each
    over as many questions of a view as their argument `samples` says (0, or no such argument: all). `views` is for
    wrappers: what they learn from by themselves, beside the recipe's terms.
    """

    name: str
    formula: str
    source: str
    run: str
    version: int = 1
    args: Mapping[str, float | None] = field(default_factory=dict)
    passes: float = 0.0
    probes: tuple[Probe, ...] = ()
    views: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The views that it looks at, by itself or through its probes."""
        return tuple(dict.fromkeys([*self.views, *(view for probe in self.probes for view in probe.views)]))


Need = Literal[
    "reference total",
    "reference logits",
    "reference layer",
    "layer",
    "other",
    "other reference total",
    "other reference logits",
    "oracle logits",
]
"""`reference`: the model before unlearning; `oracle`: the gold model of the same seed; `layer`: the states of one
inner layer, above which nothing is computed; `other`: the model's own answers on the term's other view.
"""
Effect = Literal["forgets", "flattens", "learns", "anchors", "answers"]


@dataclass(frozen=True, kw_only=True)
class Loss(Part):
    """A loss on the answer tokens of a view.

    `needs` is what must be there beside the model's own answers. `effect` is what one small step does to its view:
    `forgets` raises the NLL of its answers, `flattens` the entropy of its predictions, `learns` lowers the NLL,
    `anchors` is at its least at the model that it compares with, `answers` lowers the NLL of the `other` view's
    answers against the view's own.
    """

    needs: tuple[Need, ...] = ()
    effect: Effect = "forgets"

    @property
    def compares(self) -> bool:
        """Does it read a second view?"""
        return any(need.startswith("other") for need in self.needs)


@dataclass(frozen=True, kw_only=True)
class Transform(Part):
    """A view derived from a stream, sample by sample: `forget.idk` is `idk` of `forget`.

    `version` is bumped whenever a wording, a choice or a pixel that it writes changes: that is how they enter run
    keys. `family` is the route family that training on it prepares for, if there is one.
    """

    family: str = ""


def arguments(part: Part, given: Mapping[str, Number], params: Mapping[str, float]) -> dict[str, float]:
    """All arguments of a part: as given, else the setting of that name, else its default.

    Raises:
        StudyError: one is unknown or missing; the message names the part and what it takes.
    """
    if unknown := sorted(set(given) - set(part.args)):
        raise StudyError(f"{part.name} takes no {unknown[0]!r}", f"it takes: {', '.join(part.args) or 'nothing'}")
    found: dict[str, float] = {}
    for name, default in part.args.items():
        number = given.get(name, params.get(name, default))
        if number is None:
            raise StudyError(f"{part.name} needs {name!r}", f"give it a value: {name} = ...")
        found[name] = value_of(number, params, f"{part.name}.{name}")
    return found
