"""Where data and bundles of releases lie: the DVC remote, and moving to another one.

A clone is complete with the embedded remote `storage/`, which is in git. What outgrows git goes to a bucket or a shared
folder. Rights come from the environment (an OIDC role, a profile, an agent of SSH) and never stand in `.dvc/config`,
which everyone reads.
"""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict

from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.dvc import run_dvc
from lightloop.release.history import releases
from lightloop.release.repository import ENVIRONMENT, dvc

NAME, EMBEDDED = "shared", "embedded"
OBJECT = re.compile(r"md5: ([0-9a-f]{32}(?:\.dir)?)")
TRIED = "lightloop-tried"  # in .dvc/config.local, while a remote is filled
# The package of DVC that each kind of address needs.
PLUGINS = {"s3": "dvc_s3", "gs": "dvc_gs", "ssh": "dvc_ssh", "azure": "dvc_azure"}
RIGHTS = {
    "s3": "AWS: a role for OIDC with s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject on "
    "{place}/*, named in the repository's variables AWS_ROLE and AWS_REGION (`gh variable set AWS_ROLE`); no key is "
    "stored anywhere (docs/remote.md)",
    "gs": "Google Cloud: workload identity federation, and a step google-github-actions/auth before the loop",
    "ssh": "SSH: an agent with the key in each job; a password is never written",
    "azure": "Azure: a federated credential, and a step azure/login before the loop",
    "": "a folder: each machine that runs the loop must see it under the same path",
}


