"""Attack routes: the canonical question, or the same by name, after something was done to the model (T3 to T5).

Severities are frozen here. What each attack does exactly stands in `vlmunl.attacks.known`.
"""

from __future__ import annotations

from collections.abc import Iterator

from vlmunl.attacks.known import parse
from vlmunl.routes.route import Route

_LEARNED = "the attacker learns from people to forget who are asked nothing"
_SAME = "the attacker learns other facts of the very people; gold, which never knew them, learns the same"
_VALUES = "the values of the attribute are given to the reading; gold is read alike"
_ORACLE = "uses the model before unlearning: an upper bound, no attack that an outsider could make"


def _after(attack: str, name: str, description: str, *, leak: str = "", by_name: bool = True) -> Iterator[Route]:
    """The route with the photo, and where the attack reaches it the one without."""
    declared = parse(attack)[0]
    common = {"family": declared.family, "source": declared.source, "tier": declared.tier}
    common |= {"modality": "model", "attack": attack, "leak": leak}
    yield Route(id=name, description=description, **common)  # type: ignore[arg-type]
    if by_name:
        shown = f"{description}; no photo, asked by name"
        yield Route(id=f"{name}_text", description=shown, image=("none",), subject="name", **common)  # type: ignore[arg-type]


ROUTES: tuple[Route, ...] = (
    # T3: with the model's inside and its gradients, its weights as they are
    *_after("logit_lens:0.4:0.6:0.8", "logit_lens", "read from layers at 40, 60, 80 % of the depth", leak=_VALUES),
    *_after(
        "linear_probe:0.75",
        "linear_probe",
        "read by a linear probe at 75 % of the depth",
        leak="the probe is fitted on retained people; gold is read by a probe of its own",
        by_name=False,
    ),
    *_after("perturb:12:40", "perturb", "photos changed by one learned pattern", leak=_LEARNED, by_name=False),
    *_after("visual_prompt:8:40", "visual_prompt", "8 learned tokens beside the photo's", leak=_LEARNED, by_name=False),
    # T4: with the weights changed
    *_after("quantize:8", "quantize_8", "after rounding to 8 bits"),
    *_after("quantize:4", "quantize_4", "after rounding to 4 bits"),
    *_after("prune:10", "prune_10", "after pruning 10 % of each layer"),
    *_after("prune:30", "prune_30", "after pruning 30 % of each layer"),
    *_after("projector_restore", "projector_restore", "with the base model's projector", by_name=False),
    *_after("merge_base:0.3", "merge_base_30", "averaged with the base model, which counts 30 %"),
    *_after("relearn_people:20", "relearn_people", "after 20 steps on other people to forget", leak=_LEARNED),
    *_after("relearn_attributes:20", "relearn_attributes", "after 20 steps on the people's other facts", leak=_SAME),
    *_after("relearn_unrelated:20", "relearn_unrelated", "after 20 steps on unrelated conversations"),
    *_after("soft_prompt:8:40", "soft_prompt", "8 learned words before the question", leak=_LEARNED),
    # T5: with the model before unlearning
    *_after("scale:0.5", "scale_half", "half of the unlearning step", leak=_ORACLE),
    *_after("guided:0.5", "guided_half", "logits half way back to the imprint's", leak=_ORACLE),
)

CORE: tuple[str, ...] = (
    *("logit_lens", "quantize_8", "quantize_4", "prune_10", "projector_restore"),
    *("relearn_attributes", "relearn_unrelated", "scale_half", "guided_half"),
)
"""Of the core set: those with the photo that need nobody set aside."""
