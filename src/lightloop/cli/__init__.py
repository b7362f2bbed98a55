"""The command line: one command a stage, `run` for all of them, and the registry.

Imports are lazy: `--help` answers at once, and each command pays only for what it uses. `lightloop --help` lists the
commands in the order in which these modules are imported.
"""

from lightloop.cli import loop, stages  # isort: skip
from lightloop.cli import registry, remote, service, monitoring, tracking, score, ci  # isort: skip
from lightloop.cli.application import main

__all__ = ["ci", "loop", "main", "monitoring", "registry", "remote", "score", "service", "stages", "tracking"]
