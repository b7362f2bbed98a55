"""The command line: one command a stage, `run` for all of them, and the registry.

Imports are lazy: `--help` answers at once, and each command pays only for what it uses. `lightloop --help` lists the
commands in the order in which these modules are imported.
"""

from lightloop.cli import loop, adopt, data, stages  # isort: skip
from lightloop.cli import creation, doctor, registry, remote, service, monitoring, tracking, score, ci  # isort: skip
from lightloop.cli import update  # isort: skip

# of the template alone: see docs/make-it-yours.md
from lightloop.cli import init as init  # isort: skip

# end of the template's own
from lightloop.cli.application import main

__all__ = [
    "adopt",
    "ci",
    "creation",
    "data",
    "doctor",
    "loop",
    "main",
    "monitoring",
    "registry",
    "remote",
    "score",
    "service",
    "stages",
    "tracking",
    "update",
]
