"""The toy workspace."""

from toy_space import calls, space, start

__all__ = ["calls", "space", "start"]
