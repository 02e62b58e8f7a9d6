"""The arithmetic of wrappers: scores taken off, tokens that may not be completed, noise, groups, words, files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.errors import MissingInput, StudyError  # noqa: E402
from vlmunl.methods.infer import stored  # noqa: E402
from vlmunl.methods.infer.context import ORDER, InContext  # noqa: E402
from vlmunl.methods.infer.corrupt import STRONGEST, WEAKEST, Noise, search  # noqa: E402
from vlmunl.methods.infer.features import asked_texts, words  # noqa: E402
from vlmunl.methods.infer.forbid import completing  # noqa: E402
from vlmunl.methods.infer.gated import Apart, split  # noqa: E402
from vlmunl.methods.infer.offset import offset  # noqa: E402
from vlmunl.methods.infer.stored import Stored  # noqa: E402
from vlmunl.methods.infer.wrapping import Fitted, joined, pairs_of  # noqa: E402
from vlmunl.models.chat import Turn  # noqa: E402
from vlmunl.models.loop import Curve  # noqa: E402
from vlmunl.models.update import Update  # noqa: E402

pytestmark = pytest.mark.model


def _t(*values: float) -> Any:
    return torch.tensor(values, dtype=torch.float64)


# ------------------------------------------------------------------------------------- scores taken off


def test_the_offset_by_hand() -> None:
    base = _t(2.0, 1.0, -9.0, 0.0)
    assistant = torch.log(_t(0.7, 0.1, 0.1, 0.1))
    found = offset(base, assistant, strength=0.5, floor=0.01)
    assert found[0] == pytest.approx(2.0 - 0.5 * math.log(0.7 * 4))
    assert found[1] == pytest.approx(1.0 - 0.5 * math.log(0.1 * 4))
    assert found[2] == -9.0  # e^-11 of the best is below the floor
    assert found[3] == pytest.approx(0.0 - 0.5 * math.log(0.1 * 4))


def test_a_uniform_assistant_takes_nothing_off_and_its_scale_does_not_count() -> None:
    base = torch.randn(3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(offset(base, torch.full((3, 8), 7.0), 0.8, 1e-9), base, atol=1e-6)
    assistant = torch.randn(3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(offset(base, assistant + 100, 0.8, 0.01), offset(base, assistant, 0.8, 0.01))


# --------------------------------------------------------------------------------------------- forbidding


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ((), [7]),
        ((1,), [7]),
        ((1, 2), [3, 7]),
        ((9, 1, 2), [3, 7]),
        ((2, 1), [7]),
        ((1, 2, 3), [7]),
        ((3, 3, 4), [5, 7]),
    ],
)
def test_only_what_completes_a_forbidden_answer_is_penalised(written: tuple[int, ...], tokens: list[int]) -> None:
    assert completing(((1, 2, 3), (7,), (3, 4, 5)), written) == tokens


# -------------------------------------------------------------------------------------------------- noise


def test_noise_is_a_property_of_the_question() -> None:
    noise, embeds = Noise(2.0, 0.5, seed=3), torch.zeros(6, 8)
    where = torch.tensor([False, True, True, False, True, False])
    picture = torch.ones(3, 2, 2)
    first = noise.added(embeds, where, noise.stream([1, 2], picture))
    assert torch.equal(first, noise.added(embeds, where, noise.stream([1, 2], picture)))
    assert not torch.equal(first, noise.added(embeds, where, noise.stream([1, 3], picture)))
    assert not torch.equal(first, noise.added(embeds, where, noise.stream([1, 2], None)))
    assert not first[~where].any()
    assert not first[:, 4:].any()  # the first half of the dimensions
    assert first[where][:, :4].ne(0).all()
    padded = noise.added(
        torch.zeros(9, 8), torch.cat([torch.zeros(3, dtype=torch.bool), where]), noise.stream([1, 2], picture)
    )
    assert torch.equal(padded[3:], first)


def test_the_least_noise_that_is_enough_is_found() -> None:
    strength, reached = search(lambda s: s, 3.0)
    assert 3.0 <= strength <= 3.0 * 1.02
    assert reached == strength
    assert search(lambda s: 9.0, 3.0) == (WEAKEST, 9.0)
    assert search(lambda s: s, STRONGEST)[0] == pytest.approx(STRONGEST)
    with pytest.raises(StudyError, match="noise of 64 times"):
        search(lambda s: 1.0, 3.0)


# ----------------------------------------------------------------------------------- requests kept apart


def test_requests_split_the_people_evenly_and_in_order(benchmark_small: Any) -> None:
    people = benchmark_small.identities
    assert split(people, 1) == [tuple(people)]
    assert [len(g) for g in split(people, 4)] == [2, 1, 1, 2]
    assert [p for g in split(people, 4) for p in g] == list(people)
    assert len(split(people[:2], 5)) == 2


def test_the_orthogonality_penalty_has_the_gradient_of_its_formula() -> None:
    a = torch.nn.Parameter(torch.randn(2, 5, generator=torch.Generator().manual_seed(0)))
    earlier = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    penalty = 0.1 * (a @ earlier.T).square().sum()
    (expected,) = torch.autograd.grad(penalty, a)

    lora = torch.nn.Module()
    lora.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(5, 2, bias=False)})
    lora.lora_A["default"].weight = a
    model = torch.nn.Module()
    model.layer = lora
    bench: Any = type("Bench", (), {"trained": model})()
    update: Any = Update.__new__(Update)
    update.weights, update.gradients, update.figures = [a], {"forget": [torch.ones(2, 5)]}, {}
    Apart(bench, ({"layer": earlier},), 0.1).before(update)
    assert torch.allclose(update.gradients["forget"][0], 1 + expected, atol=1e-6)
    assert update.figures["shared_with_earlier"] == pytest.approx(float(penalty.detach()) * 10, rel=1e-5)


def test_curves_of_several_requests_are_one() -> None:
    curve = joined([Curve([{"nll": 1.0}], "steps"), Curve([{"nll": 2.0}], "steps")])
    assert curve == Curve([{"nll": 1.0, "part": 0.0}, {"nll": 2.0, "part": 1.0}], "steps")


# -------------------------------------------------------------------------------------- words and prompts


def test_words_see_names_in_any_case_and_nearly_so_when_misspelt() -> None:
    name, other = words("Where was Mira Talven born?"), words("Where was Odo Brask born?")
    assert torch.equal(name, words("WHERE WAS MIRA TALVEN BORN"))
    assert float(name @ words("Where was Mira Tavlen born?")) > float(name @ other)
    assert float(name.norm()) == pytest.approx(1)
    assert not words(" ?! ").any()


def test_what_was_answered_before_is_a_part_of_the_question() -> None:
    assert asked_texts([Turn("Who?", "Mira"), Turn("Where?", None)]) == ["Who? Mira", "Where?"]


def test_the_order_stands_before_the_first_question(vlm: Any) -> None:
    order = ORDER.format(names="A, B")
    _, intervention = InContext(names=0.0).apply(vlm, Fitted(facts={"order": order}))
    assert intervention is not None
    turns = intervention.turns((Turn("Who?", "Mira"), Turn("Where?", None)))
    assert turns == (Turn(f"{order} Who?", "Mira"), Turn("Where?", None))


# -------------------------------------------------------------------------------------------------- files


def _wrapper() -> Stored:
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(2, dtype=torch.float64).t()}
    return Stored("corrupt", 1, {"threshold": 0.5}, {"seed": 3, "list": [1, "x"]}, tensors)


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    assert not stored.is_in(tmp_path)
    for name in ("one", "two"):
        stored.save(_wrapper(), tmp_path / name)
    files = [{f.name: f.read_bytes() for f in (tmp_path / n).iterdir()} for n in ("one", "two")]
    assert files[0] == files[1]
    assert sorted(files[0]) == ["wrapper.json", "wrapper.safetensors"]
    found, given = stored.load(tmp_path / "one"), _wrapper()
    assert (found.wrapper, found.version, found.args, found.facts) == ("corrupt", 1, given.args, given.facts)
    assert all(torch.equal(found.tensors[n], t) for n, t in given.tensors.items())
    assert stored.is_in(tmp_path / "one")


def test_a_wrapper_without_tensors_is_one_file(tmp_path: Path) -> None:
    stored.save(Stored("order", 1, {}, {"order": "no"}), tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["wrapper.json"]
    assert stored.load(tmp_path).facts == {"order": "no"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("wrapper.json", b"{"),
        ("wrapper.json", b"[]"),
        ("wrapper.json", b"{}"),
        ("wrapper.json", b'{"format":2}'),
        ("wrapper.json", b'{"format":1,"tensors":""}'),
        ("wrapper.json", b"\xff\xfe"),
        ("wrapper.safetensors", b""),
        ("wrapper.safetensors", b"\0" * 80),
        ("wrapper.safetensors", None),
    ],
)
def test_a_damaged_wrapper_is_one_line(tmp_path: Path, name: str, data: bytes | None) -> None:
    stored.save(_wrapper(), tmp_path)
    (tmp_path / name).unlink()
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(MissingInput) as caught:
        stored.load(tmp_path)
    assert "\n" not in caught.value.message
    assert name in caught.value.message or "wrapper.json" in caught.value.message


def test_halves_of_a_lora_belong_together() -> None:
    a, b = torch.ones(1, 2), torch.ones(3, 1)
    assert list(pairs_of({"k.x.a": a, "k.x.b": b, "other": a}, "k.")) == ["x"]
    with pytest.raises(KeyError):
        pairs_of({"k.x.a": a}, "k.")
