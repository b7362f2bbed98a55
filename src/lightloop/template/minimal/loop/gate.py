"""gate: decide whether the bundle may replace the champion."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lightloop.errors import RefusedError
from lightloop.files import read_json, write_json
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.data import labels
from lightloop.template.minimal.loop.metrics import LESS_IS_BETTER, Floats, Labels, difference, draws
from lightloop.template.minimal.loop.paths import Project
from lightloop.template.minimal.loop.predictor import Predictor
from lightloop.template.minimal.loop.trained import read_splits

Check = dict[str, Any]


def gate(config: Config, project: Project, *, fail: bool = True) -> None:
    """Write the verdict with every check it rests on.

    Raises:
        RefusedError: a check was not passed, and `fail` is asked for.
    """
    champion = read_json(project.champion)
    test = read_splits(config, project).test
    predicted = pq.read_table(project.predictions)
    ours_N, label_N = np.array(predicted.column("network")), labels(test, config.data)
    if champion["version"] is None:
        rival, theirs_N = "the simpler model", np.array(predicted.column("baseline"))
    else:
        rival, theirs_N = champion["version"], Predictor(project.champion_bundle).probabilities(test)
    checks = [
        _data_check(read_json(project.validation)),
        *_bounds(read_json(project.metrics)["metrics"], config),
        _parity(read_json(project.parity), config),
        _explained(read_json(project.explanation)),
        _compared(rival, ours_N, theirs_N, label_N, config),
    ]
    refused = [check for check in checks if not check["passed"]]
    verdict = "refused" if refused else "accepted"
    content = {"verdict": verdict, "champion": champion, "bundle_digest": digest(project.bundle), "checks": checks}
    write_json(project.gate, content)
    if refused and fail:
        raise RefusedError(f"the gate refused this model: {refused[0]['message']}")


def digest(bundle: Path) -> str:
    """What a bundle is known by: the hash of its files' names and contents."""
    found = hashlib.sha256()
    for path in sorted(bundle.iterdir()):
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _data_check(result: dict[str, Any]) -> Check:
    failed = [check for check in result["checks"] if not check["success"]]
    message = f"the data met {len(result['checks']) - len(failed)} of {len(result['checks'])} expectations"
    return {"name": "data", "passed": bool(result["success"]), "message": message}


def _bounds(metrics: dict[str, dict[str, float]], config: Config) -> list[Check]:
    checks = []
    for name, bound in config.gate.bounds.items():
        value = metrics[name]["value"]
        passed = value <= bound if name in LESS_IS_BETTER else value >= bound
        word = "at most" if name in LESS_IS_BETTER else "at least"
        message = f"{name} is {value:.4f}, asked for is {word} {bound}"
        checks.append({"name": name, "passed": passed, "message": message})
    return checks


def _parity(found: dict[str, Any], config: Config) -> Check:
    limit, value = config.gate.max_parity_difference, found["max_difference"]
    message = f"the bundle differs from the network by {value:.1e} at most, allowed is {limit:.1e}"
    return {"name": "parity", "passed": value <= limit, "message": message}


def _explained(found: dict[str, Any]) -> Check:
    failed = [check["name"] for check in found["checks"] if not check["passed"]]
    message = (
        f"the explanations fail their check of {' and '.join(failed)}"
        if failed
        else "the explanations pass their checks"
    )
    return {"name": "explanation", "passed": not failed, "message": message}


def _compared(rival: str, ours_N: Floats, theirs_N: Floats, label_N: Labels, config: Config) -> Check:
    """Not worse than the champion by more than the margin, with the confidence asked for: doubt refuses."""
    rule = config.gate
    drawn_RN = draws(len(label_N), rule.resamples, config.seed)
    found = difference(rule.metric, ours_N, theirs_N, label_N, drawn_RN, rule.confidence)
    message = (
        f"by {rule.metric} it is better than {rival} by {found['value']:+.4f}, surely more than {found['low']:+.4f}; "
        f"asked for is more than {-rule.margin:+.4f}"
    )
    return {"name": "comparison", "passed": found["low"] > -rule.margin, "message": message, "figures": found}
