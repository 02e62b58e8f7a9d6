"""The views that can be made of a stream, sample by sample; the code is in `vlmunl.methods.transforms`.

Their wordings and choices are results' business: bump `version` with every change of what one writes.
"""

from __future__ import annotations

from vlmunl.methods.language import Transform

_CODE = "vlmunl.methods.transforms"

TRANSFORMS = (
    Transform(
        name="idk",
        formula="the same question, answered with one of 60 refusals",
        source="preference optimisation of TOFU (arXiv 2401.06121)",
        run=f"{_CODE}:idk",
    ),
    Transform(
        name="alternate",
        formula="the same question, answered with another value of the same attribute",
        source="AltPO (arXiv 2409.13474)",
        run=f"{_CODE}:alternate",
    ),
    Transform(
        name="random",
        formula="the same question, answered as somebody retained would answer some question",
        source="LLMU (arXiv 2310.10683)",
        run=f"{_CODE}:random",
    ),
    Transform(
        name="mismatch",
        formula="the same question, answered with somebody else's answer to another question of the same split",
        source="SSU (arXiv 2406.10952)",
        run=f"{_CODE}:mismatch",
    ),
    Transform(
        name="text",
        formula="the same question by name, without the picture",
        source="MMUnlearner (arXiv 2502.11051)",
        run=f"{_CODE}:text",
        family="text_only",
    ),
    Transform(
        name="noise",
        formula="the same question on sqrt(a) picture + sqrt(1 - a) noise, a = 0.01",
        source="visual-guided distillation, VGID (arXiv 2606.00105)",
        run=f"{_CODE}:noise",
    ),
    Transform(
        name="decoy",
        formula="the same question on the picture of somebody retained, with that person's answer",
        source="prompt decouple of SafeEraser (arXiv 2502.12520)",
        run=f"{_CODE}:decoy",
    ),
    Transform(
        name="named",
        formula="who is this: the true name",
        source="SIU (arXiv 2405.12523)",
        run=f"{_CODE}:named",
    ),
    Transform(
        name="stranger",
        formula="who is this: a name that nobody has, always the same for a person",
        source="SIU (arXiv 2405.12523), target 1: as an unseen concept",
        run=f"{_CODE}:stranger",
    ),
    Transform(
        name="described",
        formula="what does NAME look like, without a picture: the true description",
        source="SIU (arXiv 2405.12523)",
        run=f"{_CODE}:described",
        family="text_only",
    ),
    Transform(
        name="disguise",
        formula="what does NAME look like, without a picture: the description of somebody retained",
        source="SIU (arXiv 2405.12523), target 2: a new visual description",
        run=f"{_CODE}:disguise",
        family="text_only",
    ),
)
