"""`vlmunl submit` and `cancel` with programs in the place of Slurm's: what is asked, remembered and told."""

from __future__ import annotations

import json
import os

import pytest
from toy_space import space

from vlmunl.cluster import ledger
from vlmunl.store.claims import Claim, Claims

__all__ = ["space"]

ALL = 30  # three methods, two seeds
FAKE = r"""#!/bin/bash
# One file in QUEUE for each job: NUMBER holds name|comment|state|indices.
program=${0##*/}
if [[ -e $QUEUE/broken ]]; then
  echo "$program: error: Unable to contact slurm controller (connect failure)" >&2
  exit 1
fi
case "$program $1" in
  sbatch*)
    while read -r mark option; do
      [[ $mark == "#SBATCH" ]] || continue
      case $option in
        --job-name=*) name=${option#*=} ;;
        --comment=*) comment=${option#*=} ;;
        --array=*) array=${option#*=} ;;
        --partition=nowhere) echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1 ;;
      esac
    done <"${@: -1}"
    number=100
    while [[ -e $QUEUE/$number ]]; do number=$((number + 1)); done
    echo "$name|$comment|PENDING|$array" >"$QUEUE/$number"
    echo "$number;cluster"
    ;;
  scancel*) echo -n "$*" >"$QUEUE/cancelled" ;;
  squeue*)
    while [[ $1 != -n && $1 != -j ]]; do shift; done
    for path in "$QUEUE"/1??; do
      number=${path##*/}
      IFS="|" read -r name comment state array <"$path"
      if [[ $1 == -n ]]; then
        [[ $2 != "$name" ]] || echo "$number|$comment"
      elif [[ ,$2, == *,$number,* ]]; then
        tasks=()
        for span in ${array//,/ }; do
          for ((i = ${span%-*}; i <= ${span#*-}; i++)); do tasks+=("_$i"); done
        done
        for task in "${tasks[@]:-}"; do echo "$number$task|$number|$state||N/A|1:00|(null)|None|$name"; done
      fi
    done
    ;;
esac
"""


