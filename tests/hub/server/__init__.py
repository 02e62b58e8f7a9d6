"""A Hub on this machine for tests: the Hub's protocol, spoken over real bare git repositories.

Reads, commits, LFS (basic and multipart), Xet and git itself, on one loopback socket. The API answers on `127.0.0.1`,
the storage on `localhost`, so that a client sees two hosts as on the Hub. A commit is `git fast-import` to a temporary
ref and a compare-and-swap by `git update-ref`: the atomicity that tests rely on is git's.

Where it is not the Hub:

- No quotas, gating, pull requests, discussions, secret scanner or commit lock of its own; their answers (403, 409, 400,
  429) can be injected as faults.
- Which files become LFS is our guess (a NUL byte in the sample, more than 10 MiB, or `.gitattributes`); the Hub's rule
  is not documented. No test may rely on it.
- Only model repositories; one kind of token role (read or write) for all repositories of an account.
- `.gitignore` and `.gitattributes` patterns are matched in their simple forms (a name, a folder, `*`, `?`, `**`).
- Storage refuses an upload whose SHA-256 is not its name; whether the Hub's storage host does is not known.
- Git pushes are not checked for missing LFS objects.
- The card's YAML is not parsed: `validate-yaml` only refuses a card without a front matter.
"""

from server.faults import Fault, Logged, Pause
from server.hub import Hub, Repo, serving

__all__ = ["Fault", "Hub", "Logged", "Pause", "Repo", "serving"]
