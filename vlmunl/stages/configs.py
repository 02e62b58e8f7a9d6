"""What each stage was asked to do. Every field says whether it enters the run key.

Torch-free: planning, status and explanations read these without loading a model. A field is `keyed` when
another value can change the bytes that come out, and `unkeyed` when it can only change how long they take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlmunl.keys import keyed, unkeyed
from vlmunl.methods.language import Recipe as MethodRecipe
from vlmunl.methods.language import Where

Role = Literal["imprint", "gold", "placebo"]
ImportedRole = Literal["imprint", "gold", "placebo", "method"]
CheckpointForm = Literal["full", "peft"]
Calibration = Literal["gold", "chance"]
Precision = Literal["fp32", "bf16"]
Views = Literal["narrow", "wide"]
Optimizer = Literal["adamw", "muon"]
Recipe = Literal["lora", "dora", "full"]
Format = Literal["open", "cloze", "mcq", "truefalse"]
Side = Literal["report", "tuning"]
Score = Literal["worst", "mean"]
Group = Literal["training", "inference"]

Quantize = Literal["none", "8bit", "4bit"]
Weights = Literal["auto", "fp32", "bf16"]
Attention = Literal["auto", "eager", "sdpa", "flash_attention_2"]

FORMATS: tuple[Format, ...] = ("open", "cloze", "mcq", "truefalse")
ROLES: tuple[Role, ...] = ("imprint", "gold", "placebo")


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How the base model's weights are held in memory.

    `weights`: float32 or bfloat16; `auto` is float32 on a CPU and bfloat16 on an accelerator that has it. `quantize`:
    the linear layers in 8 or 4 bit (bitsandbytes: LLM.int8, arXiv 2208.07339; NF4, arXiv 2305.14314). `checkpointing`:
    activations are computed again in the backward pass instead of kept. `prompts` names what is written around
    questions and is in no file of the model (`vlmunl.models.template.frozen`).
    """

    weights: Weights = keyed(default="auto")
    quantize: Quantize = keyed(default="none")
    attention: Attention = keyed(default="auto")
    checkpointing: bool = unkeyed(default=False)
    prompts: str = keyed(default="", since_default="")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which people there are.

    Of the built-in generator its arguments and the digest of its wordings; of another benchmark its split, the version
    of its loader, and at most `limit` identities of either side (0: all).
    """

    benchmark: str = keyed(default="fictitious")
    split: str = keyed(default="", since_default="")
    limit: int = keyed(default=0, since_default=0)
    version: int = keyed(default=0, since_default=0)
    people: int = keyed(default=48)
    forget: int = keyed(default=16)
    photos: int = keyed(default=8)
    seed: int = keyed(default=0)
    wordings: str = keyed(default="")


@dataclass(frozen=True, kw_only=True)
class Optim:
    """One training loop: no weight decay, warm-up, constant to half way, linear to 5 %.

    `muon` is Muon for the matrices inside the network and AdamW for the rest (`vlmunl.models.muon`).
    """

    steps: int = keyed(default=150)
    lr: float = keyed(default=4e-3)
    warmup: int = keyed(default=10)
    clip: float = keyed(default=1.0)
    precision: Precision = keyed(default="fp32")
    optimizer: Optimizer = keyed(default="adamw")


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """What is trained: `lora`, `dora`, or `full` (then rank and alpha are not used)."""

    recipe: Recipe = keyed(default="lora")
    rank: int = keyed(default=16)
    alpha: int = keyed(default=32)


@dataclass(frozen=True, kw_only=True)
class ImprintConfig:
    """Teach the people of `role` to the base model.

    `image_samples`, `text_samples` and `replay` count packed samples per step, `max_length` tokens per sample;
    `augment` is the strength of the random changes of pictures (0 for none, 1 as in pre-training). At most
    `micro_batch` samples are in one pass (0: all, and fewer where memory runs out); the gradient is the whole step's.
    """

    role: Role = keyed()
    seed: int = keyed()
    optim: Optim = keyed(default_factory=Optim)
    adapter: Adapter = keyed(default_factory=Adapter)
    image_samples: int = keyed(default=16)
    text_samples: int = keyed(default=6)
    replay: int = keyed(default=16)
    augment: float = keyed(default=0.5)
    max_length: int = keyed(default=128)
    micro_batch: int = unkeyed(default=0)
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Import a model made elsewhere as what `merge` applies to the base model, for a role or as a method.

    `form`: a PEFT adapter on top of the base model, or a whole model of the same architecture.
    """

    role: ImportedRole = keyed()
    form: CheckpointForm = keyed(default="full")


