"""What GitHub reads in workflow files before anything runs: which event starts which file, with which rights, and which
inputs it takes. Where the runner of the rehearsal has no such rule, this is the rule.

Sources: GitHub's pages "Workflow syntax", "Events that trigger workflows", "Reusing workflows" and the REST reference.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Workflow = dict[str, Any]
Rights = dict[str, str]  # of a job's token: {"contents": "write"}
ALL = ("actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token", "issues", "models",
       "packages", "pages", "pull-requests", "security-events", "statuses")  # fmt: skip
# What a token may do where a file says nothing, with the setting that new repositories have.
DEFAULT: Rights = {"contents": "read", "packages": "read"}
LEVELS = {"none": 0, "read": 1, "write": 2}
MOST_INPUTS = 25
TAGS = "refs/tags/"
BRANCHES = "refs/heads/"


class InvalidError(Exception):
    """GitHub would refuse this file, or this request about it; the sentence says why."""


@dataclass(frozen=True)
class Event:
    """Something that happened in the repository.

    Attributes:
        name: such as push.
        payload: what a job finds in `github.event`.
        sha: the commit whose workflow files count, and that the jobs see as `github.sha`.
        actor: who caused it.
        ref: `github.ref`.
        files: that a push changed.
        only: the file that was asked for, where one was.
        origin: which run caused it, if one did.
    """

    name: str
    payload: dict[str, Any]
    sha: str
    actor: str
    ref: str
    files: tuple[str, ...] = field(default=(), repr=False)
    only: str | None = None
    origin: int | None = None


def parse(text: str) -> Workflow:
    """Read a workflow file.

    Examples:
        >>> triggers(parse("{on: push, jobs: {}}"))
        {'push': {}}
    """
    found = yaml.safe_load(text)
    if not isinstance(found, dict) or "jobs" not in found:
        raise InvalidError("it has no jobs")
    return found


def triggers(workflow: Workflow) -> dict[str, Any]:
    """The events of a file, each with its filters. A bare `on` is true in YAML 1.1."""
    on = workflow.get("on", workflow.get(True))
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {name: {} for name in on}
    return {name: found or {} for name, found in (on or {}).items()}


def glob(pattern: str) -> re.Pattern[str]:
    """A filter pattern as an expression.

    Examples:
        >>> bool(glob("configs/**").match("configs/a/b.yaml")), bool(glob("*.yaml").match("a/b.yaml"))
        (True, False)
        >>> bool(glob("model@v*").match("model@v1.0.0")), bool(glob("v[0-9]+").match("v12"))
        (True, True)
    """
    out, position = "", 0
    while position < len(pattern):
        letter = pattern[position]
        if pattern.startswith("**/", position):
            out, position = f"{out}(?:.*/)?", position + 3
            continue
        if pattern.startswith("**", position):
            out, position = f"{out}.*", position + 2
            continue
        if letter == "*":
            out += "[^/]*"
        elif letter in "?+":
            out += letter  # zero or one, one or more of the letter before
        elif letter == "[":
            end = pattern.index("]", position)
            out, position = out + pattern[position : end + 1], end
        elif letter == "\\":
            position += 1
            out += re.escape(pattern[position])
        else:
            out += re.escape(letter)
        position += 1
    return re.compile(out + r"\Z")


def selected(name: str, patterns: Iterable[str]) -> bool:
    """Whether the patterns, in order, leave a name in; `!` takes out what was in.

    Examples:
        >>> selected("docs/a.md", ["docs/**", "!docs/b*"]), selected("docs/b.md", ["docs/**", "!docs/b*"])
        (True, False)
    """
    found = False
    for pattern in patterns:
        if pattern.startswith("!"):
            found = found and not glob(pattern[1:]).match(name)
        elif glob(pattern).match(name):
            found = True
    return found


def wants(workflow: Workflow, event: Event) -> bool:
    """Whether an event starts a file."""
    on = triggers(workflow)
    if event.name not in on:
        return False
    filters = on[event.name]
    payload = event.payload
    if event.name == "push":
        return _wants_push(filters, event)
    if event.name == "schedule":
        return any(one["cron"] == payload["schedule"] for one in filters)
    if event.name == "workflow_run":
        kinds = filters.get("types", ["completed", "requested"])
        return payload["workflow_run"]["name"] in filters.get("workflows", []) and payload["action"] in kinds
    if event.name == "pull_request":
        kinds = filters.get("types", ["opened", "synchronize", "reopened"])
        base = payload["pull_request"]["base"]["ref"]
        if "branches" in filters and not selected(base, filters["branches"]):
            return False
        return payload["action"] in kinds and _touches(filters, event.files)
    return "types" not in filters or payload.get("action") in filters["types"]


def _wants_push(filters: Mapping[str, Any], event: Event) -> bool:
    tag = event.ref.startswith(TAGS)
    own, other = ("tags", "branches") if tag else ("branches", "tags")
    short = event.ref.removeprefix(TAGS).removeprefix(BRANCHES)
    if own in filters:
        if not selected(short, filters[own]):
            return False
    elif f"{own}-ignore" in filters:
        if selected(short, filters[f"{own}-ignore"]):
            return False
    elif other in filters or f"{other}-ignore" in filters:
        return False
    return tag or _touches(filters, event.files)  # paths are not looked at where a tag is pushed


def _touches(filters: Mapping[str, Any], files: tuple[str, ...]) -> bool:
    if "paths" in filters:
        return any(selected(file, filters["paths"]) for file in files)
    if "paths-ignore" in filters:
        return not all(selected(file, filters["paths-ignore"]) for file in files)
    return True


def inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run that somebody asks for, with defaults.

    Raises:
        InvalidError: the file can't be started so, or an input is unknown, missing, or not of its kind.

    Examples:
        >>> hand = {"on": {"workflow_dispatch": {"inputs": {"tag": {"required": True}}}}, "jobs": {}}
        >>> inputs(hand, {"tag": "a"})
        {'tag': 'a'}
        >>> inputs(hand, {"tags": "a"})  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        InvalidError: Unexpected inputs provided: ["tags"]
    """
    on = triggers(workflow)
    if "workflow_dispatch" not in on:
        raise InvalidError("Workflow does not have 'workflow_dispatch' trigger")
    known = on["workflow_dispatch"].get("inputs") or {}
    if len(known) > MOST_INPUTS:
        raise InvalidError(f"you may only define up to {MOST_INPUTS} `inputs` for a `workflow_dispatch` event")
    if unknown := sorted(set(given) - set(known)):
        raise InvalidError("Unexpected inputs provided: " + str(unknown).replace("'", '"'))
    found: dict[str, Any] = {}
    for name, about in known.items():
        spec = about or {}
        value = given.get(name, spec.get("default", ""))
        if value == "" and spec.get("required"):
            raise InvalidError(f"Required input '{name}' not provided")
        kind = spec.get("type", "string")
        if kind == "boolean" and str(value).lower() not in ("true", "false", ""):
            raise InvalidError(f"Provided value '{value}' for input '{name}' not in the list of allowed values")
        if kind == "choice" and value not in spec.get("options", []):
            raise InvalidError(f"Provided value '{value}' for input '{name}' not in the list of allowed values")
        # The runner takes words for inputs, and reads them by their kind.
        found[name] = str(value).lower() if kind == "boolean" else str(value)
    return found


