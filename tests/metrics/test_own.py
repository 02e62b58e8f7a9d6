"""TOFU's, MUSE's and WMDP's own metrics, computed by hand and against published arithmetic."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmunl.benchmarks.known import KINDS
from vlmunl.manifests.gate import t_quantile
from vlmunl.metrics import memorisation
from vlmunl.metrics.own import muse, tofu, wmdp
from vlmunl.metrics.own.asked import NUMBERS, Given, Group, Model, estimate, model_of
from vlmunl.metrics.own.declared import OWN, names
from vlmunl.metrics.rows import read_rows

NAN = float("nan")


def group(clusters: Sequence[int] = (0, 1), **columns: Sequence[float]) -> Group:
    named = tuple(f"p{i}" for i in range(max(clusters) + 1))
    return Group(np.array(clusters), named, {name: np.array(v, dtype=float) for name, v in columns.items()})


def logs(*probabilities: float) -> list[float]:
    return [math.log(p) for p in probabilities]


def given(model: Model, gold: Model | None = None, imprint: Model | None = None) -> Given:
    return Given(model=model, gold=gold, imprint=imprint)


def test_every_declared_benchmark_has_its_function() -> None:
    """What a table shows is what the functions compute, no more and no less, and all of a kind with metrics has one."""
    assert set(OWN) == {kind.id for kind in KINDS.values() if kind.metrics}
    for benchmark, module in (("tofu", tofu), ("muse-news", muse), ("muse-books", muse), ("wmdp", wmdp)):
        assert KINDS[benchmark].metrics == f"{module.__name__}:metrics"
        found = module.metrics([given({})], 0.95)
        assert set(found) == set(names(benchmark))
        assert set(found.values()) == {None}  # nothing asked: nothing known, and no zero


# ------------------------------------------------------------------------------------------------------------ TOFU

FORGET = group(logp=logs(0.5, 0.25), logp_alias=logs(0.4, 0.2), logp_wrong=logs(0.2, 0.4), rouge_l=[1.0, 0.5])
"""Truth ratios .2 / .4 = 1/2 and .4 / .2 = 2."""
RETAIN = group(logp=logs(0.8, 0.4), logp_alias=[NAN, NAN], logp_wrong=[*logs(0.2), NAN], rouge_l=[0.9, 0.7])
"""One truth ratio, of the answer itself: .2 / .8 = 1/4; the other question has no wrong answers."""
AUTHORS = group(logp=logs(0.5, 0.5), choice=[0.5, 0.7], logp_wrong=logs(0.25, 1.0), rouge_l=[0.4, 0.4])
FACTS = group(logp=logs(0.5, 0.5), choice=[1.0, 0.2], logp_wrong=logs(0.1, 0.1), rouge_l=[1.0, 0.0])


def test_tofu_by_hand() -> None:
    model = {"forget": FORGET, "retain": RETAIN, "real_authors": AUTHORS, "world_facts": FACTS}
    gold = {"forget": group(logp=logs(0.1, 0.1), logp_wrong=logs(0.3, 0.5))}  # ratios 3 and 5
    found = tofu.metrics([given(model, gold)], 0.95)
    values = {name: e.estimate for name, e in found.items() if e is not None}
    assert values["forget_probability"] == pytest.approx(0.375)
    assert values["forget_rouge"] == pytest.approx(0.75)
    assert values["forget_truth_ratio"] == pytest.approx(0.5)  # min(R, 1/R) is 1/2 twice
    nine = (0.6, 0.8, 0.75, 0.6, 0.4, 0.25, 0.6, 0.5, 0.8)  # max(0, 1 - R): .75; (.5 + 0) / 2; .8
    assert values["model_utility"] == pytest.approx(9 / sum(1 / x for x in nine))
    assert values["retain_utility"] == pytest.approx(3 / (1 / 0.6 + 1 / 0.8 + 1 / 0.75))
    assert values["ks_distance"] == 1.0  # all of gold's ratios lie above
    assert values["forget_quality"] == pytest.approx(1 / 3)  # 2 of the 6 orders of 2 and 2 are as far apart
    assert set(values) == set(names("tofu"))


def test_forget_quality_of_the_reference_table() -> None:
    """The published 1.06e-239 is two samples of 400 that do not overlap: 2 / (800 choose 400)."""
    found = memorisation.forget_quality([0.0] * 400, [1.0] * 400)
    assert found == pytest.approx(2 / math.comb(800, 400))
    assert f"{found:.2e}" == "1.06e-239"


def test_forget_quality_over_seeds_is_a_geometric_mean() -> None:
    gold = {"forget": group(logp=logs(0.1, 0.1), logp_wrong=logs(0.3, 0.5))}
    same = given(gold, gold)
    other = given({"forget": FORGET}, gold)
    found = tofu.metrics([same, other], 0.95)["forget_quality"]
    assert found is not None
    assert found.estimate == pytest.approx(math.sqrt(1.0 * (1 / 3)))
    assert tofu.metrics([same, given({"forget": FORGET})], 0.95)["forget_quality"] is None  # a seed without gold


@pytest.mark.parametrize(
    ("values", "mean"), [((1.0, 1.0), 1.0), ((0.5, 1.0), 2 / 3), ((0.0, 1.0), 0.0), ((None, 1.0), None), ((), None)]
)
def test_harmonic(values: tuple[float | None, ...], mean: float | None) -> None:
    assert tofu.harmonic(values) == mean


# ------------------------------------------------------------------------------------------------------------ MUSE


def of_auc(share: float, count: int = 1000) -> Model:
    """A model whose AUC is this share: so many strangers lie below the only member."""
    below = round(share * count)
    return {
        "forget_privacy": group((0,), min_k_40=[0.0]),
        "holdout_privacy": group(tuple(range(count)), min_k_40=[-1.0] * below + [1.0] * (count - below)),
    }


@pytest.mark.parametrize(
    ("mine", "gold", "published"),
    [(0.997, 0.383, -99.46), (0.029, 0.380, 56.7), (0.151, 0.380, 36.9), (0.819, 0.380, -70.8), (0.380, 0.5, 23.97)],
)
def test_privacy_leakage_of_published_models(mine: float, gold: float, published: float) -> None:
    """Six published values from their published AUCs, to the three digits that these have."""
    found = muse.leakage(given(of_auc(mine), of_auc(gold)))
    assert found == pytest.approx(published, abs=0.4)


def test_muse_by_hand() -> None:
    model = {
        "forget_verbatim": group(rouge_f1=[0.2, 0.6]),
        "forget_knowledge": group(rouge_f1=[0.0, 0.5]),
        "retain_knowledge": group(rouge_f1=[1.0, 0.5]),
        "forget_privacy": group(min_k_40=[-1.0, -3.0]),
        "holdout_privacy": group(min_k_40=[-2.0, -3.0]),
    }
    gold = {"forget_privacy": group(min_k_40=[-1.0, -3.0]), "holdout_privacy": group(min_k_40=[-2.0, 0.0])}
    found = muse.metrics([given(model, gold)], 0.95)
    values = {name: e.estimate for name, e in found.items() if e is not None}
    assert values == pytest.approx(
        {
            "verbatim_forget": 0.4,
            "knowledge_forget": 0.25,
            "knowledge_retain": 0.75,
            "privacy_auc": 0.625,  # (1 + 1 + 0 + 1/2) / 4
            "privacy_leakage": 100 * (0.25 - 0.625) / 0.75,  # gold: 1 of 4 pairs
        }
    )
    alone = muse.metrics([given(model)], 0.95)
    assert alone["privacy_leakage"] is None  # never against 1/2 in gold's place
    assert muse.leakage(given(model, of_auc(1.0))) is None


# ------------------------------------------------------------------------------------------------------------ WMDP


def test_wmdp_by_hand() -> None:
    model = {
        "forget": group(logp=[-2.0, -1.0], tokens=[1, 3], rank1=[1.0, 0.0], choice=[0.6, 0.1]),  # 5 nats, 4 tokens
        "retain": group(logp=[-1.5, -1.5], tokens=[2, 2], rank1=[1.0, 1.0], choice=[0.6, 0.6]),
        "mmlu": group(rank1=[1.0, 0.0], choice=[0.6, NAN]),
    }
    imprint = {"forget": group(logp=[-1.0, -1.0], tokens=[1, 3]), "retain": group(logp=[-1.0, -1.0], tokens=[2, 2])}
    found = wmdp.metrics([given(model, None, imprint)], 0.95)
    values = {name: e.estimate for name, e in found.items() if e is not None}
    assert values == pytest.approx(
        {
            "forget_accuracy": 0.5,
            "retain_accuracy": 1.0,
            "mmlu_accuracy": 1.0,
            "forget_efficacy": 100 * (math.exp(0.25) - 1),
            "retain_performance": 100 * math.exp(1 - math.exp(0.5)),
        }
    )
    assert found["mia_resistance"] is None
    corpus = {**model, "forget_questions": group((0, 1, 2, 3), rank1=[1.0, 0, 0, 0], choice=[0.2] * 4)}
    on_questions = wmdp.metrics([given(corpus, None, imprint)], 0.95)["forget_accuracy"]
    assert on_questions is not None
    assert on_questions.estimate == 0.25  # where passages are forgotten, the questions are general ones
    passages = {"forget": group(logp=[-1.0, -1.0], tokens=[9, 9], rank1=[1.0, 1.0], choice=[NAN, NAN])}
    assert wmdp.metrics([given(passages, None, imprint)], 0.95)["forget_accuracy"] is None  # nothing to be ranked among
    strangers = {"unseen": group(logp=[-1.5, -1.5])}
    with_strangers = wmdp.metrics([given({**model, **strangers}, None, imprint)], 0.95)["mia_resistance"]
    assert with_strangers is not None
    assert with_strangers.estimate == 100.0  # one above, one below: AUC 1/2


# ------------------------------------------------------------------------------------------------------- intervals


def test_interval_of_a_mean_over_clusters() -> None:
    """Two clusters of two and one row: leaving one out gives 5 and 2, so the variance is (1/2)(1.5^2 + 1.5^2)."""
    sides = given({"g": group((0, 0, 1), x=[1.0, 3.0, 5.0])})
    found = estimate(lambda g: g.model["g"].mean("x"), [sides], ("g",), 0.95)
    assert found is not None
    margin = t_quantile(0.975, 2) * 1.5
    assert (found.estimate, found.low, found.high) == pytest.approx((3.0, 3.0 - margin, 3.0 + margin))


def test_interval_over_seeds_and_without_enough_clusters() -> None:
    seeds = [given({"g": group(x=[v, v])}) for v in (1.0, 3.0)]
    found = estimate(lambda g: g.model["g"].mean("x"), seeds, ("g",), 0.95)
    assert found is not None
    assert found.high - found.estimate == pytest.approx(t_quantile(0.975, 2) * 1.0)  # variance 2 over two seeds
    one = estimate(lambda g: g.model["g"].mean("x"), [given({"g": group((0,), x=[2.0])})], ("g",), 0.95)
    assert one is not None
    assert one.estimate == 2.0
    assert math.isnan(one.low)
    assert estimate(lambda g: None, seeds, ("g",), 0.95) is None


def test_groups_of_an_evaluation(tmp_path: Path) -> None:
    """Canonical rows by split, questions with choices, general ones by their group; failed rows never count."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def line(split: str, who: str, route: str, what: str = "q00", **more: Any) -> Mapping[str, Any]:
        row = {"split": split, "identity": who, "attribute": what, "route": route, "status": "correct", "variant": 0}
        return row | {"score": 1.0, "logp": -1.0, "tokens": 2, "rank1": True, "rouge_f1": 0.5, "choice": None} | more

    rows = [
        line("forget", "b", "canonical", logp=-3.0),
        line("forget", "a", "canonical"),
        line("forget", "a", "canonical", status="error", score=NAN, logp=-99.0),
        line("forget", "a", "crop", logp=-7.0),
        line("general", "mmlu000", "canonical", "mmlu", choice=0.5),
        line("general", "world_facts000", "canonical", "world_facts"),
    ]
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), tmp_path / "rows.parquet")
    model = model_of(read_rows(tmp_path / "rows.parquet", numbers=NUMBERS))
    assert set(model) == {"forget", "mmlu", "world_facts"}
    assert model["forget"].mean("logp") == -2.0
    assert len(model["forget"].names) == 2
    assert model["forget"].mean("rank1") == 1.0
    assert model["mmlu"].mean("choice") == 0.5
    assert model["forget"].mean("min_k_40") is None  # no such column
    assert model["forget"].without("b").mean("logp") == -1.0


