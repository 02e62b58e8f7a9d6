"""Methods that a study writes down itself: what they become, and what is said of those that cannot be."""

from __future__ import annotations

import pytest

from vlmunl.errors import StudyError
from vlmunl.manifests.load import load_study
from vlmunl.methods import parts
from vlmunl.methods.language import Dual, Part, Recipe, Rule, Where, on
from vlmunl.methods.registry import Registry
from vlmunl.stages.configs import StopRule

HEAD = '[study]\nname = "s"\nseeds = [0]\n[model]\nid = "tiny"\n'
MINE = """
[methods.mine]
terms = [
  { loss = "npo", view = "forget", beta = 0.2 },
  { loss = "ce", view = "retain", weight = 4 },
]
schedule = "alternate"
every = 2
where = { parts = ["language"], modules = ["mlp"], depth = 0.5, last = 2 }
lr = 1e-3
steps = 7
stop = { strangers = 1.5, each = 3 }
"""


@pytest.fixture
def methods(tmp_path):
    """The methods of a study, by name."""

    def read(text):
        path = tmp_path / "s.toml"
        path.write_text(HEAD + text)
        return {m.name: m for m in load_study(path).methods}

    return read


def test_a_sum_of_terms_is_a_method(methods):
    mine = methods(MINE)["mine"]
    assert mine.recipe == Recipe(
        terms=(on("forget", "npo", beta=0.2), on("retain", "ce", 4.0)),
        schedule="alternate",
        every=2,
        where=Where(parts=("language",), modules=("mlp",), depth=0.5, last=2),
    )
    assert (mine.method, mine.version, mine.start, mine.label) == ("ad-hoc", 1, "imprint", "mine")
    assert mine.parts == {"loss ce": 1, "loss npo": 1}
    assert (mine.optim.lr, mine.optim.steps) == (1e-3, 7)
    assert mine.stop == StopRule(strangers=1.5, each=3.0)


def test_numbers_are_floats_so_that_4_and_4_0_are_one_run(methods):
    weight = methods(MINE)["mine"].recipe.terms[1].weight
    assert (weight, type(weight)) == (4.0, float)


def test_a_variant_follows_adds_and_replaces(methods):
    text = MINE + '[methods.more]\nlike = "mine"\nadd = [{ loss = "kl_ref", view = "general" }]\nsteps = 9\n'
    text += '[methods.other]\nlike = "more"\nterms = [{ loss = "ga" }, { loss = "ce", view = "retain" }]\n'
    found = methods(text)
    mine, more, other = (found[n] for n in ("mine", "more", "other"))
    assert more.recipe.terms == (*mine.recipe.terms, on("general", "kl_ref"))
    assert (more.recipe.where, more.stop, more.optim.steps) == (mine.recipe.where, mine.stop, 9)
    assert [t.loss for t in other.recipe.terms] == ["ga", "ce"]
    assert (other.recipe.schedule, other.optim.steps) == ("alternate", 9)


def test_a_variant_of_a_declared_method_adds_to_it(methods):
    text = '[methods.x]\nlike = "graddiff"\nretain = 2\nadd = [{ loss = "ce", view = "general", weight = "retain" }]\n'
    x = methods(text)["x"]
    assert [(t.loss, t.view, t.weight) for t in x.recipe.terms] == [
        ("ga", "forget", 1.0), ("ce", "retain", "retain"), ("ce", "general", "retain")
    ]  # fmt: skip
    assert (x.method, x.params) == ("graddiff", {"retain": 2.0})


def test_settings_are_declared_referred_to_and_changed_by_variants(methods):
    text = "[methods.a]\nsettings = { beta = 0.3, keep = 2 }\n"
    text += 'terms = [{ loss = "npo" }, { loss = "ce", view = "retain", weight = "keep" }]\n'
    found = methods(text + '[methods.b]\nlike = "a"\nkeep = 5\n')
    assert found["a"].params == {"beta": 0.3, "keep": 2.0}  # npo takes beta from the setting of that name
    assert found["b"].params == {"beta": 0.3, "keep": 5.0}
    assert found["b"].recipe == found["a"].recipe


