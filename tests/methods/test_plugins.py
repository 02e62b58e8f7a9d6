"""Plug-ins: the example of docs/howto-add-a-method.md as it stands there, and those that cannot be used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
STUDY = """
[study]
name = "s"
seeds = [0]
[model]
id = "tiny"
[benchmark]
people = 6
forget = 2
photos = 5
[gate]
min_identities = 2
[imprint]
steps = 2
image_samples = 3
text_samples = 2
replay = 2
[methods.target]
nats = 3.0
steps = 2
batch = 4
"""
UNLEARN = """
import json
from pathlib import Path
from vlmunl.manifests.external import base_model
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.stage import run_stage
from vlmunl.store import Store

study = load_study(Path("s.toml"))
base = base_model(study, Path())
cells, store = plan(study, base).by_name, Store.open(Path("store"))


def run(name, **inputs):
    return run_stage(cells[name].stage, cells[name].config, inputs, store, cell=name)


people = run("data").outputs["benchmark"]
imprint = run("imprint/imprint/seed0", base=base, benchmark=people).outputs["adapter"]
done = run("unlearn/target/seed0", base=base, benchmark=people, imprint=imprint)
print(json.dumps({**done.metrics, **cells["unlearn/target/seed0"].config.params}))
"""


def installed(folder: Path, name: str, project: str, modules: dict[str, str]) -> None:
    """Leave a package as `pip install` does: its modules, and its entry points in a `.dist-info`."""
    points = tomllib.loads(project)["project"]["entry-points"]
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in given.items()) for group, given in points.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, text in modules.items():
        (folder / module).write_text(text)


def call(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Python with the packages of `folder` beside those that are there."""
    env = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{REPO}", "OMP_NUM_THREADS": "1"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # a package that is written twice within a second would be the first one still
    return subprocess.run([sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A folder in which the package of docs/howto-add-a-method.md is installed."""
    text = (REPO / "docs" / "howto-add-a-method.md").read_text()
    text = text.partition("<!-- plugin:begin -->")[2].partition("<!-- plugin:end -->")[0]
    blocks = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL))
    project = blocks.pop("pyproject.toml")
    installed(tmp_path, tomllib.loads(project)["project"]["name"], project, blocks)
    return tmp_path


def test_the_example_is_explained(example: Path) -> None:
    done = call(example, "-m", "vlmunl", "methods", "target")
    assert done.returncode == 0, done.stderr
    assert re.search(r"forget +target\(forget, nats = 4\)", done.stdout)
    assert re.search(r"plug-in +vlmunl_target:METHOD", done.stdout)
    assert "target" in call(example, "-m", "vlmunl", "methods").stdout


@pytest.mark.slow
@pytest.mark.model
def test_the_example_unlearns(example: Path) -> None:
    (example / "s.toml").write_text(STUDY)
    done = call(example, "-c", UNLEARN)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["steps"], found["nats"], found["retain"]) == (2, 3.0, 4.0)
    assert found["last_forget_nll"] > 0


BROKEN = {
    "cannot be imported": ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
    "speaks on many lines": ("raise ValueError('one\\ntwo')", "one two"),
    "leaves": ("raise SystemExit('enough')", "enough"),
    "gives something else": ("METHOD = 3", "it gives a int, not a Method"),
    "takes a name": (
        "from vlmunl.methods.known import METHODS\nMETHOD = METHODS['ga']",
        "declares 'ga', which is taken",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plug_in_is_named_and_in_nobodys_way(example: Path, how: str) -> None:
    code, said = BROKEN[how]
    project = '[project.entry-points."vlmunl.methods"]\nbroken = "broken_one:METHOD"\n'
    installed(example, "broken-one", project, {"broken_one.py": code})
    listed = call(example, "-m", "vlmunl", "methods")
    assert listed.returncode == 0, listed.stderr
    assert "target" in listed.stdout
    (line,) = listed.stderr.splitlines()
    assert line.startswith("the plug-in broken_one:METHOD (vlmunl.methods) cannot be used: ")
    assert said in line
    (example / "s.toml").write_text(STUDY + '[methods.own]\nterms = [{ loss = "ga" }]\n[methods.x]\nlike = "own"\n')
    load = "from pathlib import Path; from vlmunl.manifests.load import load_study; load_study(Path('s.toml'))"
    assert call(example, "-c", load).returncode == 0


def test_a_study_that_names_built_in_parts_never_looks_at_plug_ins(example: Path) -> None:
    project = (
        '[project.entry-points."vlmunl.methods"]\na = "loud:A"\n[project.entry-points."vlmunl.losses"]\nb = "loud:B"'
    )
    installed(example, "loud", project, {"loud.py": "print('looked')"})
    own = '[methods.ga]\n[methods.w]\nlike = "ga"\n[methods.o]\nterms = [{ loss = "npo" }]\n[methods.v]\nlike = "o"\n'
    (example / "s.toml").write_text(STUDY.partition("[methods.target]")[0] + own)
    load = "from pathlib import Path; from vlmunl.manifests.load import load_study; load_study(Path('s.toml'))"
    done = call(example, "-c", load)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_name_says_which_plug_ins_could_not_be_asked(example: Path) -> None:
    installed(
        example, "broken-one", '[project.entry-points."vlmunl.methods"]\nb = "broken_one:M"', {"broken_one.py": "1/0"}
    )
    (example / "s.toml").write_text(STUDY + "[methods.tarjet]\n")
    load = "from pathlib import Path; from vlmunl.manifests.load import load_study; load_study(Path('s.toml'))"
    last = call(example, "-c", load).stderr.splitlines()[-1]
    assert "did you mean 'target'?" in last
    assert "broken_one:M (vlmunl.methods) cannot be used: division by zero" in last


def test_a_method_that_names_a_part_that_is_not_there(example: Path) -> None:
    text = (example / "vlmunl_target.py").read_text()
    (example / "vlmunl_target.py").write_text(text.replace('on(FORGET, "target")', 'on(FORGET, "tarjet")'))
    listed = call(example, "-m", "vlmunl", "methods")
    assert (listed.returncode, "npo" in listed.stdout) == (0, True)
    assert "method 'target' cannot be used: loss 'tarjet' is not known" in listed.stderr
    asked = call(example, "-m", "vlmunl", "methods", "target")
    assert asked.returncode == 2
    assert "cannot be used" in asked.stderr


def test_code_that_is_not_there_is_one_line() -> None:
    from vlmunl.errors import StudyError
    from vlmunl.methods.registry import code_of

    for path in ("no_such_module_at_all:x", "vlmunl.keys:no_such_name", ":", ""):
        with pytest.raises(StudyError, match="cannot be loaded"):
            code_of(path)