class Remote(BaseModel):
    """A DVC remote.

    Attributes:
        name: in `.dvc/config`.
        url: its address; of a folder relative to `.dvc`.
        releases: versions that the registry knows.
        missing: objects that they, or what is checked out, need and the remote lacks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    url: str
    releases: int
    missing: int


def set_remote(project: Project, address: str) -> Remote:
    """Make an address the project's remote, once it holds what every release needs.

    All releases and what is checked out are fetched from the present remote and pushed to the new one; only when
    nothing is missing there, `.dvc/config` changes. The old remote is not touched.

    Args:
        project: with the registry.
        address: s3://bucket/prefix, gs://..., ssh://host/folder, azure://..., or a folder.

    Raises:
        UsageError: no such kind of address, its package is not installed, or it holds a secret.
        LightloopError: an object can't be fetched or pushed, or is not there afterwards; `.dvc/config` is as it was.
    """
    scheme = checked(address)
    place = address if scheme else str(project.root / address)
    count, targets = len(releases(project)), _targets(project)
    dvc(project.root, "remote", "add", "--quiet", "--force", "--local", TRIED, place)
    try:
        if targets:
            _moved(project, targets, address)
    finally:
        dvc(project.root, "remote", "remove", "--quiet", "--local", TRIED)
    name = EMBEDDED if (project.root / address).resolve() == (project.root / "storage").resolve() else NAME
    dvc(project.root, "remote", "add", "--quiet", "--force", "--default", name, place)
    if not scheme:
        dvc(project.root, "remote", "modify", "--quiet", name, "verify", "true")
    return Remote(name=name, url=address, releases=count, missing=0)


def present_remote(project: Project) -> Remote:
    """The remote as `.dvc/config` says, and whether it holds what the releases need.

    Raises:
        LightloopError: there is none, or it can't be reached.
    """
    lines = dvc(project.root, "remote", "default").split()
    name = lines[0] if lines else ""
    if not name or name == "No":  # "No default remote set"
        raise LightloopError("this project has no DVC remote: `lightloop remote set storage` makes the embedded one")
    targets = _targets(project)
    missing = _missing(project, name, targets) if targets else 0
    url = dvc(project.root, "config", f"remote.{name}.url").strip()
    return Remote(name=name, url=url, releases=len(releases(project)), missing=missing)


def rights(address: str) -> str:
    """What a workflow needs to read and write there, in a sentence.

    Examples:
        >>> rights("s3://models/demo").split(",")[0]
        'AWS: a role for OIDC with s3:ListBucket on the bucket and s3:GetObject'
    """
    return RIGHTS[urlsplit(address).scheme].format(place=address.removeprefix("s3://").rstrip("/"))


def checked(address: str) -> str:
    """The kind of an address, empty for a folder.

    Raises:
        UsageError: there is no such kind, it is not installed, or the address holds a secret.

    Examples:
        >>> checked("storage"), checked("s3://models/demo")
        ('', 's3')
    """
    parts = urlsplit(address)
    if "://" not in address:
        return ""
    if parts.password is not None or parts.query or (parts.username and parts.scheme != "ssh"):
        raise UsageError(
            "the address holds a user, a password or a key, and .dvc/config is in git: leave it out, and give the "
            "rights by the environment (docs/remote.md)"
        )
    if parts.scheme not in PLUGINS:
        known = ", ".join(f"{one}://" for one in PLUGINS)
        raise UsageError(f"{parts.scheme}:// is no kind of remote: say {known}, or a folder")
    if not parts.netloc:
        raise UsageError(f"{address} names no bucket or host: say such as {parts.scheme}://bucket/prefix")
    if find_spec(PLUGINS[parts.scheme]) is None:
        package = PLUGINS[parts.scheme].replace("_", "-")
        raise UsageError(f"{parts.scheme}:// needs the package {package}: `uv pip install {package}`")
    return parts.scheme


def _moved(project: Project, targets: list[str], address: str) -> None:
    # One by one: given both, DVC takes some of the objects alone.
    lost = {one for target in targets for one in _told(project, "fetch", "--all-tags", target)[1]}
    if lost:
        raise LightloopError(
            f"not all releases could be fetched from the present remote ({len(lost)} objects are neither there nor "
            "here): nothing was changed; mend it first (`lightloop remote show`), since they would be lost"
        )
    try:
        for target in targets:
            dvc(project.root, "push", "--all-tags", "--remote", TRIED, target)
        missing = _missing(project, TRIED, targets)
    except LightloopError as error:
        raise LightloopError(
            f"{address} could not be filled ({error}): .dvc/config is as it was; look at the address and at your rights"
        ) from None
    if missing:
        raise LightloopError(
            f"{address} lacks {missing} objects after the push: .dvc/config is as it was; run it again"
        )


def _missing(project: Project, remote: str, targets: list[str]) -> int:
    """How many objects of the targets, over all tags, a remote lacks."""
    missing = 0
    for target in targets:
        answer, lost = _told(project, "status", "--cloud", "--remote", remote, "--all-tags", "--json", target)
        found: dict[str, str] = json.loads(answer)
        # "new" is here and not there; what is neither here nor there DVC tells in warnings alone.
        missing += sum(state == "new" for state in found.values()) + len(lost)
    return missing


def _told(project: Project, *arguments: str) -> tuple[str, set[str]]:
    """What DVC prints, and the objects that it warns of."""
    done = run_dvc(project.root, *arguments, environment=ENVIRONMENT)
    lost = set(OBJECT.findall(done.stderr))
    if done.returncode and not lost:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise LightloopError(f"`dvc {arguments[0]}` failed: {errors[0] if errors else 'it gave no reason'}")
    return done.stdout, lost


def _targets(project: Project) -> list[str]:
    """What a release is made of, as far as there is any: the data and the bundle."""
    pointer = project.root / "data.dvc"
    bundle = project.relative(project.bundle)
    return [*(["data.dvc"] if pointer.exists() else []), *([bundle] if _locked(project.root, bundle) else [])]


def _locked(root: Path, path: str) -> bool:
    lock = root / "dvc.lock"
    if not lock.exists():
        return False
    stages = yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {})
    return any(out["path"] == path for stage in stages.values() for out in stage.get("outs", []))
