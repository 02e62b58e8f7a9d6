"""What each key of a study file means, in a line: for the reference page, and for editors by its JSON Schema.

Types, defaults and bounds stand in `vlmunl.manifests.sections*`; a test holds the names of the two against each other.
They are not kept there, since a line of words between every two fields would hide the fields.
"""

from __future__ import annotations

from collections.abc import Mapping

_TRAINED: Mapping[str, str] = {
    "recipe": "what is trained: an adapter (LoRA, DoRA), or all weights",
    "rank": "rank of the adapter; of no effect with `full`",
    "alpha": "the adapter's scale is `alpha / rank`; of no effect with `full`",
    "micro_batch": "samples computed at once; `auto`: all of a step, and fewer where memory runs out. Speed only",
}
_LOOP: Mapping[str, str] = {
    "steps": "optimiser steps",
    "lr": "learning rate at its highest",
    "warmup": "steps in which the rate rises to it",
    "clip": "the gradient's norm is cut at this",
}
_JOB: Mapping[str, str] = {
    "partition": "the partition; default: the cluster's",
    "account": "who is charged",
    "qos": "quality of service",
    "constraint": "features that a node must have",
    "gpus": "GPUs per node",
    "cpus": "cores",
    "memory": "memory per node",
    "time": "time limit",
    "extra": "further options of `sbatch`",
    "setup": "lines of shell before the command",
    "parallel": "tasks of one array at once; 0: any number",
    "warning": "seconds before the time limit at which a job saves and stops cleanly; 0: no warning",
}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "study": {
        "name": "the study's name: a folder in `manifests/` and in `latex/generated/`",
        "title": "a line for tables and pages",
        "seeds": "each seed is one imprint with its gold and placebo, and one run of every method",
    },
    "model": {
        "id": "`tiny` (embedded), a Hub id with a `revision`, or a folder",
        "revision": "the commit of a Hub id; `vlmunl fetch STUDY --pin` writes it",
        "precision": "of the arithmetic in training",
        "weights": "how weights are held: float32 or bfloat16; `auto`: bfloat16 on an accelerator that has it",
        "quantize": "hold the language model's linear layers in 8 or 4 bit (bitsandbytes)",
        "attention": "the attention kernel; `auto`: as transformers chooses",
        "checkpointing": "compute activations again in the backward pass instead of keeping them: slower, less memory",
    },
    "checkpoints": {
        "imprint": "the model that learned the people; the study teaches none then",
        "gold": "the model that never saw those to forget",
        "placebo": "a second gold model, of another seed",
    },
    "benchmark": {
        "id": "which people: one of `vlmunl benchmarks`",
        "split": "which division into forget and retain; of a folder the column that says it",
        "path": "a folder of the workspace with the files, instead of the Hub",
        "revision": "the commit of the data set on the Hub",
        "limit": "take at most so many identities of either side; 0: all",
        "people": "how many there are; of `fictitious` alone",
        "forget": "how many of them are to be forgotten; of `fictitious` alone",
        "photos": "photos of each person, the last ones held back; of `fictitious` alone",
        "seed": "draws the people; of `fictitious` alone",
    },
    "imprint": {
        **_TRAINED,
        **_LOOP,
        "optimizer": "AdamW, or Muon for matrices inside the network and AdamW for the rest",
        "image_samples": "packed samples per step that begin with a photo",
        "text_samples": "packed samples per step that ask by name",
        "replay": "samples per step that have nothing to do with the people",
        "augment": "strength of random changes of the photos; 0: none, 1: as in pre-training",
        "max_length": "tokens of a sample; turns that pass it are left out as a whole",
        "override": "other settings for one seed and some of its roles: `[[imprint.override]]`",
    },
    "imprint.override": {
        "seed": "the seed that is meant",
        "roles": "the roles of this seed that are meant",
        "changes": "any key of `[imprint]` but `micro_batch`, with its other value",
    },
    "gate": {
        "paraphrases": "a fact counts if the imprint answers it on so many of its held-back wordings",
        "headroom": "the lower bound of imprint minus gold must be above this",
        "min_identities": "so many people must have a fact that counts",
    },
    "unlearn": _TRAINED,
    "methods.NAME": {
        "like": "be a variant of this method, of those declared or of this study",
        "label": "the row's name in tables; default: its name",
        "views": "forget the canonical question on its photo (`narrow`), or all that was taught (`wide`)",
        **_LOOP,
        "batch": "samples of the forget request in a step",
        "stop": "when to stop before the last step; 0 turns a rule off",
        "checkpoint": "an unlearned model made elsewhere: a folder, or `owner/repo@revision`; only `label` beside",
    },
    "methods.NAME.stop": {
        "forget_nll": "the forget batch's NLL is above this, in nats per answer token",
        "strangers": "it is above so many times the NLL of the same questions on people nobody was taught",
        "retain_rise": "the retain batch's NLL is above so many times its first value",
        "each": "a sample whose own NLL is above this teaches nothing any more, and the others go on",
        "patience": "each rule must hold for so many steps",
    },
    "methods.NAME, its recipe": {
        "terms": "losses that are summed: `{ loss, view, weight, other, dual, constraint }` and the loss's arguments",
        "rules": "how the gradients of the two sides become one update: `{ rule }` and its arguments",
        "schedule": "both sides in every step, `every` steps in turn, or an epoch of each in turn",
        "every": 'steps of each side in turn, with `schedule = "alternate"`',
        "before": "edits of weights before the training: `{ edit }` and its arguments",
        "after": "edits of weights after the training",
        "where": "which layers are trained or edited",
        "infer": "what is put around the model when it is asked: `{ wrapper }` and its arguments",
        "add": "terms on top of those of `like`",
        "add_rules": "rules on top of those of `like`",
        "settings": "numbers by name, to which terms refer and which variants change: `{ beta = 0.1 }`",
    },
    "methods.NAME.terms[]": {
        "loss": "one of the losses that `vlmunl methods NAME` shows, or a plug-in's",
        "view": "`forget`, `retain`, `general` or `unseen`, and behind a dot a transform: `forget.idk`",
        "weight": "a number, or the name of a setting",
        "other": "a second view of the same samples, for losses that compare two",
        "dual": "let the weight grow while the loss is above a bound",
        "constraint": "only show this gradient to the rules; it is no part of the sum",
    },
    "methods.NAME.terms[].dual": {
        "start": "the weight at first",
        "slack": "the bound is so many times the loss of the first step",
        "rate": "how fast the weight grows",
        "warmup": "steps in which the weight stays",
    },
    "methods.NAME.where": {
        "parts": "of the language model, the projector, the vision tower",
        "modules": "linear layers of attention, of the MLP, or its down-projections alone",
        "depth": "a share of the layers, or the name of a setting: only those that end there",
        "last": "how many layers end at `depth`",
    },
    "routes": {
        "set": "of the chosen tiers the core routes, or all that there are",
        "tiers": "what whoever asks must have: see `docs/routes.md`",
        "include": "further routes by name; those of plug-ins only this way",
        "exclude": "routes or families that are not asked",
        "held_out": "families that no method may train on; WCR over them stands beside the full one",
    },
    "tuning": {
        "people": "so many of those to forget are set aside: in no reported figure; attacks learn from them",
        "routes": "families by which trials are judged; none: all that are not held out",
        "budget": "trials of each method with a grid, at each seed",
        "score": "judge a trial by its worst route or by the mean, subject to the utility floor",
        "seed": "draws the trials of a grid that has more points than the budget",
        "grid": "`[tuning.grid.METHOD]`: settings, each with a list of values",
    },
    "attacker": {
        "budget": "routes tried on each method at each seed",
        "beam": "the best routes so far that are extended",
        "families": "families whose routes may be composed, held-out ones included; none: all",
        "seed": "of the search",
    },
    "meta": {
        "stops": "imprints taught for these shares of the steps",
        "known_from": "from this share on an imprint counts as taught",
        "only": "imprints taught the same facts by name alone, or with photos alone",
    },
    "eval": {
        "max_new_tokens": "the longest reply",
        "batch_size": "questions at once, fewer where memory runs out. Speed only",
    },
    "distributed": {
        "processes": "processes of one machine on one cell, one for each accelerator. Speed only",
        "strategy": "each has the whole model (`ddp`), or a share of a training (`fsdp`, `zero3`)",
        "offload": "keep what is shared out in the memory of the CPU",
    },
    "slurm": _JOB,
    "slurm.STAGE": _JOB,
    "statistics": {
        "draws": "bootstrap draws",
        "splits": "random halves of the people, for cross-fitting",
        "floor": "a route is live if imprint minus gold has its lower bound above this",
        "tolerance": '"robust" if the simultaneous upper bound is below this',
        "seed": "of the draws and splits",
        "calibration": "measure recovery from gold, or from `chance` where no gold can be had: every table says so",
    },
    "evidence": {
        "utility_floor": "below it a method is not assessable",
        "refusal_ceiling": "above it (refused and unreadable replies on retain) a method is not assessable",
        "exclude": 'cells that do not count: `[{ cell = "unlearn/ga/seed1", reason = "..." }]`',
    },
    "evidence.exclude[]": {
        "cell": "its name, as `vlmunl status` lists it",
        "reason": "why; every page says it",
    },
    "claims.NAME": {
        "text": "a sentence of the paper",
        "when": "the condition over figures under which the data support it",
    },
    "tables": {
        "figures": "draw figures beside the tables",
        "only": "render these tables; none: all that the study has",
    },
    "sync": {"repo": "`owner/name` on the Hub"},
}
"""Table -> key -> meaning. `NAME` stands for any name, `[]` for each entry of a list."""
