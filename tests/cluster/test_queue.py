"""What `squeue` and `sacct` print, and what is made of it. The texts are those of Slurm 22.05."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from vlmunl.cluster import words
from vlmunl.cluster.queue import CHUNK, Entry, Queue, indices

RUNNING = "1|1|RUNNING|vm|2026-11-22T06:32:25|1:02:03|(null)|None|j.sh"
WAITING = "4|4|PENDING||2027-11-22T06:32:25|UNLIMITED|(null)|Resources|j.sh"
DEPENDS = "5_{}|5|PENDING||N/A|UNLIMITED|afterok:1(unfulfilled),afterok:4_*(unfulfilled)|Dependency|j.sh"
FAILED = "2|2|FAILED|vm|2026-11-22T06:32:26|364-23:59:59|(null)|NonZeroExitCode|j.sh"


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def test_every_job_is_asked_about_in_one_call_and_the_users_taste_is_left_out(fake, monkeypatch):
    monkeypatch.setenv("SQUEUE_FORMAT", "%j")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    fake.says("squeue", lines(RUNNING, WAITING, DEPENDS.format(0), DEPENDS.format(1), FAILED))
    answer = Queue().ask(["5_1", "1", "4", "2", "5_0"])
    assert answer.trouble == ""
    assert fake.calls("squeue") == ["-h -r -t all -j 1,2,4,5 -o %i|%A|%T|%N|%S|%L|%E|%r|%j"]
    assert fake.env("squeue") == ["|standard|0"]
    one = answer.of("1")
    assert (one.stand, one.node, one.left) == ("running", "vm", 3723.0)
    assert one.start is not None
    assert one.start.replace(tzinfo=None) == dt.datetime(2026, 11, 22, 6, 32, 25)
    assert (answer.of("4").stand, answer.of("4").left, answer.of("4").node) == ("waiting", None, "")
    assert answer.of("5_1").after == ("1", "4")
    assert answer.of("2").stand == "ended"


def test_a_waiting_array_on_one_line_stands_for_its_tasks(fake):
    fake.says(
        "squeue",
        lines(
            "5_[5-9,12%2]|5|PENDING||N/A|UNLIMITED|(null)|Priority|j.sh",
            "5_4|17|RUNNING|vm|N/A|INVALID|(null)|None|j.sh",
        ),
    )
    answer = Queue().ask(["5_4", "5_5", "5_9", "5_12", "5_10"])
    assert [answer.of(f"5_{n}").stand for n in (4, 5, 9, 12)] == ["running", "waiting", "waiting", "waiting"]
    assert answer.of("5_10").stand == "unknown"
    assert answer.of("17").id == "5_4", "by the number that a process of it is told"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("12", ["12"]),
        ("12_3", ["12_3"]),
        ("12_[3]", ["12_3"]),
        ("12_[0-6:3%2]", ["12_0", "12_3", "12_6"]),
        ("12_[1,4-5,...]", ["12_1", "12_4", "12_5"]),
    ],
)
def test_indices(text: str, names: list[str]):
    assert list(indices(text)) == names


def test_a_task_that_waits_for_its_like_names_it(fake):
    fake.says("squeue", "36_1|42|PENDING||N/A|1:00|aftercorr:32_*(unfulfilled),afterok:7(unfulfilled)|Dependency|x\n")
    assert Queue().ask(["36_1"]).of("36_1").after == ("32_1", "7")


def test_what_squeue_forgot_is_asked_of_sacct(fake):
    fake.says("squeue", lines(RUNNING))
    fake.says(
        "sacct",
        lines(
            "7|7|CANCELLED by 0|None assigned|None|2026-11-22T06:40:00|0:0|a",
            "8_2|31|TIMEOUT|node7|2026-11-22T06:30:00|2026-11-22T06:40:00|0:0|b|c",
            "8_3|32|FAILED|node7|2026-11-22T06:30:00|2026-11-22T06:40:00|0:9|b|c",
            "9|9|RUNNING|node7|2026-11-22T06:30:00|Unknown|0:0|lost",
        ),
    )
    answer = Queue().ask(["1", "7", "8_2", "8_3", "9", "10"])
    assert fake.calls("sacct") == ["-n -X -P -j 7,8,9,10 -o JobID,JobIDRaw,State,NodeList,Start,End,ExitCode,JobName"]
    assert (answer.of("7").state, answer.of("7").stand, answer.of("7").node) == ("CANCELLED", "ended", "")
    assert words.ended(answer.of("7")) == "was cancelled (by 0)"
    assert words.ended(answer.of("8_2")) == "reached its time limit"
    assert words.ended(answer.of("8_3")) == "was killed by signal 9"
    assert answer.of("8_2").name == "b|c"
    assert answer.of("9").stand == "unknown", "accounting has lost its end, and the queue knows nothing of it"
    assert answer.of("10").stand == "unknown"


def test_no_accounting_is_asked_once(fake):
    fake.says("squeue", "")
    fake.says("sacct", err="Slurm accounting storage is disabled\n", code=1)
    queue = Queue()
    for _ in range(3):
        answer = queue.ask(["3"])
        assert (answer.trouble, answer.of("3").stand) == ("", "unknown")
    assert len(fake.calls("sacct")) == 1
    assert len(fake.calls("squeue")) == 3


def test_one_unknown_number_is_no_error(fake):
    fake.says("squeue", err="slurm_load_jobs error: Invalid job id specified\n", code=1)
    answer = Queue().ask(["99999"])
    assert (answer.trouble, answer.absent, answer.of("99999").stand) == ("", False, "unknown")


def test_an_error_is_told_in_slurms_own_words(fake):
    said = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    fake.says("squeue", err=f"\n{said}\n", code=1)
    answer = Queue().ask(["1"])
    assert (answer.trouble, answer.absent) == (f"squeue: {said}", False)
    fake.says("squeue", err="squeue: error: Invalid job id: abc\n", code=1)
    assert Queue().ask(["1"]).trouble == "squeue: error: Invalid job id: abc"


def test_a_slow_answer_is_not_waited_for(fake):
    fake.says("squeue", lines(RUNNING), sleep=20)
    began = time.monotonic()
    answer = Queue(timeout=0.2).ask(["1"])
    assert time.monotonic() - began < 5
    assert (answer.trouble, answer.absent) == ("squeue did not answer within 0 s", False)


def test_without_slurm_there_is_nobody_to_ask(fake):
    answer = Queue().ask(["1"])
    assert (answer.trouble, answer.absent) == ("there is no squeue here", True)


def test_nothing_to_ask_asks_nobody(fake):
    fake.says("squeue", code=1)
    assert Queue().ask(["", "nonsense; rm"]).trouble == ""
    assert fake.calls("squeue") == []


def test_many_jobs_are_asked_about_in_pieces(fake):
    fake.says("squeue", "")
    Queue().ask([str(n) for n in range(1, CHUNK + 3)])
    calls = fake.calls("squeue")
    assert len(calls) == 2
    assert calls[1].split()[5] == f"{CHUNK + 1},{CHUNK + 2}"


def test_lines_of_another_shape_are_left_out(fake):
    fake.says("squeue", "slurm is being upgraded, expect delays\n\n" + lines(RUNNING))
    assert set(Queue().ask(["1"]).jobs) == {"1"}


def test_a_number_that_another_job_has_by_now_is_not_taken_for_ours(fake):
    fake.says("squeue", lines(RUNNING))
    answer = Queue().ask(["1"])
    assert answer.of("1", "j.sh").stand == "running"
    assert answer.of("1", "vl-quick-imprint").stand == "unknown"


@pytest.mark.parametrize("state", ["CONFIGURING", "COMPLETING", "SUSPENDED", "RUNNING"])
def test_what_has_left_the_queue_and_not_ended_runs(state: str):
    assert Entry(id="1", state=state).stand == "running"


@pytest.mark.parametrize("state", ["OUT_OF_MEMORY", "NODE_FAIL", "TIMEOUT", "PREEMPTED", "A_STATE_OF_THE_FUTURE"])
def test_every_other_state_is_an_end(state: str):
    assert Entry(id="1", state=state).stand == "ended"


def named(job: str) -> str:
    return f"job {job} (x)"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Entry(id="1", reason="Dependency", after=("3", "4")), "waits for job 3 (x), job 4 (x)"),
        (Entry(id="1", reason="Dependency"), "waits for another job"),
        (
            Entry(id="1", reason="Dependency", after=("3", "4", "5", "6")),
            "waits for job 3 (x), job 4 (x), job 5 (x) and 1 more",
        ),
        (Entry(id="1", reason="Resources"), "waits for free resources"),
        (Entry(id="1_2", reason="JobHeldUser"), "held by its user: scontrol release 1_2"),
        (
            Entry(id="1", reason="ReqNodeNotAvail, UnavailableNodes:node[1-3]"),
            "waits: nodes that it needs are down, drained or reserved (ReqNodeNotAvail, UnavailableNodes:node[1-3])",
        ),
        (
            Entry(id="1", reason="QOSMaxJobsPerUserLimit"),
            "waits: a limit of its quality of service is reached (QOSMaxJobsPerUserLimit)",
        ),
        (Entry(id="1", reason="SomethingNew"), "waits (SomethingNew)"),
        (
            Entry(id="1", reason="Priority", start=dt.datetime(2026, 1, 2, 3, 4)),
            "waits: jobs of higher priority come first, expected to start 02 Jan 03:04",
        ),
    ],
)
def test_reasons_in_plain_words(entry: Entry, text: str):
    assert words.waiting(entry, named) == text


def test_the_signal_that_squeue_tells():
    entry = Entry(id="1", state="FAILED", reason="RaisedSignal:9(Killed)")
    assert words.ended(entry) == "was killed by signal 9"


def test_limits():
    assert words.limit(Entry(id="1", left=4800)) == "its job may run 1h 20m more"
    assert words.limit(Entry(id="1", left=364 * 86400)) == ""
    assert words.limit(Entry(id="1")) == ""