def test_a_declared_method_can_be_told_where_and_in_which_order(methods):
    text = '[methods.graddiff]\nwhere = { parts = ["vision"] }\nschedule = "epochwise"\n'
    assert methods(text)["graddiff"].recipe.where == Where(parts=("vision",))
    assert methods(text)["graddiff"].recipe.schedule == "epochwise"


def test_weights_that_grow_by_themselves(methods):
    text = '[methods.a]\nterms = [{ loss = "ga" }, { loss = "ce", view = "retain", dual = '
    dual = methods(text + "{ start = 50, slack = 1.1, rate = 2 } }]\n")["a"].recipe.terms[1].dual
    assert dual == Dual(start=50.0, slack=1.1, rate=2.0)


def test_rules_and_edits(methods, monkeypatch):
    probe = Part(name="probe", formula="0", source="a test", run="nowhere:none", args={"strength": 1.0, "must": None})
    for kind in ("RULES", "EDITS"):
        monkeypatch.setattr(parts, kind, Registry(Part, "none", [probe]))
    text = '[methods.a]\nterms = [{ loss = "ga" }]\nrules = [{ rule = "probe", must = 2 }]\n'
    a = methods(text + 'after = [{ edit = "probe", strength = 3, must = 1 }]\n')["a"]
    assert a.recipe.rules == (Rule(rule="probe", args={"must": 2.0}),)
    assert a.recipe.after[0].args == {"strength": 3.0, "must": 1.0}
    assert a.parts == {"edit probe": 1, "loss ga": 1, "rule probe": 1}
    with pytest.raises(StudyError, match=r"methods.a: probe needs 'must'; give it a value"):
        methods('[methods.a]\nbefore = [{ edit = "probe" }]\n')
    with pytest.raises(StudyError, match=r"methods.a.rules\[0\].mus: unknown key; did you mean 'must'\?"):
        methods('[methods.a]\nrules = [{ rule = "probe", mus = 1 }]\nterms = []\n')


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('terms = [{ loss = "nppo" }]', "methods.a.terms[0].loss: unknown loss 'nppo'; did you mean 'npo'? known: "),
        ('terms = [{ loss = "npo", bta = 1 }]', "methods.a.terms[0].bta: unknown key; did you mean 'beta'? known: "),
        ('terms = [{ loss = "npo", beta = "b" }]', "methods.a: the recipe refers to an unknown setting 'b'; known"),
        ('terms = [{ loss = "ga", weight = "b" }]', "methods.a: the recipe refers to an unknown setting 'b'"),
        ('terms = [{ loss = "ga", weight = true }]', "methods.a.terms[0].weight: expected a number, found true"),
        ('terms = [{ loss = "ga", weight = nan }]', "methods.a.terms[0].weight: nan is not a finite number"),
        ('terms = [{ loss = "ga", view = "forgt" }]', "methods.a.terms[0].view: unknown view 'forgt'; did you mean"),
        ('terms = [{ loss = "ga", view = "forget.ikd" }]', "methods.a.terms[0].view: unknown view 'forget.ikd'"),
        ('terms = [{ loss = "ga", other = "retain" }]', "methods.a.terms[0].other: ga reads one view only"),
        ('terms = [{ view = "forget" }]', "methods.a.terms[0].loss: is required and is missing; known: "),
        ('terms = ["ga"]', 'methods.a.terms[0]: expected a table such as { loss = "..." }, found the text \'ga\''),
        ('terms = "ga"', "methods.a.terms: expected a list such as [{ loss ="),
        ("terms = []", "methods.a: the recipe is empty; give it a term, an edit or a wrapper"),
        ('term = [{ loss = "ga" }]', "methods.a: unknown method; "),
        ('terms = [{ loss = "ga" }]\nrule = []', "methods.a.rule: unknown key; did you mean 'rules'?"),
        ('terms = [{ loss = "ga" }]\nrules = [{ rule = "prc" }]', "methods.a.rules[0].rule: unknown rule 'prc"),
        ('terms = [{ loss = "ga" }]\nbefore = [{ edit = "q" }]', "methods.a.before[0].edit: unknown edit 'q'"),
        ('terms = [{ loss = "ga" }]\nschedule = "epoch"', "methods.a.schedule: unknown value 'epoch'; did you mean"),
        ('terms = [{ loss = "ga" }]\nschedule = "epochwise"', "methods.a.schedule: 'epochwise' needs a term"),
        ('terms = [{ loss = "ga" }]\nevery = 2', "methods.a.every: has no effect without"),
        ('terms = [{ loss = "ga" }]\nwhere = { depth = 2 }', "methods.a.where.depth: 2.0 is out of range"),
        ('terms = [{ loss = "ga" }]\nwhere = { last = 2 }', "methods.a.where.last: has no effect without depth"),
        ('terms = [{ loss = "ga" }]\nwhere = { parts = [] }', "methods.a.where.parts: a list of 0 is out of range"),
        ('terms = [{ loss = "ga" }]\nsettings = { x = 1 }', "methods.a.settings.x: nothing in the recipe refers to it"),
        ('terms = [{ loss = "ga", weight = "lr" }]\nsettings = { lr = 1 }', "methods.a.settings.lr: is a key of every"),
        ('like = "ga"\nadd = [{ loss = "ec" }]', "methods.a.add[0].loss: unknown loss 'ec'"),
        ('like = "retrain"\nadd = [{ loss = "ce" }]', "methods.a.add: has no effect: 'retrain' follows [imprint]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_key_and_what_there_is(methods, keys, said):
    with pytest.raises(StudyError) as error:
        methods(f"[methods.a]\n{keys}\n")
    assert said in str(error.value)
    assert "s.toml: methods.a" in str(error.value)


def test_a_declared_name_cannot_stand_for_another_recipe(methods):
    with pytest.raises(StudyError, match=r"methods.npo.terms: 'npo' is a declared method; give yours another name"):
        methods('[methods.npo]\nterms = [{ loss = "ga" }]\n')


@pytest.mark.parametrize(
    "key", ["lr = 1e-3", "steps = 5", "warmup = 1", "clip = 2", "batch = 8", "stop = { each = 3 }", "add_rules = []"]
)
@pytest.mark.parametrize("like", ["manu", "ssd", "eco", "incontext"])
def test_what_does_not_train_takes_no_key_of_a_training(methods, like, key):
    said = f"methods.a.{key.partition(' ')[0]}: has no effect: 'a' does not train; leave it out, or add a term"
    with pytest.raises(StudyError, match=said):
        methods(f'[methods.a]\nlike = "{like}"\n{key}\n')


@pytest.mark.parametrize("text", ["[methods.ssd]\nlr = 1", '[methods.a]\nbefore = [{ edit = "dampen" }]\nsteps = 9'])
def test_neither_does_a_declared_edit_or_one_of_the_study(methods, text):
    with pytest.raises(StudyError, match=r"has no effect: '(ssd|a)' does not train"):
        methods(text)


@pytest.mark.parametrize("like", ["iwap", "task_vector", "loku", "ssu", "uld", "o3"])
def test_edits_and_wrappers_with_a_training_take_them(methods, like):
    a = methods(f'[methods.a]\nlike = "{like}"\nlr = 1e-5\nsteps = 7\nbatch = 3\n')["a"]
    assert (a.optim.lr, a.optim.steps, a.batch) == (1e-5, 7, 3)


def test_a_term_makes_an_edit_train_and_what_is_inherited_is_no_fault(methods):
    repaired = '[methods.a]\nlike = "ssd"\nadd = [{ loss = "ce", view = "retain" }]\nlr = 1e-5\n'
    pruned = '[methods.b]\nlike = "a"\nterms = []\n'
    found = methods(repaired + pruned)
    assert [found[name].optim.lr for name in "ab"] == [1e-5, 1e-5]
    assert not found["b"].recipe.terms


@pytest.mark.parametrize(("like", "drawn"), [("manu", False), ("ssd", False), ("incontext", False), ("eco", True)])
def test_views_are_for_what_draws_them(methods, like, drawn):
    text = f'[methods.a]\nlike = "{like}"\nviews = "wide"\n'
    if drawn:
        assert methods(text)["a"].views == "wide"
        return
    with pytest.raises(StudyError, match=r"methods.a.views: has no effect: 'a' looks at the canonical questions only"):
        methods(text)
