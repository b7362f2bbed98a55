"""What a clone holds of evidence, read once and never guessed: what is not there is None or empty."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from lightloop.config.compose import read_params
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.history import Release, production, releases
from lightloop.release.repository import git_or_none


@dataclass(frozen=True)
class Clone:
    """A project with its results, its workflows and its registry.

    Attributes:
        project: whose folder is looked at.
    """

    project: Project

    @cached_property
    def config(self) -> Config:
        """Of the last run, as params.yaml holds it."""
        return read_params(self.project)

    def there(self, path: str) -> bool:
        """Whether a file or folder of the project is there, by its name or a pattern."""
        return any(self.project.root.glob(path))

    def json(self, path: Path) -> Any:
        """A result, or None where it is missing or not whole."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def yaml(self, path: str) -> Any:
        """A file of settings, or None where it is missing or not whole."""
        try:
            return yaml.safe_load((self.project.root / path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return None

    def text(self, path: str) -> str:
        """A file's text; empty where it is missing."""
        try:
            return (self.project.root / path).read_text(encoding="utf-8")
        except OSError:
            return ""

    # The loop.

    @cached_property
    def stages(self) -> dict[str, Any]:
        """Of dvc.yaml, in order."""
        return (self.yaml("dvc.yaml") or {}).get("stages", {})

    @cached_property
    def gate(self) -> dict[str, Any]:
        return self.json(self.project.gate) or {}

    def judged(self, name: str) -> list[dict[str, Any]]:
        """The checks of the gate of that name, or whose name begins with it and a dot."""
        return [one for one in self.gate.get("checks", []) if one["name"].partition(".")[0] == name]

    @cached_property
    def data_checks(self) -> list[dict[str, Any]]:
        """Of the data check of the last run."""
        return (self.json(self.project.validation_result) or {}).get("checks", [])

    @cached_property
    def releases(self) -> list[Release]:
        try:
            return releases(self.project)
        except LightloopError:
            return []

    @cached_property
    def in_production(self) -> Release | None:
        try:
            return production(self.project)
        except LightloopError:
            return None

    def tracked(self, path: str) -> bool:
        """Whether git holds a file as it lies there."""
        if git_or_none(self.project.root, "ls-files", "--error-unmatch", "--", path) is None:
            return False
        return git_or_none(self.project.root, "status", "--porcelain", "--", path) == ""

    # What runs by itself.

    def workflow(self, name: str) -> dict[Any, Any]:
        """A workflow by the name of its file, or nothing."""
        found = self.yaml(f".github/workflows/{name}.yml")
        return found if isinstance(found, dict) else {}

    def started_by(self, name: str) -> set[str]:
        """What starts a workflow. YAML reads the key `on` as true."""
        found = self.workflow(name)
        on = found.get("on", found.get(True))
        return {on} if isinstance(on, str) else set(on or ())

    def steps(self, name: str, job: str | None = None) -> list[dict[str, Any]]:
        """The steps of a workflow, or of one of its jobs."""
        jobs = self.workflow(name).get("jobs", {})
        chosen = [jobs[job]] if job in jobs else [] if job else list(jobs.values())
        return [step for one in chosen for step in one.get("steps", [])]

    def runs(self, name: str, command: str, job: str | None = None) -> bool:
        """Whether a step of a workflow runs a command, by the beginning of one of its lines."""
        lines = [line.strip() for step in self.steps(name, job) for line in str(step.get("run", "")).splitlines()]
        return any(line == command or line.startswith(f"{command} ") for line in lines)

    # What production showed.

    @cached_property
    def monitoring(self) -> dict[str, Any] | None:
        """The last result of `lightloop monitor`, or None."""
        return self.json(self.project.reports / "monitoring.json")

    def looked(self, *kinds: str) -> list[dict[str, Any]]:
        """What the newest window of the monitoring looked at, of these kinds."""
        windows = (self.monitoring or {}).get("windows") or []
        return [one for one in windows[-1]["findings"] if one["kind"] in kinds] if windows else []
