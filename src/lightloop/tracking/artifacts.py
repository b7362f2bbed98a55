"""What is kept in W&B as versions, and who uses it: data -> bundle -> report.

A version is named by its content: logging the same files again gives the same version. Data are never copied, and
neither are files too large for that: the version then holds a reference that names DVC's or the bundle's own hash.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightloop.config.schema import Config
from lightloop.files import read_json
from lightloop.project import Project

if TYPE_CHECKING:
    import wandb

LARGEST_COPY = 100_000_000  # bytes; DVC keeps what is larger, and W&B where it is


def artifact_name(name: str, kind: str) -> str:
    """The name of a collection in W&B, which takes letters, digits, dots, lines and underscores alone.

    Examples:
        >>> artifact_name("shoes & bags", "model")
        'shoes---bags-model'
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{name}-{kind}")


def digest_alias(digest: str) -> str:
    """The alias by which the version of a bundle is found again, in every project and process.

    Examples:
        >>> digest_alias("0123456789abcdef")
        'bundle-0123456789ab'
    """
    return f"bundle-{digest[:12]}"


def data_artifact(config: Config, project: Project) -> "wandb.Artifact | None":
    """The data version, by reference; None where the data are not under DVC, so that nothing names them."""
    import wandb

    version = project.data_version()
    if version is None:
        return None
    artifact = wandb.Artifact(
        artifact_name(config.data.name, "data"),
        type="dataset",
        metadata={"data_version": version, "path": config.data.path},
    )
    artifact.add_reference(f"dvc://data@{version}", name="data", checksum=False)
    return artifact


def model_artifact(config: Config, project: Project, metrics: dict[str, Any], gate: dict[str, Any]) -> "wandb.Artifact":
    """The bundle, with its metrics and the gate's verdict."""
    import wandb

    artifact = wandb.Artifact(
        artifact_name(config.name, "model"),
        type="model",
        metadata={
            "digest": gate["bundle_digest"],
            "verdict": gate["verdict"],
            "data_version": project.data_version(),
            "metrics": metrics["metrics"],
        },
    )
    hashes = read_json(project.bundle / "hashes.json")
    _add_folder(artifact, project, project.bundle, hashes=hashes)
    return artifact


def report_artifact(config: Config, project: Project) -> "wandb.Artifact":
    """The site, the card and the evidence files that they were made of."""
    import wandb

    artifact = wandb.Artifact(artifact_name(config.name, "report"), type="report")
    if project.reports.is_dir():
        _add_folder(artifact, project, project.reports, under="site/")
    evidence = project.gate.parent
    for file in sorted(evidence.rglob("*.json")):
        # The bundle is a version of its own, and the champion has its own report.
        if not {project.bundle, project.champion.parent} & set(file.parents):
            artifact.add_file(str(file), name=f"evidence/{file.relative_to(evidence).as_posix()}")
    return artifact


def use_artifact(run: "wandb.Run", artifact: "wandb.Artifact") -> None:
    """Say, in a run that is on disk, what it was made from; W&B makes the version when it does not have it yet.

    `run.use_artifact` does the same, but refuses to do it offline; the record that it writes is understood there too.
    """
    run._log_artifact(artifact, is_user_created=True, use_after_commit=True)


def _add_folder(
    artifact: "wandb.Artifact", project: Project, folder: Path, *, under: str = "", hashes: dict[str, str] | None = None
) -> None:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = file.relative_to(folder).as_posix()
        if file.stat().st_size <= LARGEST_COPY:
            artifact.add_file(str(file), name=under + relative)
        else:
            digest = (hashes or {}).get(relative, f"{file.stat().st_size}-bytes")
            uri = f"dvc://{project.relative(file)}@{digest}"
            artifact.add_reference(uri, name=under + relative, checksum=False)