@dataclass(frozen=True, kw_only=True)
class ChanceConfig:
    """What guessing is worth on every question of `routes`, which stands in the place of gold; fields as in eval."""

    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    asking: str = keyed(default="")


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """Measure imprint and gold on the held-back paraphrases; thresholds are policy, not parameters.

    `asking` is the digest of how questions are put (`vlmunl.stages.prompts`); `tuning` people are not asked.
    """

    seed: int = keyed()
    tuning: int = keyed(default=0)
    max_new_tokens: int = keyed(default=8, since_default=8)
    batch_size: int = unkeyed(default=128)
    asking: str = keyed(default="")
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Score the imprint's layers by what some of its answers do to them.

    `version` is that of the score, `parts` those of the transforms that `views` name; a probe asks `samples` canonical
    questions of each view (0: all). The depth in `where` is a number.
    """

    score: str = keyed()
    version: int = keyed()
    views: tuple[str, ...] = keyed()
    parts: Mapping[str, int] = keyed(default_factory=dict)
    where: Where = keyed(default_factory=Where)
    samples: float = keyed(default=0.0)
    seed: int = keyed()
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class StopRule:
    """When to stop before the last step, by training-side measures only; 0 disables a rule.

    `forget_nll`: the forget batch's NLL, in nats per answer token, is above it. `strangers`: it is above so many times
    the NLL of the same questions on people whom no model was taught, measured at the start. `retain_rise`: the
    retain batch's NLL is above so many times its value at the first step. Each must hold for `patience` steps.
    `each` (in nats): a sample whose own NLL is above it teaches nothing any more, while the others go on.
    """

    forget_nll: float = keyed(default=0.0)
    strangers: float = keyed(default=0.0)
    retain_rise: float = keyed(default=0.0)
    patience: int = keyed(default=3)
    each: float = keyed(default=0.0)


@dataclass(frozen=True, kw_only=True)
class UnlearnConfig:
    """Apply one method to the imprint; `params` are the method's own settings, defaults filled in.

    `recipe` is what the method does, `parts` the versions of what the recipe names.
    `held_out` names the route families that no wide view may draw its training prompts from. `lesson` is the
    imprint recipe of a method that starts again from the base model (then `optim` and `adapter` are not used).
    `micro_batch` is as in `ImprintConfig`.
    """

    method: str = keyed()
    version: int = keyed()
    params: Mapping[str, float] = keyed()
    recipe: MethodRecipe = keyed(default_factory=MethodRecipe)
    parts: Mapping[str, int] = keyed(default_factory=dict)
    views: Views = keyed(default="narrow")
    held_out: tuple[str, ...] = keyed(default=())
    seed: int = keyed()
    optim: Optim = keyed(default_factory=Optim)
    adapter: Adapter = keyed(default_factory=Adapter)
    batch: int = keyed(default=24)
    stop: StopRule = keyed(default_factory=StopRule)
    lesson: ImprintConfig | None = keyed(default=None)
    micro_batch: int = unkeyed(default=0)
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Score one model by every route in `routes`; `catalogue` is the hash of their definitions, `asking` as above.

    Of the people to forget, `tuning` are set aside: `side` says whether they are asked, or all the others.
    """

    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    tuning: int = keyed(default=0)
    side: Side = keyed(default="report")
    max_new_tokens: int = keyed(default=8)
    batch_size: int = unkeyed(default=128)
    asking: str = keyed(default="")
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class AttackConfig:
    """Attack one model and score it by `routes`: those that name this attack, or for a meta-evaluation plain ones.

    `version` is that of the attack's code. `catalogue`, `asking` and `tuning` are as in `EvalConfig`; the people set
    aside are those that an attack may learn from, and the ones that are asked are the others. `seed` names the streams
    of everything the attack draws.
    """

    attack: str = keyed()
    version: int = keyed(default=1)
    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    seed: int = keyed()
    tuning: int = keyed(default=0)
    max_new_tokens: int = keyed(default=8)
    batch_size: int = unkeyed(default=128)
    asking: str = keyed(default="")
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class SelectConfig:
    """Choose one of a method's trials by its rows on the tuning people and routes.

    `settings` describes each trial, in order. `score` is the largest (`worst`) or the mean calibrated recovery over the
    routes whose headroom is above `headroom`; trials below `utility_floor`, or that refuse more than `refusal_ceiling`
    of what they should answer, come last.
    """

    settings: tuple[str, ...] = keyed()
    routes: tuple[str, ...] = keyed()
    score: Score = keyed(default="worst")
    headroom: float = keyed(default=0.20)
    utility_floor: float = keyed(default=0.8)
    refusal_ceiling: float = keyed(default=0.2)


