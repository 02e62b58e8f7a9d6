"""Methods that leave the weights alone and stand around the model: for these, forgetting is a promise of the server."""

from __future__ import annotations

from vlmunl.methods.language import FORGET, RETAIN, Recipe, Where, Wrapper, on
from vlmunl.methods.specs import Method
from vlmunl.stages.configs import Optim

STILL_THERE = "the weights still hold the knowledge: whoever has them takes the wrapper off"
_LANGUAGE = Where(parts=("language",))

METHODS = (
    Method(
        name="incontext",
        family="inference",
        objective="no training: the prompt names who is to be forgotten, and orders the model not to know them",
        source="in-context unlearning (arXiv 2310.07579), by instruction; the floor of the family",
        recipe=Recipe(infer=Wrapper(wrapper="order")),
        params={"names": 0.0},
        fails=f"{STILL_THERE}; needs a model that follows instructions; names the people to whoever reads the prompt",
    ),
    Method(
        name="uld",
        family="inference",
        objective="assistant: CE(F) + uniform * KL(U || model; R); asked: z - strength (log p_assistant + log V)",
        source="ULD, Ji et al. 2024 (arXiv 2406.08607)",
        recipe=Recipe(
            terms=(on(FORGET, "ce"), on(RETAIN, "uniform", "uniform")),
            where=_LANGUAGE,
            infer=Wrapper(wrapper="offset"),
        ),
        params={"uniform": 5.0, "strength": 0.8, "depth": 0.5, "floor": 0.01},
        optim=Optim(steps=100, lr=2e-3, warmup=5),
        fails=f"{STILL_THERE}; what the assistant did not see it does not take off; shows what was forgotten to whoever"
        " reads the assistant; a model sure of itself outweighs a bounded offset",
    ),
    Method(
        name="eco",
        family="inference",
        objective="no training: a detector on picture and words flags forget questions, whose embeddings get noise",
        source="ECO, Liu et al. 2024 (arXiv 2406.07933)",
        recipe=Recipe(infer=Wrapper(wrapper="corrupt")),
        params={"threshold": 0.5, "share": 1.0, "target": 0.0},
        fails=f"{STILL_THERE}; questions that the detector misses are answered as ever",
    ),
    Method(
        name="guard",
        family="inference",
        objective="no training: a detector flags forget questions; what completes a forbidden answer is penalised",
        source="GUARD, Deng et al. 2025 (arXiv 2505.13312)",
        recipe=Recipe(infer=Wrapper(wrapper="forbid")),
        params={"threshold": 0.5, "nearest": 3.0, "penalty": 20.0},
        fails=f"{STILL_THERE}; the list of secrets lies on the server; other wordings and yes/no leak them; the hole"
        " that a forbidden answer leaves can be seen",
    ),
    Method(
        name="o3",
        family="inference",
        objective="a LoRA per request k, weighted by a detector: CE(F_k, refusal) + orthogonal ||A_k A_j^T||^2, j < k",
        source="O3, Gao et al. 2025 (arXiv 2407.10223)",
        recipe=Recipe(
            terms=(on("forget.idk", "ce"),),
            where=_LANGUAGE,
            infer=Wrapper(wrapper="gated"),
        ),
        params={"requests": 2.0, "orthogonal": 0.1, "threshold": 0.5},
        optim=Optim(steps=60, lr=1e-3, warmup=5),
        fails=f"{STILL_THERE}; an adapter counts only as far as its detector is right",
    ),
)
