"""Reads what W&B wrote on disk, without W&B's server: a `.wandb` file is a LevelDB log of protobuf records.

W&B has no public reader. The layout is that of wandb 0.31: header ":W&B", magic 0xBEE1, then blocks of 32 KiB.
"""

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER = 32_768, 7
FULL, LAST = 1, 4


@dataclass
class RunFile:
    """What one run recorded; paths of logged pictures are relative to `files/` of its folder."""

    folder: Path
    about: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None


def read_runs(root: Path, patience: float = 10.0) -> list[RunFile]:
    """All offline runs below `wandb/` of a project, the oldest first.

    W&B's service writes the end of a file a moment after `finish` came back: wait for it up to `patience` seconds.
    """
    files = sorted((root / "wandb").glob("offline-run-*/*.wandb"), key=lambda file: file.stat().st_ctime_ns)
    end = time.monotonic() + patience
    while True:
        runs = [read_run(file) for file in files]
        if all(run.exit_code is not None for run in runs) or time.monotonic() > end:
            return runs
        time.sleep(0.05)


def read_run(path: Path) -> RunFile:
    """One `.wandb` file, up to where a killed run left it."""
    run = RunFile(path.parent)
    for raw in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(raw)
        match record.WhichOneof("record_type"):
            case "run":
                run.about = {
                    "project": record.run.project,
                    "name": record.run.display_name,
                    "group": record.run.run_group,
                    "job": record.run.job_type,
                }
                _put(run.config, record.run.config.update)
            case "config":
                _put(run.config, record.config.update)
            case "summary":
                _put(run.summary, record.summary.update)
            case "history":
                run.history.append(_put({}, record.history.item))
            case "artifact":
                run.artifacts.append(_artifact(record.artifact))
            case "request" if record.request.WhichOneof("request_type") == "log_artifact":
                run.artifacts.append(_artifact(record.request.log_artifact.artifact))
            case "exit":
                run.exit_code = record.exit.exit_code
    return run


def _records(data: bytes) -> Iterator[bytes]:
    if not data:
        return
    identity, magic, _ = struct.unpack("<4sHB", data[:HEADER])
    if identity != b":W&B" or magic != 0xBEE1:
        raise ValueError("not a .wandb file")
    position, whole = HEADER, b""
    while position + HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + HEADER])
        if kind == 0 and length == 0:
            position += left
            continue
        chunk = data[position + HEADER : position + HEADER + length]
        if len(chunk) < length:
            return
        position += HEADER + length
        whole += chunk
        if kind in (FULL, LAST):
            yield whole
            whole = b""


def _put(target: dict[str, Any], items: Any) -> dict[str, Any]:
    """Set the items' values in `target`; an item's key may lead through nested dictionaries."""
    for item in items:
        *outer, name = item.nested_key or [item.key]
        node = target
        for part in outer:
            node = node.setdefault(part, {})
        node[name] = json.loads(item.value_json)
    return target


def _artifact(artifact: Any) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "type": artifact.type,
        "aliases": list(artifact.aliases),
        "metadata": json.loads(artifact.metadata) if artifact.metadata else {},
        "files": {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents if entry.local_path},
        "references": {entry.path: entry.ref for entry in artifact.manifest.contents if entry.ref},
        "used": artifact.use_after_commit,
    }
