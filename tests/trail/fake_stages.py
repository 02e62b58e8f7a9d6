"""Stages that train nothing and write rows like the real ones: real people, real questions, answers by hash."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from vlmunl.benchmarks import fictitious, schema
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.questions import questions
from vlmunl.stages import data as stages_data
from vlmunl.stages import sides
from vlmunl.stages.configs import FORMATS
from vlmunl.stages.declared import STAGES

FAKES = {
    name: replace(stage, run=f"tests.trail.fake_stages:{name}")
    for name, stage in STAGES.items()
    if name not in ("select", "aggregate", "tables", "scout", "search", "meta")
}
WEAK = 2  # the seed whose imprint learns nothing
TUNED = ("npo",)
KNOWS = {"imprint": 0.97, "ga": 0.3, "npo": 0.6}


def _uniform(*key: object) -> float:
    return xxhash.xxh3_64_intdigest(repr(key).encode()) / 2**64


def _knows(who, made):
    """The chance of a right answer about people to forget; a learning rate of 1 is the worst that one can choose."""
    return made["optim"]["lr"] if who in TUNED and made["optim"]["lr"] > 0.01 else KNOWS.get(who, 0.1)


def data(config, ctx):
    """The real people, without the conversations that only training reads."""
    with mock.patch.object(fictitious, "_replay", return_value=()):
        return stages_data.run(config, ctx)


def _train(config, ctx, who):
    (ctx.out / "adapter").mkdir()
    (ctx.out / "adapter" / "weights").write_text(json.dumps([who, dataclasses.asdict(config)], sort_keys=True))
    (ctx.out / "curve.json").write_text('{"ended": "steps", "steps": []}')
    return {"steps": config.optim.steps}


def imprint(config, ctx):
    return _train(config, ctx, config.role)


def probe(config, ctx):
    (ctx.out / "scores.json").write_text(json.dumps(dataclasses.asdict(config), sort_keys=True))
    return {"layers": 1}


def unlearn(config, ctx):
    return _train(config, ctx, config.method)


def _row(columns: dict[str, Any], right: bool, said: str, turns: list[str]) -> dict[str, Any]:
    status = "correct" if right else "refusal" if _uniform(said, "r") < 0.1 else "incorrect"
    digests = {"prompt_digest": xxhash.xxh3_64_hexdigest(repr(turns).encode()), "image_digest": "ab" * 16}
    return {
        **columns,
        "score": float(right),
        "logp": -_uniform(said),
        "tokens": 1,
        "status": status,
        "text": "Oslo",
        **digests,
    }


def _write(rows, ctx):
    pq.write_table(pa.Table.from_pylist(rows), ctx.out / "rows.parquet")


def eval(config, ctx):
    people = schema.load(ctx.input("benchmark"))
    who, seed, made = "base", -1, {}
    for name in ("adapter0", "adapter1"):
        if name in ctx.paths:
            who, made = json.loads((ctx.input(name) / "weights").read_text())
            seed = made["seed"]
    rows = []
    side = sides.people(people, config.tuning, config.side)
    groups = ((side.forget, side.split, config.routes), (side.controls, "retain", config.routes))
    strangers = (side.unseen, "unseen", ("canonical",))
    for identity, split, route in (
        (i, s, r) for group, s, routes in (*groups, strangers) for i in group for r in routes
    ):
        for q in questions(CATALOGUE[route], identity, people.retain[-8:]):
            knows = 0.9 if split == "retain" else 0.1 if split == "unseen" else _knows(who, made)
            columns = {"split": split, "identity": identity.id, "attribute": q.attribute}
            columns |= {"route": route, "variant": q.variant, "format": q.format}
            said = repr((who, seed, identity.id, q.attribute, route, q.variant))
            turns = [text for turn in q.turns for text in turn if text is not None]
            rows.append(_row(columns, _uniform(said) < knows, said, turns))
    for group in ("visual", "context", "neighbour"):
        for i in (i for i in range(8) if (i % sides.EVERY == 3) is (config.side == "tuning") or not config.tuning):
            columns = {"split": "general", "identity": f"{group}{i:03d}", "attribute": group, "route": "canonical"}
            said = repr((who, seed, group, i))
            asked = [item.question for item in people.general if item.group == group][i]
            rows.append(_row(columns | {"variant": 0, "format": "open"}, _uniform(said) < 0.9, said, [asked]))
    _write(rows, ctx)
    return {}


def gate(config, ctx):
    people = sides.people(schema.load(ctx.input("benchmark")), config.tuning)
    formats: dict[str, Any] = {}
    rows = []
    for form in FORMATS:
        hits: dict[str, list[int]] = {}
        taught: dict[str, dict[str, list[float]]] = {"imprint": {}, "gold": {}}
        for who in people.forget:
            for model, chance in (("imprint", 0.1 if config.seed == WEAK else 0.97), ("gold", 0.1)):
                found: dict[str, list[float]] = {"gate": [], "canonical": []}
                for fact in who.facts:
                    for route, count in (("gate", 4), ("canonical", 1)):
                        scores = []
                        for variant in range(count):
                            said = repr(("gate", config.seed, form, model, who.id, fact.attribute, route, variant))
                            columns = {"model": model, "split": "forget", "identity": who.id, "format": form}
                            columns |= {"attribute": fact.attribute, "route": f"{route}_{form}", "variant": variant}
                            asked = fact.of(form, held=route == "gate")[variant].ask("this person")
                            rows.append(_row(columns, _uniform(said) < chance, said, [asked]))
                            scores.append(rows[-1]["score"])
                        found[route].append(sum(scores) / count)
                taught[model][who.id] = found["canonical"]
                if model == "imprint":
                    hits[who.id] = [round(4 * share) for share in found["gate"]]
        formats[form] = {
            "n": 4,
            "attributes": [fact.attribute for fact in people.forget[0].facts],
            "hits": hits,
            **{f"canonical_{model}": taught[model] for model in taught},
        }
    _write(rows, ctx)
    return {"formats": formats}
