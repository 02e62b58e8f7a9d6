"""Claims of a study: a condition on figures that the results will not have is refused when the study is read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vlmunl.errors import StudyError
from vlmunl.manifests.load import load_study
from vlmunl.metrics.figures import ROUTE, figures

STUDY = """
[study]
name = "s"
seeds = [0]
[model]
id = "tiny"
[methods.npo]
[methods."graddiff-wide"]
like = "graddiff"
[methods.retrain]
[routes]
exclude = ["flip"]
held_out = ["few_shot"]
"""


@pytest.fixture
def load(tmp_path):
    def read(when, *sets):
        path = tmp_path / "s.toml"
        path.write_text(f"{STUDY}[claims.one]\ntext = 'it is so'\nwhen = {when!r}\n")
        return load_study(path, sets)

    return read


def test_every_number_of_every_row_can_be_claimed(load):
    numbers = [p for p, kind in figures({ROUTE: ("crop", "few_shot")}).items() if kind in ("number", "calibrated")]
    assert len(numbers) > 70
    for row in ("base", "imprint", "gold", "placebo", "npo", "retrain"):
        assert load(" or ".join(f"{row}.{path} > 0" for path in numbers[:15])).claims["one"]
    for path in numbers:
        assert load(f"npo.{path} > 0").claims["one"]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("nop.wcr.lower > 0", "'nop.wcr.lower' names a row that the study does not have; did you mean 'npo'?"),
        ("zzz.wcr.lower > 0", "does not have; known: base, imprint, gold, placebo, npo, graddiff-wide, retrain"),
        (
            "retrain.wcr.low < 0",
            "'retrain.wcr.low' is no figure of a row; did you mean 'retrain.wcr.cross_fit.low' or 'retrain.wcr.lower'",
        ),
        ("npo.utility.low > 0", "'npo.utility.low' is no figure of a row; did you mean 'npo.utility'"),
        ("npo.named.auc.low > 0", "did you mean 'npo.named.mia_auc.low'"),
        ("npo.qqqqq > 0", "'npo.qqqqq' is no figure of a row; known: trials, n_seeds, wcr, wcr_held_out, canonical"),
        ("npo.wcr > 0", "'npo.wcr' has parts, name one of them: npo.wcr.plug_in, npo.wcr.cross_fit.estimate, "),
        ("npo.routes > 0", "'npo.routes' has parts, name one of them: npo.routes.canonical.rho, "),
        ("npo.wcr.worst_route > 0", "'npo.wcr.worst_route' is a text, not a number"),
        ("npo.seeds > 0", "'npo.seeds' is a list, not a number"),
        ("npo.routes.crp.rho > 0", "did you mean 'npo.routes.crop.rho'"),
        ("npo.routes.flip.rho > 0", "names the route 'flip', which the study does not ask; add it to routes.include"),
        ("npo.wcr.lower", "condition 'npo.wcr.lower' is a number, not a comparison; allowed: figures such as"),
        ("npo.wcr.lower > ", "condition 'npo.wcr.lower > ' cannot be read"),
        ("graddiff-wide.wcr.lower > 0", "a claim cannot name 'graddiff-wide': call the method with letters, digits"),
        ("npo.wcr.lower > 0 and retrain.wcr.uper < 1", "'retrain.wcr.uper' is no figure of a row; did you mean"),
        ("-" * 150 + "npo.wcr.lower > 0", "condition is nested 15"),
        ("npo" + ".x" * 400 + " > 0", "condition is nested 40"),
    ],
)
def test_what_will_not_be_there_is_refused_with_the_nearest_name(load, when, words):
    with pytest.raises(StudyError) as refused:
        load(when)
    assert refused.value.exit_code == 2
    said = str(refused.value)
    assert ": claims.one.when: " in said
    assert words in said
    assert len(said) < 700


def test_a_figure_of_a_route_that_is_included_after_all_is_accepted(load):
    when = "npo.routes.flip.rho > 0"
    assert load(when, "routes.exclude=[]").claims["one"].when == when


def test_the_option_that_is_to_blame_is_named(load):
    with pytest.raises(StudyError, match=r"\(from --set claims.one.when\)"):
        load("npo.wcr.lower > 0", "claims.one.when=npo.wcr.lowest > 0")


def test_checking_claims_loads_nothing_heavy(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(f"{STUDY}[claims.one]\ntext = 'it is so'\nwhen = 'npo.wcr.lower > 0'\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom vlmunl.manifests.load import load_study\n"
        f"assert load_study(Path({str(path)!r})).claims\n"
        "bad = [m for m in ('numpy', 'torch', 'pyarrow', 'PIL') if m in sys.modules]\nassert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_tier_of_included_routes_alone_is_no_figure(load):
    """Routes of T4 that are included are asked, but have a worst case of their own only where their tier is chosen."""
    claim = "npo.tiers.T4.lower > 0"
    with pytest.raises(StudyError, match=r"'npo.tiers.T4.lower' is no figure"):
        load(claim, 'routes.include=["quantize_4"]')
    assert load(claim, 'routes.tiers=["T0", "T4"]').claims["one"]