# ---------------------------------------------------------------------------------------------- in a study's results

ROWS = ("base", "imprint", "gold", "npo", "late")


@pytest.fixture
def document(tmp_path: Path) -> Mapping[str, Any]:
    """The verified results of a made-up study on TOFU; `late` is pending."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.metrics.worlds import World, routes
    from vlmunl.metrics.evidence import read_evidence
    from vlmunl.metrics.results import results

    world = World(models={"npo": lambda route: 0.8}, seeds=(0, 1))
    cells = {f"eval/late/seed{seed}": ("pending", "not run") for seed in world.seeds}
    paths = world.write(tmp_path, ROWS, cells)
    for name, path in paths.items():
        if name.startswith("eval/"):
            table = pq.read_table(path)
            wrong = [-1.0 - (i % 7) / 10 for i in range(len(table))]
            table = table.append_column("logp_wrong", pa.array(wrong))
            table = table.append_column("rouge_l", pa.array([0.5] * len(table)))
            pq.write_table(table, path)
    tables = {
        name: read_rows(path, ("model",) if name.startswith("gate/") else (), NUMBERS)
        for name, path in paths.items()
        if name != "manifest"
    }
    claims = {"known": "npo.own.forget_rouge.estimate > 0.4", "quality": "npo.own.forget_quality.estimate > 0"}
    config = world.config(ROWS, claims, own="tofu")
    return results(config, read_evidence(paths["manifest"]), routes(world.route_ids), tables)


def test_own_figures_stand_beside_wcr(document: Mapping[str, Any]) -> None:
    rows = {row["name"]: row for row in document["rows"]}
    assert document["own"] == "tofu"
    assert rows["gold"]["own"]["forget_quality"] == {"estimate": 1.0, "low": None, "high": None}
    assert rows["gold"]["own"]["ks_distance"]["estimate"] == 0.0
    assert rows["npo"]["own"]["forget_quality"]["estimate"] < 1.0
    assert rows["npo"]["own"]["forget_rouge"] == {"estimate": 0.5, "low": 0.5, "high": 0.5}
    assert rows["npo"]["own"]["model_utility"] is None  # real authors and world facts were not asked
    assert rows["npo"]["own"]["retain_utility"]["estimate"] > 0
    assert rows["late"]["own"] == dict.fromkeys(names("tofu"))
    assert [claim["supported"] for claim in document["claims"]] == [True, True]


def test_own_table(document: Mapping[str, Any]) -> None:
    from vlmunl.latex.macros import numbers_tex
    from vlmunl.latex.read import parse_results
    from vlmunl.latex.writers import WRITERS
    from vlmunl.stages.tables import tables_of

    results = parse_results(document)
    table = tables_of(results)["own"]
    texts = {suffix: write(table) for suffix, write in WRITERS.items()}
    assert "forget quality and model utility" in texts["md"]
    lines = {line["model"]: line for line in csv.DictReader(texts["csv"].splitlines())}
    assert float(lines["gold"]["forget_quality"]) == 1.0
    assert lines["gold"]["forget_quality_low"] == "NA"
    assert lines["late"]["forget_quality"] == "pending"
    assert "{npo.own.forget_rouge.estimate}{.50}" in numbers_tex(results)


def test_other_studies_have_no_own_table(document: Mapping[str, Any]) -> None:
    from vlmunl.latex.read import parse_results
    from vlmunl.stages.tables import tables_of

    plain = {key: value for key, value in document.items() if key != "own"}
    assert "own" not in tables_of(parse_results(plain))


def test_every_cell_of_the_table_leads_to_its_number(document: Mapping[str, Any]) -> None:
    """`trace` finds each figure by its name, by its macro and by its cell, and says which rows it was made of."""
    from vlmunl.latex.read import parse_results
    from vlmunl.trail.document import Document
    from vlmunl.trail.sources import Sources
    from vlmunl.trail.spellings import spellings

    tree = Document.of(document)
    found = dict(reversed(list(spellings(tree, parse_results(document)))))
    for name in ("npo.own.ks_distance.low", "own/npo/ks_distance_low"):
        assert found[name] == ("rows", "npo", "own", "ks_distance", "low")
    assert found["own/npo/forget_quality"] == ("rows", "npo", "own", "forget_quality", "estimate")
    evals = (f"eval/{role}/seed0" for role in ("gold", "imprint", "npo"))
    cells = {name: {"status": "verified"} for name in ("gate/seed0", *evals)}
    sources = Sources(tree, cells)
    rouge = sources.of(("rows", "npo", "own", "forget_rouge", "estimate"))
    quality = sources.of(("rows", "npo", "own", "forget_quality", "estimate"))
    assert (rouge["eval/npo/seed0"], rouge["eval/gold/seed0"]) == ("rows", "verified")
    assert (quality["eval/npo/seed0"], quality["eval/gold/seed0"], quality["eval/imprint/seed0"]) == (
        "rows",
        "rows",
        "verified",
    )
