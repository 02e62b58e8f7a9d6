"""The toy workspace of the engine's tests, `vlmunl` called in this process, and programs that pass for Slurm's."""

from toy_space import calls, space, start

from tests.cluster.fake_slurm import fake
from tests.cluster.world import world
from tests.commands.conftest import cli

__all__ = ["calls", "cli", "fake", "space", "start", "world"]
