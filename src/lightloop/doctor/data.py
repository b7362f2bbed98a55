"""DVC: the remote, and what of the data and results is where it should be."""

import configparser
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from lightloop.doctor.finding import Area, Finding
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.release.remotes import PLUGINS
from lightloop.release.repository import ENVIRONMENT

AREA = Area("data")
SECONDS = 60
MARK = "----- next -----\n"
STATUS, CLOUD = ("data", "status", "--json"), ("status", "--cloud", "--json")
ASK = f"""
import json, sys
from dvc.cli import main
for words in json.loads(sys.argv[1]):
    for stream in (sys.stdout, sys.stderr):
        print({MARK!r}, end="", file=stream, flush=True)
    main(words)
"""
Answer = dict[str, object] | str


class Asked:
    """Questions to DVC's command line, in one process in the background, while other checks go on.

    Importing DVC takes longer than its answers, so that it is done once for all of them.

    Args:
        project: where.
        commands: each the words of a command that prints JSON.
    """

    def __init__(self, project: Project, *commands: tuple[str, ...]) -> None:
        self.commands = commands
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK, json.dumps(commands)],
            cwd=project.root,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def answers(self) -> dict[tuple[str, ...], Answer]:
        """By command what it printed, or in words why it could not."""
        try:
            out, err = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.end()
            return dict.fromkeys(self.commands, f"DVC took longer than {SECONDS} s")
        found: dict[tuple[str, ...], Answer] = dict.fromkeys(self.commands, _reason(err))
        errors = err.split(MARK)
        for place, (words, text) in enumerate(zip(self.commands, out.split(MARK)[1:], strict=False)):
            try:
                found[words] = json.loads(text)
            except ValueError:
                found[words] = _reason(errors[place + 1] if place + 1 < len(errors) else err)
        return found

    def end(self) -> None:
        """Stop it, where nobody waits for it any more."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def _reason(said: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    return (errors or ["it gave no reason"])[0]


def settings_of(project: Project, *files: str) -> dict[str, dict[str, str]]:
    """DVC's settings of this project by section, those of `.dvc/config.local` over those in git.

    Args:
        project: whose.
        files: in `.dvc`, which are read instead of both.

    Raises:
        UsageError: they can't be read.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        names = files or ("config", "config.local")
        parser.read([project.root / ".dvc" / name for name in names], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f".dvc/config can't be read ({reason}): `git checkout .dvc/config` puts it back") from None
    # git's way to write a name: ['remote "embedded"'].
    return {section.strip("'").replace('"', ""): dict(parser[section]) for section in parser.sections()}


def url_of_remote(project: Project) -> str:
    """The address of the remote that is used; empty where there is none.

    Raises:
        UsageError: DVC's settings can't be read.
    """
    settings = settings_of(project)
    return settings.get(f"remote {settings.get('core', {}).get('remote')}", {}).get("url", "")


def is_local(url: str) -> bool:
    """Whether an address is a folder, which can be asked without a network."""
    return "://" not in url


def look_at_remote(project: Project) -> Iterator[Finding]:
    """The remote as it is configured."""
    if not (project.root / ".dvc").is_dir():
        yield AREA.broken("dvc", "DVC is not set up here", "dvc init")
        return
    settings = settings_of(project)
    name = settings.get("core", {}).get("remote")
    if name is None or f"remote {name}" not in settings:
        yield AREA.broken(
            "remote",
            "there is no DVC remote: data and bundles would be on this machine alone",
            "lightloop remote set storage",
        )
        return
    remote = settings[f"remote {name}"]
    url = remote.get("url", "")
    yield _address(project, name, url)
    if is_local(url) and remote.get("verify", "").lower() != "true":
        yield AREA.look(
            "verify",
            f"remote {name} is not verified: a damaged object would not be noticed",
            f"dvc remote modify {name} verify true",
        )
    elif is_local(url):
        yield AREA.ok("verify", "objects are checked against their hashes when they are pulled")
    in_git = settings_of(project, "config").get(f"remote {name}", {})
    if {"password", "secret_access_key", "access_key_id", "sas_token"} & set(in_git):
        yield AREA.broken(
            "secrets",
            ".dvc/config, which is in git, holds a secret of the remote",
            "take it out, change it, and give rights by the environment (docs/remote.md)",
        )


def _address(project: Project, name: str, url: str) -> Finding:
    if not is_local(url):
        kind = urlsplit(url).scheme
        shown = f"{kind}://{urlsplit(url).hostname or ''}{urlsplit(url).path}"
        if kind in PLUGINS and find_spec(PLUGINS[kind]) is None:
            package = PLUGINS[kind].replace("_", "-")
            return AREA.broken(
                "remote", f"{name} is {shown}, for which {package} is not installed", f"uv pip install {package}"
            )
        return AREA.ok("remote", f"{name} is {shown}")
    folder = (project.root / ".dvc" / Path(url)).resolve()
    if not folder.is_dir():
        return AREA.broken(
            "remote",
            f"{name} is the folder {folder}, which is not there",
            "mount it, or `lightloop remote set storage`",
        )
    if not os.access(folder, os.W_OK):
        return AREA.look(
            "remote",
            f"{name} is the folder {folder}, in which you can't write",
            "ask for the right, or `dvc push` elsewhere",
        )
    return AREA.ok("remote", f"{name} is the folder {folder}")


def look_at_data(answer: Answer) -> Iterator[Finding]:
    """The data and the outputs here, by what `dvc data status` says."""
    if isinstance(answer, str):
        yield AREA.broken("here", f"DVC can't say what is here ({answer})", "dvc data status")
        return
    uncommitted = answer.get("uncommitted")
    changes = uncommitted if isinstance(uncommitted, dict) else {}
    lost = [str(name) for name in changes.get("deleted", [])]
    changed = [str(name) for kind in ("modified", "added") for name in changes.get(kind, [])]
    data = [name for name in (*lost, *changed) if name.split("/")[0] == "data"]
    if "data/" in lost:
        yield AREA.look("data", "the data is not here yet", "dvc pull data.dvc")
    elif data:
        yield AREA.look("data", f"{len(data)} files of the data are not as data.dvc says", "lightloop data diff")
    else:
        yield AREA.ok("data", "the data is what data.dvc says")
    results = [name for name in (*lost, *changed) if name not in data]
    if results:
        yield AREA.look(
            "results",
            f"{len(results)} outputs of the loop are not as dvc.lock says",
            "`lightloop run` makes them, `dvc pull` brings those of dvc.lock",
        )
    else:
        yield AREA.ok("results", "the loop's outputs are those of dvc.lock")


def look_at_objects(answer: Answer) -> Iterator[Finding]:
    """What cache and remote hold, by what `dvc status --cloud` says."""
    if isinstance(answer, str):
        yield AREA.broken("objects", f"the DVC remote can't be asked ({answer})", "dvc status --cloud")
        return
    counts = Counter(str(state) for state in answer.values())
    if counts["missing"]:
        yield AREA.broken(
            "objects",
            f"{counts['missing']} objects are neither here nor in the remote",
            "`lightloop run` makes results again; data: `dvc push` where it is",
        )
    elif counts["new"]:
        yield AREA.look("objects", f"{counts['new']} objects are on this machine alone", "dvc push")
    else:
        here = f"; {counts['deleted']} are not in the cache here" if counts["deleted"] else ""
        yield AREA.ok("objects", f"the remote holds everything{here}")
