"""The model card: made of the evidence alone, valid, honest about what does not count, and its snippet works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pushing import NAME, published

from vlmunl.commands.session import Session
from vlmunl.hub.card import study_card
from vlmunl.hub.card_front import line, problem, root_card, split
from vlmunl.hub.card_loading import Loadable, snippet
from vlmunl.manifests.states import Board


def card_of(session: Session, **changed: object) -> str:
    plan = replace(session.plan, study=replace(session.plan.study, **changed))
    return study_card(plan, Board(session.plan, session.store), NAME).decode()


def test_it_is_valid_and_the_same_each_time(finished: Session) -> None:
    card = card_of(finished)
    assert problem(card.encode()) == ""
    assert card == card_of(finished)
    assert published(finished).by_path["small/README.md"].source == card.encode()


def test_its_numbers_are_the_verified_ones(finished: Session) -> None:
    results = json.loads((finished.workspace.results("small") / "verified_results.json").read_bytes())
    front, body = split(card_of(finished).encode())
    rows = {row["name"]: row for row in results["rows"]}
    [model] = front["model-index"]
    measured = {r["task"]["name"]: {m["type"]: m["value"] for m in r["metrics"]} for r in model["results"]}
    with_wcr = {name: row for name, row in rows.items() if row["kind"] == "method" and row["wcr"]}
    assert measured.keys() == {f"unlearning by {row['label'].replace('|', chr(92) + '|')}" for row in with_wcr.values()}
    for row in with_wcr.values():
        figures = measured[f"unlearning by {row['label'].replace('|', chr(92) + '|')}"]
        assert figures["wcr"] == round(row["wcr"]["cross_fit"]["estimate"], 4)
        assert figures["utility"] == round(row["utility"], 4)
    assert results["evidence"]["run_manifest_sha256"] in body
    assert published(finished).inventory.manifest == results["evidence"]["run_manifest_sha256"]


def test_what_does_not_count_is_named_as_such(finished: Session) -> None:
    _, body = split(card_of(finished).encode())
    results = json.loads((finished.workspace.results("small") / "verified_results.json").read_bytes())
    section = body.partition("## What is not evidence")[2].partition("\n## ")[0]
    absent = [seed for seed in results["seeds"] if seed["status"] != "verified"]
    assert absent, "the study has a seed that is not evidence"
    for seed in absent:
        assert f"Seed {seed['seed']}: {seed['status'].replace('-', ' ')}" in section
    assert "its node had a bad disk" in section
    assert "diverged" in section


def test_base_model_and_licence_follow_the_model(finished: Session) -> None:
    model = finished.plan.study.model
    of_hub = yaml.safe_load(card_of(finished, model=replace(model, id="lab/vlm", revision="a" * 40)).split("---\n")[1])
    assert (of_hub["base_model"], of_hub["license"]) == ("lab/vlm", "other")
    tiny = yaml.safe_load(card_of(finished, model=replace(model, id="tiny")).split("---\n")[1])
    assert tiny["license"] == "apache-2.0"
    assert "base_model" not in tiny


def test_text_of_a_study_stays_one_line_of_text() -> None:
    evil = "a\n---\n<script>x</script> [x](y) | `z` *b* c\\d & e"
    assert line(evil) == r"a --- &lt;script>x&lt;/script> \[x\](y) \| \`z\` \*b\* c\\d &amp; e"
    assert line("npo_wide (GradDiff), 0.5") == "npo_wide (GradDiff), 0.5"


def test_the_card_of_a_repository_speaks_of_all_its_studies(finished: Session) -> None:
    one = card_of(finished).encode()
    other = one.replace(b"license: other", b"license: mit").replace(b"name: small", b"name: other")
    assert root_card({"small": one}) == one
    both = root_card({"small": one, "other": other})
    assert both == root_card({"other": other, "small": one})
    assert problem(both) == ""
    front, body = split(both)
    assert [entry["name"] for entry in front["model-index"]] == ["other", "small"]
    assert "(small/README.md)" in body
    assert "(other/README.md)" in body
    broken = root_card({"small": one, "other": b"---\n: [\n---\n# <b>\xff"})
    assert problem(broken) == ""
    assert "<b>" not in broken.decode()


@pytest.mark.parametrize(
    "card",
    [b"", b"# no front\n", b"---\n: [\n---\n", b"---\nmodel-index: 7\n---\n", b"---\nmodel-index: [{name: x}]\n---\n"],
)
def test_a_card_that_the_hub_would_refuse_is_known_here(card: bytes) -> None:
    assert problem(card)


@pytest.mark.model
@pytest.mark.hub
@pytest.mark.slow
@pytest.mark.parametrize("taught", ["full", "lora"])
def test_the_snippet_loads_the_model(hub, finished: Session, tmp_path: Path, taught: str) -> None:  # type: ignore[no-untyped-def]
    """Two adapters of the embedded model, put on the Hub; the card's lines give the weights that we merge ourselves."""
    import torch
    from huggingface_hub import HfApi
    from safetensors.torch import load_file

    from vlmunl.models.adapters import attach, merge, save
    from vlmunl.models.locate import locate
    from vlmunl.models.vlm import load
    from vlmunl.stages.configs import Adapter

    torch.manual_seed(0)
    for name, recipe in (("imprint", taught), ("npo", "lora")):
        trained = attach(load(locate("tiny", None, Path())).model, Adapter(recipe=recipe, rank=2, alpha=4))
        with torch.no_grad():
            for parameter in trained.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.01 * torch.randn_like(parameter))
        save(trained, tmp_path / "up" / "small" / "adapters" / name / "seed0")
    hub.create(NAME)
    HfApi(endpoint=hub.url, token=hub.write).upload_folder(repo_id=NAME, folder_path=tmp_path / "up")
    place = "small/adapters/{}/seed0".format
    found = Loadable(
        row="unlearn/npo/seed0",
        own=(place("npo"), True),
        below=(place("imprint"), taught != "full"),
        auto_class="AutoModelForImageTextToText",
    )
    study = replace(finished.plan.study, model=replace(finished.plan.study.model, id="tiny"))
    lines = snippet(study, found, NAME)
    assert len([line for line in lines if line and not line.startswith("from ")]) <= 5
    out = tmp_path / "weights.safetensors"
    tail = f"""
from safetensors.torch import save_file
merged = model.merge_and_unload()
save_file({{n: p.detach().contiguous() for n, p in merged.named_parameters()}}, {str(out)!r})
"""
    environment = {**os.environ, **hub.environment(hub.read), "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(lines) + tail], env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    ours = load(locate("tiny", None, Path())).model.float()
    for name in ("imprint", "npo"):
        ours = merge(ours, tmp_path / "up" / place(name))
    theirs = load_file(out)
    expected = dict(ours.named_parameters())
    assert theirs.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(theirs[name], weight.detach())
