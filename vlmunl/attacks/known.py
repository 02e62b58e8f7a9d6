"""Every attack by name, read without torch: its arguments, what it needs, where its code is.

An attack is written `name:argument:argument`. It is made on the bare weights of the model that is asked; what a method
puts around its model when it is asked is put around it again afterwards. Unlearned, gold, placebo and imprint are
attacked alike, with the same data, steps and random numbers, so that only what gold does not show counts as recovered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlmunl.errors import StudyError
from vlmunl.methods.registry import Registry

AttackTier = Literal["T3", "T4", "T5"]
Need = Literal["imprint", "people"]
"""`imprint`: the model before unlearning. `people`: people to forget who are set aside, to learn from."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """A number: from `low` to `high`, `whole` or not, one of `choices` if there are any. None: it must be given."""

    name: str
    low: float
    high: float
    default: float | None = None
    whole: bool = False
    choices: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack: `run` is the path "module:function" of `(bench, *arguments) -> Iterator[Attacked]`.

    `tier` and `family` are those of the routes that use it. `version` is bumped by hand when the same arguments give
    other rows. With `many` the last argument may be repeated.
    """

    name: str
    tier: AttackTier
    family: str
    does: str
    source: str
    run: str
    version: int = 1
    args: tuple[Argument, ...] = ()
    many: bool = False
    needs: frozenset[Need] = frozenset()

    @property
    def usage(self) -> str:
        """How it is written: `prune:PERCENT`."""
        parts = [self.name, *(a.name.upper() for a in self.args)]
        return ":".join(parts) + ("..." if self.many else "")


def _steps(default: float) -> Argument:
    return Argument(name="steps", low=1, high=100_000, default=default, whole=True)


def _share(name: str, default: float | None = None) -> Argument:
    return Argument(name=name, low=0, high=1, default=default)


_TOKENS = Argument(name="tokens", low=1, high=256, default=8, whole=True)
_PEOPLE: frozenset[Need] = frozenset({"people"})

_WEIGHTS = (
    Attack(
        name="quantize",
        tier="T4",
        family="quantize",
        does=(
            "rounds every linear layer but the head, and computes with the rounded weights in the model's precision: "
            "8 bits, to the nearest of 255 even steps, one scale per output channel; 4 bits, to the nearest of 16 "
            "normal-float levels, one scale per 64 weights of a row (scales not rounded)"
        ),
        source="Zhang et al. (arXiv 2410.16454); levels of QLoRA (arXiv 2305.14314)",
        run="vlmunl.attacks.weights:quantize",
        args=(Argument(name="bits", low=4, high=8, whole=True, choices=(4, 8)),),
    ),
    Attack(
        name="prune",
        tier="T4",
        family="prune",
        does="sets the smallest weights of every linear layer but the head to zero, this percentage of each layer",
        source="magnitude pruning; a parametric route of the unlearning literature (arXiv 2410.16454)",
        run="vlmunl.attacks.weights:prune",
        args=(Argument(name="percent", low=0, high=99, default=10),),
    ),
    Attack(
        name="projector_restore",
        tier="T4",
        family="projector",
        does="puts the base model's projector in the place of the model's own",
        source="restoring modules from the public base model, as VL-Eraser does for the projector",
        run="vlmunl.attacks.weights:projector_restore",
    ),
    Attack(
        name="merge_base",
        tier="T4",
        family="merge",
        does="weights (1 - alpha) U + alpha B: averaged with the base model B, which never saw the people",
        source="weight averaging (model soups, arXiv 2203.05482)",
        run="vlmunl.attacks.weights:merge_base",
        args=(_share("alpha", 0.3),),
    ),
    Attack(
        name="scale",
        tier="T5",
        family="scale",
        does=(
            "weights I + alpha (U - I): alpha of the step from the imprint I to the unlearned model U; a model that "
            "has no such step (imprint, gold, placebo, retraining, a wrapper without weights) stays as it is"
        ),
        source="scaling or removing an unlearning adapter; task arithmetic (arXiv 2212.04089)",
        run="vlmunl.attacks.weights:scale",
        args=(Argument(name="alpha", low=-4, high=4),),
    ),
)
_RELEARN = (
    Attack(
        name="relearn_people",
        tier="T4",
        family="relearn",
        does="fine-tunes (LoRA, rank 16) on people to forget who are set aside, and asks about the others",
        source="relearning attacks (arXiv 2406.13356); by identities as in PAVA and OFFSIDE",
        run="vlmunl.attacks.relearn:people",
        args=(_steps(20),),
        needs=_PEOPLE,
    ),
    Attack(
        name="relearn_attributes",
        tier="T4",
        family="relearn",
        does=(
            "fine-tunes (LoRA, rank 16) on half of the attributes of the very people, and asks about the other half; "
            "then the other way round, so that every attribute is asked about once and none that was learned"
        ),
        source="relearning attacks (arXiv 2406.13356); disjoint attributes as in Open-MMUnlearning",
        run="vlmunl.attacks.relearn:attributes",
        args=(_steps(20),),
    ),
    Attack(
        name="relearn_unrelated",
        tier="T4",
        family="relearn",
        does="fine-tunes (LoRA, rank 16) on generic conversations that have nothing to do with the people",
        source="benign relearning (arXiv 2406.13356)",
        run="vlmunl.attacks.relearn:unrelated",
        args=(_steps(20),),
    ),
)
_INPUTS = (
    Attack(
        name="soft_prompt",
        tier="T4",
        family="learned_prompt",
        does="learned word embeddings before the question, trained on people set aside, with the model frozen",
        source="prompt tuning (arXiv 2104.08691) as an attack on unlearning (arXiv 2402.09063)",
        run="vlmunl.attacks.prompts:soft_prompt",
        args=(_TOKENS, _steps(40)),
        needs=_PEOPLE,
    ),
    Attack(
        name="visual_prompt",
        tier="T3",
        family="learned_prompt",
        does=(
            "learned tokens beside those of the vision tower, through the projector, trained on people set aside with "
            "the model frozen"
        ),
        source="visual prompt tuning (arXiv 2203.12119) as ForgetGate's resurrection attack",
        run="vlmunl.attacks.prompts:visual_prompt",
        args=(_TOKENS, _steps(40)),
        needs=_PEOPLE,
    ),
    Attack(
        name="perturb",
        tier="T3",
        family="perturb",
        does=(
            "one change of at most eps / 255 per pixel and colour for all pictures, by steps of 1 / 255 along the "
            "gradient's sign (PGD) that make the answers on people set aside likelier"
        ),
        source="universal perturbations as in SUA; PGD (arXiv 1706.06083)",
        run="vlmunl.attacks.perturb:perturb",
        args=(Argument(name="eps", low=0, high=255, default=12), _steps(40)),
        needs=_PEOPLE,
    ),
)
_INSIDE = (
    Attack(
        name="logit_lens",
        tier="T3",
        family="inside",
        does=(
            "reads the answer from inner layers: the state at the prompt's last token, through final norm and head; "
            "right if the answer's first token beats those of all other values of its attribute at any of these depths"
        ),
        source="UnLOK-VQA (arXiv 2309.17410 for the attack); logit lens",
        run="vlmunl.attacks.lens:logit_lens",
        args=(_share("depth"),),
        many=True,
    ),
    Attack(
        name="linear_probe",
        tier="T3",
        family="inside",
        does=(
            "reads the answer with a ridge regression from the state at the prompt's last token, at this depth, fitted "
            "for each attribute on retained people who are asked nothing here"
        ),
        source="linear probes (arXiv 1610.01644), with people apart as in Open-MMUnlearning",
        run="vlmunl.attacks.probe:linear_probe",
        args=(_share("depth", 0.75),),
    ),
)
_BOTH = (
    Attack(
        name="guided",
        tier="T5",
        family="guided",
        does="answers by logits U + weight (I - U), of the model U and of the imprint I before unlearning",
        source="guidance by the difference of two models' logits (arXiv 2505.24379)",
        run="vlmunl.attacks.guided:guided",
        args=(Argument(name="weight", low=-10, high=10, default=0.5),),
        needs=frozenset({"imprint"}),
    ),
)

