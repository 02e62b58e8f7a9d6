"""The built-in wrappers: what each does when the model is asked, its source and arguments.

The code is in `vlmunl.methods.infer`. What it writes into prompts or learns by is a matter of results: bump `version`
with every change of it. `views` are those that a wrapper learns from by itself; where retained people can be told from,
a benchmark may be without generic conversations.
"""

from __future__ import annotations

from vlmunl.methods.language import Part

_INFER = "vlmunl.methods.infer"

WRAPPERS = (
    Part(
        name="order",
        formula="the first user turn opens with the names to be forgotten and the order not to know them",
        source="in-context unlearning, Pawelczyk et al. 2024 (arXiv 2310.07579)",
        run=f"{_INFER}.context:InContext",
        args={"names": 0.0},
    ),
    Part(
        name="offset",
        formula="z - strength (log p_assistant + log V) where p >= floor max p, else z",
        source="ULD, Ji et al. 2024 (arXiv 2406.08607)",
        run=f"{_INFER}.offset:Offset",
        args={"strength": 0.8, "depth": 0.5, "floor": 0.01},
    ),
    Part(
        name="corrupt",
        formula="flagged questions: embeddings + N(0, s^2) on a share of the dimensions, s by search",
        source="ECO, Liu et al. 2024 (arXiv 2406.07933)",
        run=f"{_INFER}.corrupt:Corrupt",
        args={"threshold": 0.5, "share": 1.0, "target": 0.0},
        views=("forget", "retain", "general", "unseen"),
    ),
    Part(
        name="forbid",
        formula="flagged questions: -penalty on the token that completes an answer of the nearest forget questions",
        source="GUARD, Deng et al. 2025 (arXiv 2505.13312)",
        run=f"{_INFER}.forbid:Forbid",
        args={"threshold": 0.5, "nearest": 3.0, "penalty": 20.0},
        views=("forget", "retain", "general"),
    ),
    Part(
        name="gated",
        formula="W + sum_k p_k(question) b_k a_k, a LoRA and a detector p_k for each request, p_k below threshold is 0",
        source="O3, Gao et al. 2025 (arXiv 2407.10223)",
        run=f"{_INFER}.gated:Gated",
        args={"requests": 2.0, "orthogonal": 0.1, "threshold": 0.5},
        views=("forget", "general"),
    ),
)
