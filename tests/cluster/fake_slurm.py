"""Programs named as Slurm's that say what they are told to say, and nothing else on PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPT = """#!/bin/sh
echo "$*" >> {folder}/{name}.calls
echo "${{SQUEUE_FORMAT-}}${{SACCT_FORMAT-}}|$SLURM_TIME_FORMAT|$SLURM_BITSTR_LEN" >> {folder}/{name}.env
/bin/sleep {sleep}
turn=0
while read -r _; do turn=$((turn + 1)); done < {folder}/{name}.calls
if [ -e {folder}/{name}.$turn ]; then exec /bin/cat {folder}/{name}.$turn; fi
/bin/cat {folder}/{name}.out
/bin/cat {folder}/{name}.err >&2
exit {code}
"""


class Fake:
    """The programs. One that was told nothing is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()

    def says(self, name: str, out: str = "", err: str = "", *, code: int = 0, sleep: float = 0) -> None:
        """From now on the program prints this."""
        (self.folder / f"{name}.out").write_text(out)
        (self.folder / f"{name}.err").write_text(err)
        path = self.folder / "bin" / name
        path.write_text(SCRIPT.format(folder=self.folder, name=name, sleep=sleep, code=code))
        path.chmod(0o755)

    def says_in_turn(self, name: str, *outs: str) -> None:
        """One after the other, the last for ever."""
        self.says(name, outs[-1])
        for turn, out in enumerate(outs[:-1], 1):
            (self.folder / f"{name}.{turn}").write_text(out)

    def calls(self, name: str) -> list[str]:
        """The arguments of its calls so far."""
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def env(self, name: str) -> list[str]:
        """What its calls were given of the environment."""
        return (self.folder / f"{name}.env").read_text().splitlines()


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Fake:
    folder = tmp_path_factory.mktemp("slurm")
    monkeypatch.setenv("PATH", str(folder / "bin"))
    for name in ("SLURM_JOB_ID", "SLURM_CONF", "SLURM_CONF_SERVER"):
        monkeypatch.delenv(name, raising=False)
    return Fake(folder)