ATTACKS: Registry[Attack] = Registry(Attack, "vlmunl.attacks", (*_WEIGHTS, *_RELEARN, *_INPUTS, *_INSIDE, *_BOTH))


def parse(attack: str) -> tuple[Attack, tuple[float, ...]]:
    """The attack of this spelling and its arguments, defaults filled in; whole numbers are ints.

    Raises:
        StudyError: there is no such attack, or its arguments are too many, too few, no numbers or out of range.
    """
    name, *given = attack.split(":")
    found = ATTACKS.named(name, "attack")
    most = len(found.args)
    if len(given) > most and not found.many:
        raise StudyError(f"attack {attack!r} has {len(given)} arguments, {name} takes {most}", f"write: {found.usage}")
    declared = [*found.args, *found.args[-1:] * max(0, len(given) - most)]
    return found, tuple(_value(found, a, given[i] if i < len(given) else None) for i, a in enumerate(declared))


def _value(attack: Attack, argument: Argument, text: str | None) -> float:
    usage = f"write: {attack.usage}"
    if text is None:
        if argument.default is None:
            raise StudyError(f"attack {attack.name} needs {argument.name}", usage)
        return int(argument.default) if argument.whole else argument.default
    try:
        value: float = int(text) if argument.whole else float(text)
    except ValueError:
        kind = "whole number" if argument.whole else "number"
        raise StudyError(f"attack {attack.name}: {argument.name} is {text!r}, not a {kind}", usage) from None
    if not argument.low <= value <= argument.high or (argument.choices and value not in argument.choices):
        listed = " or ".join(f"{c:g}" for c in argument.choices)
        wanted = listed or f"from {argument.low:g} to {argument.high:g}"
        raise StudyError(f"attack {attack.name}: {argument.name} is {text}, not {wanted}", usage)
    return value


def needs_of(attack: str) -> frozenset[Need]:
    """What an attack needs beside the model itself. Raises `StudyError` as `parse` does."""
    return parse(attack)[0].needs
