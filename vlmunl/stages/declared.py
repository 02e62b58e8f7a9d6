"""The stages, declared once and without their code: name, version, config, inputs, outputs, path.

An input name that ends in `?` is optional; one that ends in `*` stands for any number of inputs with that
prefix. Bump `version` by hand whenever the same config and inputs may give other bytes.
"""

from __future__ import annotations

from vlmunl.stage import Stage
from vlmunl.stages import configs as c

DATA = Stage(
    name="data",
    version=2,
    config=c.DataConfig,
    inputs=("source?",),  # the folder or the files of a benchmark that is not built in
    outputs=("benchmark",),
    run="vlmunl.stages.data:run",
)
CHECKPOINT = Stage(
    name="checkpoint",
    version=1,
    config=c.CheckpointConfig,
    inputs=("base", "source"),  # the folder of a model or an adapter made elsewhere
    outputs=("adapter",),
    run="vlmunl.stages.checkpoint:run",
)
IMPRINT = Stage(
    name="imprint",
    version=1,
    config=c.ImprintConfig,
    inputs=("base", "benchmark"),
    outputs=("adapter", "curve"),
    run="vlmunl.stages.imprint:run",
)
GATE = Stage(
    name="gate",
    version=3,
    config=c.GateConfig,
    # without gold the imprint is measured against chance
    inputs=("base", "benchmark", "imprint", "gold?"),
    outputs=("rows",),
    run="vlmunl.stages.gate:run",
)
PROBE = Stage(
    name="probe",
    version=1,
    config=c.ProbeConfig,
    inputs=("base", "benchmark", "imprint"),
    outputs=("scores",),
    run="vlmunl.stages.probe:run",
)
UNLEARN = Stage(
    name="unlearn",
    version=2,
    config=c.UnlearnConfig,
    # the scores that its rules and edits choose by: probe.fisher-forget.64 and so on
    inputs=("base", "benchmark", "imprint?", "gold?", "probe.*"),
    outputs=("adapter", "curve"),
    run="vlmunl.stages.unlearn:run",
)
EVAL = Stage(
    name="eval",
    version=4,
    config=c.EvalConfig,
    # adapters are applied in the order adapter0, adapter1; none for the base model
    inputs=("base", "benchmark", "adapter0?", "adapter1?"),
    outputs=("rows",),
    run="vlmunl.stages.evaluate:run",
)
CHANCE = Stage(
    name="chance",
    version=1,
    config=c.ChanceConfig,
    inputs=("benchmark",),
    outputs=("rows",),
    run="vlmunl.stages.chance:run",
)
ATTACK = Stage(
    name="attack",
    version=1,
    config=c.AttackConfig,
    # the model as in eval; the imprint is given to attacks that start from it
    inputs=("base", "benchmark", "imprint?", "adapter0?", "adapter1?"),
    outputs=("rows",),
    run="vlmunl.stages.attack:run",
)
SELECT = Stage(
    name="select",
    version=1,
    config=c.SelectConfig,
    # rows and adapter of each trial: rows0, adapter0, rows1, ...; the rows of imprint and gold on the same people
    inputs=("imprint", "gold", "rows*", "adapter*"),
    outputs=("adapter", "choice"),
    run="vlmunl.stages.select:run",
)
AGGREGATE = Stage(
    name="aggregate",
    version=4,
    config=c.AggregateConfig,
    inputs=("manifest", "eval/*", "gate/*", "attack/*", "search/*"),
    outputs=("verified_results", "summary"),
    run="vlmunl.stages.aggregate:run",
)
TABLES = Stage(
    name="tables",
    version=5,
    config=c.TablesConfig,
    # the rows once more, for what the results do not hold (seed by seed, power), and the curves of all training
    inputs=("results", "manifest?", "eval/*", "gate/*", "attack/*", "search/*", "curve/*"),
    outputs=("generated",),
    run="vlmunl.stages.tables:run",
)

SCOUT = Stage(
    name="scout",
    version=1,
    config=c.ScoutConfig,
    inputs=("base", "benchmark", "imprint", "gold"),
    outputs=("rows",),
    run="vlmunl.stages.search:scout",
)
SEARCH = Stage(
    name="search",
    version=1,
    config=c.SearchConfig,
    # the searched model's adapters as in eval; what imprint and gold answered to the parts by themselves
    inputs=("base", "benchmark", "imprint", "gold", "placebo", "scout", "adapter0", "adapter1?"),
    outputs=("rows", "found"),
    run="vlmunl.stages.search:run",
)
META = Stage(
    name="meta",
    version=2,
    config=c.MetaConfig,
    inputs=("eval/*", "gate/*", "meta/*"),
    outputs=("meta", "generated"),
    run="vlmunl.stages.meta:run",
)

_ALL = (
    *(DATA, CHECKPOINT, IMPRINT, GATE, PROBE, UNLEARN, SELECT, CHANCE, EVAL, ATTACK, AGGREGATE, TABLES),
    *(SCOUT, SEARCH, META),
)
STAGES: dict[str, Stage] = {s.name: s for s in _ALL}