@dataclass(frozen=True, kw_only=True)
class GatePolicy:
    """When an imprint counts: `need` of `of` held-back paraphrases per item, headroom bound above `headroom`."""

    need: int = keyed(default=3)
    of: int = keyed(default=4)
    headroom: float = keyed(default=0.20)
    min_identities: int = keyed(default=8)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Resampling and thresholds of WCR (DESIGN section 5)."""

    draws: int = keyed(default=5000)
    splits: int = keyed(default=200)
    level: float = keyed(default=0.95)
    floor: float = keyed(default=0.20)
    tolerance: float = keyed(default=0.10)
    utility_floor: float = keyed(default=0.8)
    refusal_ceiling: float = keyed(default=0.2)
    seed: int = keyed(default=0)


@dataclass(frozen=True, kw_only=True)
class RowSpec:
    """One row of the results: a role or a method of the study.

    `group`: a method of the group `inference` leaves the knowledge in the weights. `trials`: settings that were tried;
    None: not known, since the model was made elsewhere.
    """

    name: str = keyed()
    label: str = keyed()
    kind: Literal["role", "method"] = keyed()
    views: Views | None = keyed(default=None)
    group: Group = keyed(default="training")
    trials: int | None = keyed(default=1)


@dataclass(frozen=True, kw_only=True)
class TuningSpec:
    """How settings were chosen: on so many people to forget and by the routes of these families; 0 for not at all."""

    people: int = keyed(default=0)
    families: tuple[str, ...] = keyed(default=())
    budget: int = keyed(default=1)
    score: Score = keyed(default="worst")


@dataclass(frozen=True, kw_only=True)
class ClaimSpec:
    """A sentence of the paper and the condition under which the data support it."""

    name: str = keyed()
    text: str = keyed()
    when: str = keyed()


@dataclass(frozen=True, kw_only=True)
class AggregateConfig:
    """Everything `aggregate` needs beside the run manifest and the rows it names.

    `own`: the benchmark whose own metrics are to be computed, empty for none.
    `calibration`: what recovery is measured from, a gold model or chance. `checkpoints`: the rows that were made
    elsewhere, and where each came from, as the study writes it.
    """

    study: str = keyed()
    title: str = keyed(default="")
    tiers: tuple[str, ...] = keyed(default=("T0",))
    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    held_out: tuple[str, ...] = keyed(default=())
    rows: tuple[RowSpec, ...] = keyed()
    gate: GatePolicy = keyed(default_factory=GatePolicy)
    statistics: Statistics = keyed(default_factory=Statistics)
    tuning: TuningSpec = keyed(default_factory=TuningSpec)
    claims: tuple[ClaimSpec, ...] = keyed(default=())
    own: str = keyed(default="", since_default="")
    calibration: Calibration = keyed(default="gold", since_default="gold")
    checkpoints: Mapping[str, str] = keyed(default_factory=dict, since_default={})


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method that is a form of a declared one; `differs` says in what from the first of its family."""

    name: str = keyed()
    family: str = keyed()
    differs: str = keyed(default="")


@dataclass(frozen=True, kw_only=True)
class TablesConfig:
    """What is rendered from the verified results.

    `only`: the tables that are written, none for all that the study has. `variants`: methods that are forms of one
    another, by family. `together` says how rows are read where a figure is not in the results.
    """

    figures: bool = keyed(default=True)
    only: tuple[str, ...] = keyed(default=(), since_default=())
    variants: tuple[Variant, ...] = keyed(default=(), since_default=())
    together: AggregateConfig | None = keyed(default=None, since_default=None)


@dataclass(frozen=True, kw_only=True)
class ScoutConfig:
    """Ask imprint and gold every part that an adaptive attacker may use, on the people set aside for tuning.

    `routes` are the parts, `catalogue`, `asking` and `tuning` as in `EvalConfig`.
    """

    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    tuning: int = keyed()
    max_new_tokens: int = keyed(default=8)
    batch_size: int = unkeyed(default=128)
    asking: str = keyed(default="")
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Search compositions of `routes` for the one that brings most back from one model, then report on that one alone.

    At most `budget` routes are put to the model, on the people set aside for tuning. A route counts if the imprint's
    accuracy on it is more than `floor` above gold's. `beam` is how many of the best are extended at a time, and `seed`
    names the stream that draws which parts are tried when there are too many.
    """

    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    tuning: int = keyed()
    budget: int = keyed(default=48)
    beam: int = keyed(default=4)
    floor: float = keyed(default=0.20)
    seed: int = keyed(default=0)
    max_new_tokens: int = keyed(default=8)
    batch_size: int = unkeyed(default=128)
    asking: str = keyed(default="")
    loading: Loading = keyed(default_factory=Loading, since_default=Loading())


@dataclass(frozen=True, kw_only=True)
class MetaModel:
    """One model of the pools: the cell that scored it, and the seed whose gold and imprint it is measured against.

    `knows`: it was taught the people, it was not, or too briefly to say (None).
    """

    cell: str = keyed()
    row: str = keyed()
    yardstick: int = keyed()
    knows: bool | None = keyed()


@dataclass(frozen=True, kw_only=True)
class MetaConfig:
    """Judge the measures themselves by models of which it is known whether they were taught the people.

    `routes`, `catalogue`, `tiers`, `gate` and `statistics` are those of WCR. `attacks` (relearning,
    quantisation) were made on the rows `methods` and on gold: by them the measures' stability is judged.
    """

    study: str = keyed()
    title: str = keyed(default="")
    seeds: tuple[int, ...] = keyed()
    models: tuple[MetaModel, ...] = keyed()
    routes: tuple[str, ...] = keyed()
    catalogue: str = keyed()
    tiers: tuple[str, ...] = keyed(default=("T0",))
    gate: GatePolicy = keyed(default_factory=GatePolicy)
    statistics: Statistics = keyed(default_factory=Statistics)
    attacks: tuple[str, ...] = keyed(default=())
    methods: tuple[str, ...] = keyed(default=())
