"""The families of models that can be taken, declared without their code: what differs from one to the next.

Nothing here imports torch: `vlmunl models` reads this. `vlmunl.models.families` has the code by model type, and tests
hold the one against the other, and each against a small random model of the real class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TEXT = "text"
ANY = "any causal language model"


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """One family.

    Attributes:
        name: what `vlmunl models NAME` takes.
        title: the models that are of it.
        type: `model_type` of their config.json; empty for text models, whose type does not matter.
        differs: what is peculiar to them.
        tested: the small random models of the real class that stand for it in the tests.
        alters: can pixels be changed on their way in (`[imprint] augment`, the universal perturbation)?
        shares: is an opening with its picture read once for all questions that begin with it?
        later: can a picture stand in a later turn of a conversation?
        assistant: can an assistant be cut from the model (ULD)?
        beside: can two models be read side by side (guidance), and learned tokens stand beside a picture's?
    """

    name: str
    title: str
    type: str
    differs: str
    tested: tuple[str, ...] = ()
    alters: bool = False
    shares: bool = True
    later: bool = True
    assistant: bool = False
    beside: bool = False

    @property
    def pictures(self) -> bool:
        """Does it take pictures?"""
        return self.name != TEXT


_AXES = "pictures of any size; positions in time, height and width"
_MARKED = "tiles by the picture's size, between marks for row and column"

_ALL = (
    ModelFamily(
        name="llava",
        title="LLaVA-1.5",
        type="llava",
        differs="pictures of one size",
        alters=True,
        assistant=True,
        beside=True,
    ),
    ModelFamily(
        name="llava-phi",
        title="LLaVA-Phi-3",
        type="llava",
        differs="pictures of one size",
        alters=True,
        assistant=True,
        beside=True,
    ),
    ModelFamily(
        name="llava-next",
        title="LLaVA-NeXT (1.6)",
        type="llava_next",
        differs="tiles by the picture's size",
        assistant=True,
    ),
    ModelFamily(
        name="llava-onevision",
        title="LLaVA-OneVision",
        type="llava_onevision",
        differs="tiles by the picture's size",
        assistant=True,
    ),
    ModelFamily(name="qwen2-vl", title="Qwen2-VL", type="qwen2_vl", differs=_AXES),
    ModelFamily(name="qwen2.5-vl", title="Qwen2.5-VL", type="qwen2_5_vl", differs=_AXES),
    ModelFamily(
        name="qwen3-vl",
        title="Qwen3-VL",
        type="qwen3_vl",
        differs=f"{_AXES}; features go into the first decoder layers, too (DeepStack)",
    ),
    ModelFamily(name="smolvlm", title="SmolVLM", type="smolvlm", differs=_MARKED),
    ModelFamily(name="idefics3", title="Idefics3", type="idefics3", differs=_MARKED),
    ModelFamily(
        name="gemma3",
        title="Gemma 3",
        type="gemma3",
        differs="a picture's tokens see each other; some layers look at a sliding window",
        alters=True,
    ),
    ModelFamily(name="internvl", title="InternVL", type="internvl", differs="tiles", assistant=True),
    ModelFamily(
        name="paligemma",
        title="PaliGemma",
        type="paligemma",
        differs="the whole prompt sees itself; no chat template",
        alters=True,
        shares=False,
        later=False,
    ),
    ModelFamily(
        name="mllama",
        title="Llama 3.2 Vision",
        type="mllama",
        differs="some layers look at pictures by cross-attention",
        shares=False,
        later=False,
    ),
    ModelFamily(
        name=TEXT, title="text models", type="", differs="no pictures", tested=("qwen3", "llama", "phi", "mistral")
    ),
)
MODELS: dict[str, ModelFamily] = {family.name: family for family in _ALL}
"""By name, in the order in which they are listed."""


def stand_ins(family: ModelFamily) -> tuple[str, ...]:
    """The miniatures that stand for it: that of its own name, or those that it names."""
    return family.tested or (family.name,)


def cannot(family: ModelFamily) -> Iterator[str]:
    """What of vlmunl this family cannot be used with, a sentence each."""
    if not family.pictures:
        yield "routes and views with pictures: people are asked about by name"
        return
    if not family.alters:
        yield "changes of pixels on their way in: set [imprint] augment = 0.0, and leave the route perturb out"
    if not family.shares:
        yield "an opening that is read once for all questions on a picture: scoring takes longer"
    if not family.later:
        yield "routes that show a picture in a later turn"
    if not family.assistant:
        yield "the method uld, whose assistant is cut from the model"
    if not family.beside:
        yield "the attacks guided and visual_prompt"


def rows(family: ModelFamily) -> Iterator[tuple[str, str]]:
    """(what, text) of all that is known of it."""
    yield "model type", family.type or ANY
    yield "what differs", family.differs
    for i, text in enumerate(cannot(family)):
        yield "" if i else "not with it", text
    yield "tested on", f"small random models of the real classes: {', '.join(stand_ins(family))}"
    yield "in a study", f'[model] id = "OWNER/REPO", revision = "<commit>"; or id = "FOLDER" ({example(family)})'


def example(family: ModelFamily) -> str:
    """How a folder is known to be of this family."""
    if not family.type:
        return "whose config.json names any model that transformers loads for causal language modelling"
    return f'whose config.json says "model_type": "{family.type}"'


def table() -> str:
    """The table of `docs/models.md`."""
    head = "| name | models | model type | what differs | not with it |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{f.name}` | {f.title} | {f'`{f.type}`' if f.type else ANY} | {f.differs} | {_in_short(f)} |\n"
        for f in MODELS.values()
    )


def _in_short(family: ModelFamily) -> str:
    if not family.pictures:
        return "pictures"
    missing = {
        "changed pixels": family.alters,
        "a shared opening": family.shares,
        "pictures in later turns": family.later,
        "`uld`": family.assistant,
        "`guided`, `visual_prompt`": family.beside,
    }
    return ", ".join(what for what, there in missing.items() if not there) or "-"