def rights_of(block: object, fallback: Rights) -> Rights:
    """What a `permissions` block gives.

    Examples:
        >>> rights_of({"contents": "write"}, {}), rights_of(None, {"contents": "read"}), rights_of({}, DEFAULT)
        ({'contents': 'write'}, {'contents': 'read'}, {})
    """
    if block is None:
        return fallback
    if block in ("read-all", "write-all"):
        return {name: str(block).removesuffix("-all") for name in ALL}
    if not isinstance(block, dict):
        raise InvalidError(f"permissions are {block!r}")
    for name, level in block.items():
        if name not in ALL or level not in LEVELS:
            raise InvalidError(f"unknown permission: {name}: {level}")
    return {name: level for name, level in block.items() if level != "none"}


def allows(rights: Rights, name: str, level: str) -> bool:
    return LEVELS[rights.get(name, "none")] >= LEVELS[level]


@dataclass(frozen=True)
class Job:
    """A job as it will run.

    Attributes:
        path: ids from the outermost file on: a job of a called file has the caller's id before its own.
        rights: of its token.
        needs: ids of jobs beside it.
        runner: its `runs-on` as written.
    """

    path: tuple[str, ...]
    rights: Rights
    needs: tuple[str, ...]
    runner: str


def jobs(workflow: Workflow, called: Callable[[str], str], most: Rights | None = None) -> list[Job]:
    """All jobs of a file and of those that it calls.

    Args:
        workflow: the file.
        called: the text of a file of the same commit, by its path.
        most: where the file is called: what the caller's job may do.

    Raises:
        InvalidError: a called file asks for more than its caller has, as GitHub refuses it before anything runs.
    """
    found: list[Job] = []
    top = rights_of(workflow.get("permissions"), DEFAULT if most is None else most)
    for name, job in workflow["jobs"].items():
        rights = rights_of(job.get("permissions"), top)
        if most is not None:
            for right, level in rights.items():
                if not allows(most, right, level):
                    had = most.get(right, "none")
                    raise InvalidError(
                        f"The nested job '{name}' is requesting '{right}: {level}', but is only allowed "
                        f"'{right}: {had}'"
                    )
        needs = job.get("needs", [])
        needs = (needs,) if isinstance(needs, str) else tuple(needs)
        if missing := [one for one in needs if one not in workflow["jobs"]]:
            raise InvalidError(f"Job '{name}' depends on unknown job '{missing[0]}'")
        if "uses" in job:
            path = str(job["uses"])
            if not path.startswith("./"):
                raise InvalidError(f"Job '{name}' calls {path}: the rehearsal knows files of the same repository alone")
            inner = parse(called(path.removeprefix("./")))
            if "workflow_call" not in triggers(inner):
                raise InvalidError(f"{path} can't be called: it has no 'workflow_call' trigger")
            _check_call(name, job, triggers(inner)["workflow_call"])
            found += [
                Job((name, *one.path), one.rights, one.needs, one.runner) for one in jobs(inner, called, most=rights)
            ]
        else:
            found.append(Job((name,), rights, needs, str(job.get("runs-on", ""))))
    return found


def _check_call(name: str, job: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    known, given = spec.get("inputs") or {}, job.get("with") or {}
    if unknown := sorted(set(given) - set(known)):
        raise InvalidError(f"Job '{name}': invalid input, {unknown[0]} is not defined in the referenced workflow")
    for one, about in known.items():
        if about.get("required") and one not in given:
            raise InvalidError(f"Job '{name}': Input {one} is required, but not provided while calling")
