"""The bill of materials of a release (CycloneDX 1.6, JSON): model, weights, data, code and every locked library.

It follows from the bundle, the code and the lock alone: no time, host or path is in it, and its serial number is made
of its content, so that the same release has the same bytes wherever they are made.
"""

import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from lightloop.config.signature import PACKAGE
from lightloop.files import write_text
from lightloop.project import Project
from lightloop.serving.manifest import hash_files, read_manifest, verify_bundle

LOCK = "requirements.lock"
# A line of the lock: name, extras, version, and on which systems.
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,.-]+\])?==([^\s;\\]+)(?:\s*;\s*([^\\#]+?))?\s*\\?$")


def write_sbom(project: Project | None, bundle: Path, path: Path) -> bool:
    """Write the bill of materials of a bundle.

    Args:
        project: whose lock is listed; without one, or without a lock, no libraries are.
        bundle: its folder.
        path: of the file to write.

    Returns:
        Whether anything changed.

    Raises:
        LightloopError: the bundle is damaged.
    """
    return write_text(path, make_sbom(project, bundle))


def make_sbom(project: Project | None, bundle: Path) -> str:
    """The bill of materials as text; see `write_sbom`."""
    digest, manifest = verify_bundle(bundle), read_manifest(bundle)
    lock = project.root / LOCK if project else None
    libraries = read_lock(lock) if lock and lock.is_file() else []
    parts = [
        *(_file(name, value) for name, value in hash_files(bundle).items()),
        _code(PACKAGE),
    ]
    if lock and lock.is_file():
        parts.append(_file(LOCK, hashlib.sha256(lock.read_bytes()).hexdigest()))
    if manifest.data_version:
        parts.append(_data(manifest.config.get("data", {}).get("name", "data"), manifest.data_version))
    model = Component(
        name=manifest.name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=digest[:12],
        bom_ref=BomRef(f"model:{digest}"),
        description=f"{manifest.modality} {manifest.problem}, {manifest.parameters} trained weights",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        properties=[Property(name=f"lightloop:{name}", value=value) for name, value in manifest.libraries.items()],
    )
    bom = Bom(metadata=BomMetaData(component=model), components=[*parts, *libraries])
    bom.dependencies.add(Dependency(model.bom_ref, [Dependency(part.bom_ref) for part in bom.components]))
    for part in bom.components:
        bom.dependencies.add(Dependency(part.bom_ref))
    return _without_chance(json.loads(JsonV1Dot6(bom).output_as_string()))


def read_lock(path: Path) -> list[Component]:
    """The libraries that a lock pins, in its order; once for each version of each."""
    found: dict[str, Component] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        pin = PIN.match(line)
        if pin is None:
            continue
        name, number, systems = pin.groups()
        purl = PackageURL("pypi", name=re.sub(r"[-_.]+", "-", name).lower(), version=number)
        found.setdefault(
            purl.to_string(),
            Component(
                name=name,
                version=number,
                purl=purl,
                bom_ref=BomRef(purl.to_string()),
                properties=[Property(name="lightloop:systems", value=systems)] if systems else [],
            ),
        )
    return list(found.values())


def _file(name: str, digest: str) -> Component:
    return Component(
        name=name,
        type=ComponentType.FILE,
        bom_ref=BomRef(f"file:{name}"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )


def _data(name: str, version: str) -> Component:
    """The data set, by the MD5 that DVC calls it."""
    return Component(
        name=name,
        type=ComponentType.DATA,
        version=version,
        bom_ref=BomRef(f"data:{version}"),
        hashes=[HashType(alg=HashAlgorithm.MD5, content=version.removesuffix(".dir"))],
    )


def _code(package: Path) -> Component:
    """The code of this package: the SHA-256 of the names and SHA-256 of its files, sorted."""
    known = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        if file.is_file() and file.suffix != ".pyc" and "__pycache__" not in file.parts:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            known.update(f"{content}  {file.relative_to(package).as_posix()}\n".encode())
    return Component(
        name=package.name,
        type=ComponentType.APPLICATION,
        bom_ref=BomRef(f"code:{package.name}"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=known.hexdigest())],
    )


def _without_chance(content: dict[str, Any]) -> str:
    """The same without the time, and with a serial number that follows from all else."""
    del content["metadata"]["timestamp"]
    content.pop("serialNumber", None)
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    content["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
