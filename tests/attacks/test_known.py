"""The table of attacks: how they are written, what is refused, and that nothing of it loads torch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from vlmunl.attacks.known import ATTACKS, needs_of, parse
from vlmunl.errors import StudyError
from vlmunl.routes.catalogue import CATALOGUE, CORE


@pytest.mark.parametrize(
    ("attack", "arguments"),
    [
        ("quantize:4", (4,)),
        ("prune", (10,)),
        ("prune:2.5", (2.5,)),
        ("relearn_people", (20,)),
        ("soft_prompt:3", (3, 40)),
        ("projector_restore", ()),
        ("logit_lens:0.5", (0.5,)),
        ("logit_lens:0.2:0.4:1", (0.2, 0.4, 1.0)),
        ("scale:-0.5", (-0.5,)),
    ],
)
def test_arguments_are_read_and_defaults_filled_in(attack, arguments):
    found = parse(attack)[1]
    assert found == arguments
    whole = [a.whole for a in parse(attack)[0].args]
    assert [isinstance(v, int) for v, w in zip(found, whole, strict=False) if w] == [True] * sum(whole)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("telepathy:3", "attack 'telepathy' is not known"),
        ("quantize", "needs bits"),
        ("quantize:5", "bits is 5, not 4 or 8"),
        ("quantize:four", "bits is 'four', not a whole number"),
        ("quantize:4:4", "has 2 arguments, quantize takes 1"),
        ("prune:101", "percent is 101, not from 0 to 99"),
        ("prune:nan", "percent is nan, not from"),
        ("relearn_people:0", "steps is 0, not from 1"),
        ("relearn_people:2.5", "steps is '2.5', not a whole number"),
        ("logit_lens", "needs depth"),
        ("logit_lens:0.5:1.5", "depth is 1.5"),
        ("projector_restore:1", "takes 0"),
    ],
)
def test_what_is_not_an_attack_is_refused(attack, said):
    with pytest.raises(StudyError, match=said) as caught:
        parse(attack)
    assert caught.value.hint


def test_every_attack_has_code_and_every_route_an_attack():
    for attack in ATTACKS.values():
        module, _, name = attack.run.partition(":")
        assert callable(getattr(import_module(module), name)), attack.name
        assert attack.does
        assert attack.source
        assert attack.usage.startswith(attack.name)
    used = {parse(r.attack)[0].name for r in CATALOGUE.values() if r.attack}
    assert used == set(ATTACKS.builtin)
    for route in (r for r in CATALOGUE.values() if r.attack):
        declared = parse(route.attack)[0]
        assert (route.tier, route.family, route.source) == (declared.tier, declared.family, declared.source)
        assert route.leak or declared.tier == "T4"


def test_what_an_attack_needs():
    assert needs_of("guided:0.5") == {"imprint"}
    assert needs_of("relearn_people:3") == needs_of("perturb:1:1") == {"people"}
    assert needs_of("quantize:8") == needs_of("relearn_attributes:5") == frozenset()
    core = [CATALOGUE[r].attack for r in CORE if CATALOGUE[r].attack]
    assert core
    assert not [a for a in core if "people" in needs_of(a)]


def test_reading_the_table_loads_no_torch():
    code = "import sys, vlmunl.attacks.known, vlmunl.routes.catalogue; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
