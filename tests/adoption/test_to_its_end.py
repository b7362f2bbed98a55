"""A CSV file, adopted by the command line, becomes a service that is asked, told the truth, and watched."""

import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from adoption_world import REPOSITORY, empty_project
from loop_world import command, to_serve
from registry_world import git

from lightloop.deploy.local import running
from lightloop.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
# The defaults of `adopt`, but for what explains and audits the model.
QUICK = ("tracking=none", "audit=none", "explain.records=8", "explain.steps=16", "explain.global_records=20")


def drawn(records: int, seed: int) -> pd.DataFrame:
    """Customers who stay where three things together are neither low nor high: neither a line nor trees tell that."""
    random = np.random.default_rng(seed)
    x_NF = random.normal(size=(records, 3))
    stays = np.abs(x_NF.sum(1)) < 1.1
    return pd.DataFrame(
        {
            "Kunden-Nr": [f"K{number:05d}" for number in range(records)],
            "Einkommen netto": (3000 + 800 * x_NF[:, 0]).round(1),
            "Größe (Monate)": (36 + 10 * x_NF[:, 1]).round(2),
            "Abstand": (5 + x_NF[:, 2]).round(3),
            "Ort": random.choice(["Köln", "Bern", "Linz"], records),
            "bleibt": np.where(stays ^ (random.random(records) < 0.03), "ja", "nein"),
        }
    )


def test_a_csv_from_adopt_to_monitor(tmp_path: Path):
    project = empty_project(tmp_path / "project")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", project.root / "src", ignore=skip)
    shutil.copy(REPOSITORY / ".gto", project.root)
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "code")
    drawn(2_000, 0).to_csv(tmp_path / "customers.csv", index=False)
    port, environment = to_serve()

    def lightloop(*words: str) -> str:
        done = command(project.root, "lightloop", *words, **environment)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    lightloop("adopt", str(tmp_path / "customers.csv"), "--target", "bleibt", "--yes", "--no-fit")
    git(project.root, "add", "data.dvc", "configs")
    git(project.root, "commit", "--quiet", "--message", "Adopt customers")
    assert "ACCEPTED" in lightloop("run", "experiment=customers", *QUICK)
    lightloop("register", "--commit", "--promote", "production")
    assert "model@v0.1.0" in git(project.root, "tag").split()
    lightloop("deploy", "--target", "local")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            right = []
            # Others than those that it was trained on, of the same world.
            for row in json.loads(drawn(60, 9).drop(columns="Kunden-Nr").to_json(orient="records")):
                truth = row.pop("bleibt")
                answer = client.post("/v1/predict", json=row).raise_for_status().json()
                right.append(answer["label"] == truth)
                said = {"prediction_id": answer["prediction_id"], "label": truth}
                client.post("/v1/feedback", json=said).raise_for_status()
            assert answer["model_version"] == "v0.1.0"
            assert sum(right) > 0.75 * len(right)
    finally:
        lightloop("stop")
    assert running(project) is None
    lightloop("monitor")
    found = read_json(project.reports / "monitoring.json")
    window = found["windows"][-1]
    assert (window["records"], window["labelled"]) == (60, 60)
