"""What is said of a method is read off its declaration: cost, needs, views, caches, kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vlmunl.methods import costs, explain, parts
from vlmunl.methods.known import METHODS
from vlmunl.methods.language import Edit, Loss, Part, Recipe, Rule, Where, Wrapper, on
from vlmunl.methods.markdown import page
from vlmunl.methods.registry import Registry
from vlmunl.methods.specs import FAMILIES, Method
from vlmunl.stages.configs import StopRule

SAID = {"formula": "0", "source": "a test", "run": "nowhere:none"}
LOSSES = (
    Loss(name="plain", **SAID),
    Loss(name="referred", needs=("reference logits",), **SAID),
    Loss(name="inner", needs=("layer", "reference layer"), **SAID),
    Loss(name="pair", needs=("other", "reference total", "other reference total"), **SAID),
    Loss(name="teacher", needs=("other reference logits",), **SAID),
    Loss(name="taught", needs=("oracle logits",), **SAID),
)
JOINT = (on("forget", "plain"), on("retain", "referred"))


@pytest.fixture(autouse=True)
def _parts(monkeypatch):
    rules = (Part(name="twice", passes=1.0, **SAID), Part(name="project", args={"k": 4.0}, **SAID))
    monkeypatch.setattr(parts, "LOSSES", Registry(Loss, "none", LOSSES))
    monkeypatch.setattr(parts, "RULES", Registry(Part, "none", rules))
    for kind in ("EDITS", "WRAPPERS"):
        monkeypatch.setattr(parts, kind, Registry(Part, "none", [Part(name="probe", args={"s": 1.0}, **SAID)]))


def method(*terms, params=None, **recipe):
    made = Recipe(terms=terms, **recipe)
    return Method(name="m", family="ad hoc", objective="o", source="s", recipe=made, params=params or {})


@pytest.mark.parametrize(
    ("made", "step"),
    [
        (method(on("forget", "plain")), 1),
        (method(*JOINT), 2),  # the reference is remembered
        (method(on("forget", "plain"), on("forget", "referred")), 1),  # one forward for all terms of a view
        (method(*JOINT, on("retain", "plain", constraint=True)), 3),  # its gradient is made by itself
        (method(on("forget", "pair", other="forget.idk"), on("retain", "plain")), 3),
        (method(on("forget", "teacher", other="forget.noise")), 1),  # only the reference sees the other view
        (method(on("forget", "inner"), on("retain", "inner"), where=Where(depth=0.25)), 0.5),
        (method(on("forget", "inner"), where=Where(depth="d"), params={"d": 0.5}), 0.5),
        (method(on("forget", "inner"), on("forget", "plain"), where=Where(depth=0.25)), 1),  # all layers after all
        (method(*JOINT, schedule="alternate"), 1),
        (method(*JOINT, rules=(Rule(rule="twice"),)), 4),
        (method(*JOINT, rules=(Rule(rule="project"),)), 2),
        (method(*JOINT, schedule="epochwise"), 1),
        (method(before=(Edit(edit="probe"),)), None),
        (method(infer=Wrapper(wrapper="probe")), None),
        (replace(method(), start="base"), None),
    ],
)
def test_cost_by_hand(made, step):
    found = costs.cost(made).step
    assert found == (None if step is None else pytest.approx(step))


def test_cost_in_words():
    assert costs.cost(method(*JOINT)).words == "2.0"
    assert costs.cost(method(*JOINT, after=(Edit(edit="probe"),))).words == "2.0 + edits"
    assert costs.cost(
        method(on("forget", "pair", other="forget.idk"), on("retain", "plain"), schedule="epochwise")
    ) == (costs.Cost(step=1.5, words="1.0-2.0"))
    assert costs.cost(method(after=(Edit(edit="probe"),))).words == "edits only"
    assert costs.cost(method(infer=Wrapper(wrapper="probe"))).words == "no training"


def test_needs_and_kinds():
    whole = method(
        *JOINT, on("forget", "taught"), rules=(Rule(rule="project"),), before=(Edit(edit="probe"),)
    )  # fmt: skip
    assert explain.needs(whole) == ["retain", "reference", "gold model", "project", "probe"]
    assert explain.kind_of(whole) == "training"
    assert explain.kind_of(method(before=(Edit(edit="probe"),))) == "edit"
    assert explain.kind_of(method(on("forget", "plain"), infer=Wrapper(wrapper="probe"))) == "inference"
    many = method(*(on(f"forget.{name}", "plain") for name in ("idk", "text", "noise")))
    assert explain.needs_in_short(many) == "3 views of forget"


def test_what_is_remembered_and_of_whom():
    found = explain.caches(method(on("forget", "pair", other="forget.idk"), on("retain", "taught")).recipe, {})
    assert [line.partition(":")[0] for line in found] == [
        "the model before unlearning on forget", "the model before unlearning on forget.idk", "the gold model on retain"
    ]  # fmt: skip


def test_probes_are_remembered_once_for_an_imprint(monkeypatch):
    monkeypatch.undo()
    found = METHODS["mmunlearner"]
    assert explain.caches(found.recipe, found.params) == [
        "probe fisher of forget: once per imprint, 64 questions of each view",
        "probe fisher of forget.text, retain, retain.text: once per imprint, 64 questions of each view",
    ]
    assert explain.caches(METHODS["ssd"].recipe, {"samples": 0.0})[1] == (
        "probe fisher of retain: once per imprint, all questions"
    )
    assert explain.document(found)["caches"] == explain.caches(found.recipe, found.params)


def test_a_term_is_shown_with_its_numbers(monkeypatch):
    loss = Loss(name="npo", args={"beta": 0.1}, **SAID)
    monkeypatch.setattr(parts, "LOSSES", Registry(Loss, "none", [loss]))
    term = on("forget", "npo", "keep", beta=0.25)
    assert explain.term_line(term, {"keep": 4.0}) == "4 * npo(forget, beta = 0.25)"
    assert explain.term_line(on("forget", "npo"), {"beta": 0.5}) == "npo(forget, beta = 0.5)"


def test_stop_rules_in_words():
    assert explain.stop_line(StopRule()) == "never"
    rule = StopRule(strangers=1.5, retain_rise=2, patience=4, each=3)
    assert explain.stop_line(rule) == (
        "when the forget NLL is above 1.5 times that of people never taught or the retain NLL is above 2 times its "
        "first value, for 4 steps; each sample by itself above 3 nats per token"
    )


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_can_be_explained(name, monkeypatch):
    monkeypatch.undo()
    found = METHODS[name]
    assert explain.problem(found) is None
    assert found.family in FAMILIES
    assert json.loads(json.dumps(explain.document(found)))["kind"] in explain.KINDS
    recipe = found.recipe
    shown = len(explain.pieces(found)) - (recipe.infer is not None)
    assert shown == len((*recipe.terms, *recipe.rules, *recipe.before, *recipe.after))
    assert all(contains for _, contains in explain.views(found))
    assert explain.where_line(recipe.where, found.params)


def test_the_page_of_methods_is_current(monkeypatch):
    monkeypatch.undo()
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    made = page([METHODS[name] for name in METHODS if name in METHODS.builtin])
    assert text == made.rstrip("\n") + "\n", "write it anew: vlmunl methods --markdown > docs/methods.md"


def test_what_stands_in_a_table_cannot_break_it():
    made = method(on("forget", "plain"))
    (row,) = [
        line for line in page([replace(made, objective="KL(a || b) * c_d `x` <y>")]).split("\n") if "KL(" in line
    ][:1]
    assert row.endswith(r"| KL(a \|\| b) \* c\_d \`x\` \<y\> |")