@pytest.fixture
def queue(space, monkeypatch):
    """The folder that stands for Slurm."""
    for name in ("bin", "queue"):
        (space / name).mkdir()
    for name in ("sbatch", "squeue", "scancel"):
        (space / "bin" / name).write_text(FAKE)
        (space / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{space / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(space / "queue"))
    return space / "queue"


@pytest.fixture
def cli(space, capsys):
    """Call `vlmunl ARGS --json`; returns exit code and document."""
    from vlmunl.__main__ import main

    def call(*args):
        with pytest.raises(SystemExit) as left:
            main([*args, "--json"])
        return left.value.code or 0, json.loads(capsys.readouterr().out)

    return call


def cells(document):
    return {task["cell"] for job in document["jobs"] for task in job["tasks"]}


def jobs(queue):
    return sorted(path.name for path in queue.iterdir() if path.name.isdecimal())


def end(queue, *numbers, state="FAILED"):
    for number in numbers:
        parts = (queue / number).read_text().split("|")
        (queue / number).write_text("|".join([*parts[:2], state, *parts[3:]]))


def test_all_is_submitted_once(space, queue, cli):
    code, document = cli("submit", "toy")
    assert (code, len(cells(document))) == (0, ALL)
    assert len(jobs(queue)) == len(document["jobs"])
    recorded = ledger.jobs(space / "store", "toy")
    assert {task.cell for job in recorded for task in job.tasks} == cells(document)
    array = next(job for job in recorded if job.name == "vlmunl-toy-unlearn-seed1")
    folder = space / "store" / "slurm" / "toy" / document["submission"]
    assert str(array.log_of(array.tasks[1])) == f"{folder}/logs/unlearn-seed1-{array.id}_1.out"
    assert array.slurm_id(array.tasks[1]) == f"{array.id}_1"
    assert array.after == (f"afterok:{ledger.latest(space / 'store', 'toy')['gate/seed1'][0].id}",)
    assert not list(folder.glob("*.intent"))
    code, again = cli("submit", "toy")
    assert (code, again["jobs"], len(again["queued"])) == (0, [], ALL)
    assert len(jobs(queue)) == len(document["jobs"])


def test_a_dry_run_leaves_nothing(space, queue, cli):
    document = cli("submit", "toy", "--dry-run")[1]
    assert len(cells(document)) == ALL
    assert all(job["script"].startswith("#!/bin/bash\n") for job in document["jobs"])
    assert not jobs(queue)
    assert not (space / "store").exists()


def test_run_with_slurm_is_the_same(queue, cli):
    assert cells(cli("run", "toy", "--slurm", "--only", "data", "--only", "imprint")[1]) == {
        "data",
        *(f"imprint/{role}/seed{seed}" for role in ("imprint", "gold", "placebo") for seed in (0, 1)),
    }
    assert cli("run", "toy", "--slurm", "--jobs", "2")[0] == 2


def test_what_has_failed_is_submitted_again_and_waits_for_what_is_still_queued(queue, cli):
    first = cli("submit", "toy")[1]
    number = {task["cell"]: job["id"] for job in first["jobs"] for task in job["tasks"]}
    end(queue, number["unlearn/ga/seed1"], number["eval/ga/seed1"])
    again = cli("submit", "toy")[1]
    lost = {f"{stage}/{method}/seed1" for stage in ("unlearn", "eval") for method in ("ga", "npo", "retrain")}
    assert cells(again) == lost | {"aggregate", "tables"}
    after = {job["group"]: job["after"] for job in again["jobs"]}
    assert after["unlearn-seed1"] == [f"afterok:{number['gate/seed1']}"]
    new = {job["id"] for job in again["jobs"][:-2]}
    waited = set(after["aggregate"][0].split(":")[1:])
    assert new <= waited
    assert set(number.values()) - {number[n] for n in (*lost, "aggregate", "tables")} <= waited


def test_results_wait_for_jobs_that_came_after_them(queue, cli):
    first = cli("submit", "toy")[1]
    number = {task["cell"]: job["id"] for job in first["jobs"] for task in job["tasks"]}
    end(queue, number["eval/ga/seed1"])
    cli("submit", "toy", "--only", "eval")
    again = cli("submit", "toy")[1]
    assert cells(again) == {"aggregate", "tables"}, "the first ones do not wait for the new evaluation"
    assert cli("submit", "toy")[1]["jobs"] == []


def test_what_is_above_must_be_done_queued_or_chosen(queue, cli):
    document = cli("submit", "toy", "--only", "eval/npo")[1]
    assert document["jobs"] == []
    assert document["left_out"]["eval/npo/seed0"].startswith("needs data, which is neither done")
    cli("submit", "toy", "--only", "data", "--only", "imprint", "--only", "gate")
    assert cells(cli("submit", "toy", "--only", "unlearn/npo", "--seed", "1")[1]) == {"unlearn/npo/seed1"}


def test_a_job_that_nobody_recorded_is_found_by_its_mark(space, queue, cli):
    first = cli("submit", "toy")[1]
    folder = space / "store" / "slurm" / "toy" / first["submission"]
    lost = next(path for path in folder.glob("*.json") if json.loads(path.read_text())["stage"] == "gate")
    document = json.loads(lost.read_text()) | {"id": ""}
    document["log"] = document["log"].replace(lost.stem, "{job}")
    group = document["name"].removeprefix("vlmunl-toy-")
    before = json.loads(lost.read_text())
    lost.unlink()
    (folder / f"{group}.intent").write_text(json.dumps(document))
    (folder / "never-sent.intent").write_text(json.dumps(document | {"name": "vlmunl-toy-never-sent"}))
    (folder / "broken.intent").write_text("{")
    assert cli("submit", "toy")[1]["jobs"] == []
    assert json.loads(lost.read_text()) == before
    assert not list(folder.glob("*.intent"))


def test_an_edited_setting_is_frozen_beside_the_study(space, queue, cli):
    document = cli("submit", "toy", "--set", "methods.ga.lr=0.5", "--only", "data")[1]
    folder = space / "store" / "slurm" / "toy" / document["submission"]
    assert (folder / "study.toml").read_bytes() == (space / "manifests" / "toy.toml").read_bytes()
    assert "--set methods.ga.lr=0.5 --only" in (folder / "data.sbatch").read_text()
    assert (folder / "commands" / "imprint.sbatch").is_file()


def test_publishing_comes_after_the_tables_and_is_queued_once(queue, cli):
    document = cli("submit", "toy", "--sync", "--dry-run")[1]
    last = document["jobs"][-1]
    assert (last["stage"], last["after"]) == ("sync", ["afterok:tables"])
    assert last["script"].rstrip().endswith("study.toml")
    assert "exec bash commands/sync.sbatch" in last["script"]
    first = cli("submit", "toy")[1]
    tables = first["jobs"][-1]["id"]
    document = cli("submit", "toy", "--sync")[1]
    assert [(job["stage"], job["after"]) for job in document["jobs"]] == [("sync", [f"afterok:{tables}"])]
    assert cli("submit", "toy", "--sync")[1]["jobs"] == []


def test_refusals(space, queue, cli, monkeypatch):
    code, document = cli("submit", "toy", "--set", 'slurm.gate.partition="nowhere"')
    assert code == 1
    message = document["error"]["message"]
    assert message.startswith("sbatch: error: invalid partition specified: nowhere\n  asked for: --job-name=")
    assert "jobs submitted before it: 100, 101" in message
    (queue / "broken").touch()
    code, document = cli("submit", "toy")
    assert code == 1
    assert "Unable to contact slurm controller" in document["error"]["message"]
    assert cli("cancel", "toy")[0] == 1
    assert cli("submit", "toy", "--sbatch-arg=--array=0-9")[0] == 2
    assert cli("submit", "toy", "--sbatch-arg", "partition=gpu")[0] == 2
    monkeypatch.setenv("PATH", "/nowhere")
    code, document = cli("submit", "toy")
    assert code == 69
    assert "sbatch" in document["error"]["message"]


def test_one_submits_at_a_time(space, queue, cli):
    """A dead submitter's claim is passed over; a live one's is waited for."""
    folder = ledger.folder(space / "store", "toy")
    cli("submit", "toy", "--only", "data")
    (folder / "submitting.host.00000000-999999999-1.abc").write_text("x")
    with Claim(Claims(folder), "submitting") as other:
        assert other.first()
        import threading

        answers = []
        thread = threading.Thread(target=lambda: answers.append(_submit(space)))
        thread.start()
        thread.join(1.0)
        assert thread.is_alive()
    thread.join(30)
    assert [len(found.survey.queued) for found in answers] == [1]


def _submit(space):
    from vlmunl.cluster.submit import Request, submit
    from vlmunl.manifests.external import base_model
    from vlmunl.manifests.load import load_study
    from vlmunl.manifests.plan import plan
    from vlmunl.store import Store

    study = load_study(space / "manifests" / "toy.toml")
    store = Store.open(space / "store")
    made = plan(study, base_model(study, space))
    return submit(Request(plan=made, store=store, workspace=space, chosen=lambda cell: cell.name == "data"))


def test_cancel_takes_the_last_first_and_arrays_as_a_whole(queue, cli):
    first = cli("submit", "toy")[1]
    number = {task["cell"]: (job["id"], task["index"]) for job in first["jobs"] for task in job["tasks"]}
    code, document = cli("cancel", "toy", "--dry-run")
    assert (code, len(document["cancelled"])) == (0, ALL)
    assert not (queue / "cancelled").exists()
    cli("cancel", "toy")
    assert (queue / "cancelled").read_text().split() == jobs(queue)[::-1]
    cli("cancel", "toy", "--only", "unlearn/npo", "--seed", "1")
    job, index = number["unlearn/npo/seed1"]
    assert (queue / "cancelled").read_text() == f"{job}_{index}"
    end(queue, *jobs(queue), state="COMPLETED")
    assert cli("cancel", "toy")[1]["cancelled"] == []
