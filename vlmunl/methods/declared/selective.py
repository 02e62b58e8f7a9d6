"""Methods that change chosen weights only, and edits without or before a training."""

from __future__ import annotations

from vlmunl.methods.language import FORGET, RETAIN, Edit, Recipe, Rule, Where, on
from vlmunl.methods.specs import FORGOTTEN, Method
from vlmunl.stages.configs import Optim

KEEP = on(RETAIN, "ce", "retain")
REPAIR = on(RETAIN, "ce")
MATRICES = Where(parts=("language",))
FEED_FORWARD = Where(parts=("language", "vision"), modules=("mlp",))

SELECTIVE = (
    Method(
        name="salun",
        family="selective",
        objective="-m(F) on the share of weights with the largest forget gradient, + retain * CE(R)",
        source="SalUn (arXiv 2310.12508), with gradient difference",
        recipe=Recipe(terms=(on(FORGET, "ga"), KEEP), rules=(Rule(rule="mask_gradient"),)),
        params={"retain": 4.0, "share": 0.5, "samples": 64.0},
        stop=FORGOTTEN,
        fails="weights with a large forget gradient carry what is kept, too",
    ),
    Method(
        name="mmunlearner",
        family="selective",
        objective="-m(F) where Fisher_F >= tau Fisher_P, + retain * CE(R); P: F by name without pictures, and R",
        source="MMUnlearner (arXiv 2502.11051)",
        recipe=Recipe(
            terms=(on(FORGET, "ga"), KEEP),
            rules=(Rule(rule="mask_fisher"),),
            where=Where(parts=("language", "projector", "vision")),
        ),
        params={"retain": 4.0, "tau": 1.0, "samples": 64.0},
        optim=Optim(steps=60, lr=2e-3, warmup=5),
        stop=FORGOTTEN,
        fails="leaves what is known by name on purpose: it unlearns recognition only",
    ),
    Method(
        name="ssu",
        family="selective",
        objective="CE(F) + mix * CE(F, mismatched answers) where |g_F| is large, then w <- w0 - scale (w - w0)",
        source="SSU (arXiv 2406.10952)",
        recipe=Recipe(
            terms=(on(FORGET, "ce"), on("forget.mismatch", "ce", "mix")),
            rules=(Rule(rule="mask_deviation"),),
            after=(Edit(edit="negate"),),
        ),
        params={"mix": 0.1, "k": 0.0, "samples": 64.0, "scale": 2.0},
        optim=Optim(steps=30, lr=2e-3, warmup=5),
        fails="nothing keeps the rest; with a large mix, to leave the mismatched answers is to return to the true ones",
    ),
)

EDITS = (
    Method(
        name="iwap",
        family="edit",
        objective="delete the weights with the highest influence on F for their influence on R, then repair by CE(R)",
        source="introduced by suryavirkapur/qwen-unlearning-research (no paper); restated with both influences",
        recipe=Recipe(terms=(REPAIR,), before=(Edit(edit="prune"),), where=MATRICES),
        params={"rho": 0.02, "samples": 64.0},
        optim=Optim(steps=30, lr=1e-3, warmup=5),
        fails="a small share deletes too little, a large one breaks the model; the repair may teach around the hole",
    ),
    Method(
        name="iwap_published",
        family="edit",
        objective="delete the weights with the largest |w g_F|, then repair by CE(R)",
        source="suryavirkapur/qwen-unlearning-research, on whole weights; the holes are held, which it did not do",
        recipe=Recipe(terms=(REPAIR,), before=(Edit(edit="prune_taylor"),), where=MATRICES),
        params={"rho": 0.02, "samples": 64.0},
        optim=Optim(steps=30, lr=1e-3, warmup=5),
        fails="as released meaningless on a fresh LoRA (every score is 0, all is pruned); spares nothing that R needs",
    ),
    Method(
        name="manu",
        family="edit",
        objective="delete the MLP neurons, language and vision, that F uses most for how much R uses them",
        source="MANU (arXiv 2502.15910); its formulas read from a third party",
        recipe=Recipe(before=(Edit(edit="prune_neurons"),), where=FEED_FORWARD),
        params={"share": 0.1, "samples": 64.0},
        fails="people of one kind use the same neurons, forgotten or not",
    ),
    Method(
        name="ssd",
        family="edit",
        objective="w <- min(floor I_R / I_F, 1) w where I_F > alpha I_R",
        source="SSD (arXiv 2308.07707)",
        recipe=Recipe(before=(Edit(edit="dampen"),), where=MATRICES),
        params={"alpha": 3.0, "floor": 0.2, "samples": 64.0},
        fails="sharp in alpha: from nothing to a broken model within a factor of a few",
    ),
    Method(
        name="task_vector",
        family="edit",
        objective="train CE(F), then w <- w0 - scale (w - w0)",
        source="task arithmetic (arXiv 2212.04089)",
        recipe=Recipe(terms=(on(FORGET, "ce"),), after=(Edit(edit="negate"),)),
        params={"scale": 1.5},
        optim=Optim(steps=30, lr=2e-3, warmup=5),
        fails="an imprint that knows F by heart has no gradient left to negate; nothing keeps the rest",
    ),
    Method(
        name="loku",
        family="edit",
        objective="IHL(F) + retain * CE(R) on an adapter that starts with what F hangs on (FILA)",
        source="LoKU (arXiv 2408.06621)",
        recipe=Recipe(terms=(on(FORGET, "ihl"), KEEP), before=(Edit(edit="fila"),)),
        params={"retain": 1.0, "samples": 64.0},
        optim=Optim(steps=60, lr=1e-3, warmup=5),
        stop=FORGOTTEN,
        fails="its forget term vanishes once another token leads, so the answer may stay the second best",
    ),
)

METHODS = (*SELECTIVE, *EDITS)
