"""The built-in scores that rules and edits choose by. The code is in `vlmunl.methods.scores`.

Each is computed once for an imprint, for some layers and views, in a cell of its own (stage `probe`).
"""

from __future__ import annotations

from vlmunl.methods.language import Part

_SCORES = "vlmunl.methods.scores"

SCORES = (
    Part(
        name="fisher",
        formula="mean over samples of g^2, for each weight: the diagonal of the empirical Fisher information",
        source="SSD (arXiv 2308.07707)",
        run=f"{_SCORES}:fisher",
    ),
    Part(
        name="gradient",
        formula="mean over samples of g, for each weight",
        source="the first moment of optimal brain damage (LeCun et al. 1989)",
        run=f"{_SCORES}:gradient",
    ),
    Part(
        name="gradient_size",
        formula="|mean over chunks of g|, for each weight",
        source="SalUn (arXiv 2310.12508)",
        run=f"{_SCORES}:gradient_size",
    ),
    Part(
        name="gradient_sizes",
        formula="mean over chunks of |g|, for each weight",
        source="IWAP as released (suryavirkapur/qwen-unlearning-research)",
        run=f"{_SCORES}:gradient_sizes",
    ),
    Part(
        name="activations",
        formula="mean size, frequency, variance and root mean square, each by its layer's mean, for each neuron",
        source="MANU (arXiv 2502.15910)",
        run=f"{_SCORES}:activations",
    ),
)
