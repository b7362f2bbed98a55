"""Every command of docs/monitoring.md is run here, in order, or has a reason why not; its tables are as the code is."""

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from alerting import listening
from loop_world import PROGRAMS
from registry_world import dvc, git, make_world, verdict
from serving_world import table_world
from small_project import REPOSITORY

from lightloop.config.alerts import CHANNELS, ObjectivesConfig
from lightloop.config.monitoring import AnswerLimits, MonitorConfig
from lightloop.monitoring.alerts.send import NEEDS
from lightloop.monitoring.rule import WORDS
from lightloop.project import Project
from lightloop.release.registry import promote, register
from lightloop.serving.log import write_log
from lightloop.serving.manifest import verify_bundle
from lightloop.serving.predictor import Predictor

PAGE = (REPOSITORY / "docs" / "monitoring.md").read_text(encoding="utf-8")
# Not run here, and where else.
REASONS = {
    "lightloop collect --window 30d --dry-run": "needs data with labels: tests/collection/test_collect.py",
    "lightloop simulate": "takes minutes: tests/simulation/test_simulate.py runs the whole of it",
    "lightloop simulate --no-drift --days 4": "takes minutes: tests/simulation/test_simulate.py",
    "lightloop simulate --drift covariate --form gradual --size 1.5": "takes minutes: tests/simulation/test_records.py",
    "lightloop simulate --form seasonal": "takes half an hour: tests/simulation/test_records.py",
}


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [re.sub(r"\s{2,}#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_what_is_not_run_stands_in_the_page_and_is_run_elsewhere():
    assert set(REASONS) < set(commands())
    named = [one for why in REASONS.values() for one in re.findall(r"tests/\S+\.py", why)]
    assert [one for one in named if not (REPOSITORY / one).is_file()] == []


def test_every_link_and_every_file_that_it_names_is_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if "://" not in link]
    assert links
    assert [link for link in links if not (REPOSITORY / "docs" / link).exists()] == []
    named = re.findall(r"`((?:tests|benchmarks|configs)/[^`]+)`", PAGE)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_all_kinds_channels_and_objectives_stand_in_it():
    first = {
        name
        for line in PAGE.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert set(WORDS) <= first
    assert set(CHANNELS) <= first
    assert set(ObjectivesConfig.model_fields) <= first
    for names in NEEDS.values():
        assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_its_limits_are_the_defaults():
    config, answers = MonitorConfig(), AnswerLimits()
    table = PAGE[PAGE.index("| kind |") : PAGE.index("At most `false_alarms`")]
    found = re.findall(r"`(answers\.)?(\w+)` (\d[\d.]*)", table)
    assert len(found) >= 15
    for below, name, said in found:
        assert float(said) == pytest.approx(getattr(answers if below else config, name)), name


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A release of a small table in production, and an hour of its log."""
    world = table_world(repository, tmp_path_factory.mktemp("documented"))
    project = make_world(tmp_path_factory.mktemp("documented-project") / "project")
    shutil.copytree(REPOSITORY / "configs", project.root / "configs", dirs_exist_ok=True)
    (project.root / ".gitignore").write_text("/data\n/.lightloop/\n/reports\n")
    source = project.root / "source"
    shutil.rmtree(source)
    shutil.copytree(world.bundle, source)
    (project.root / "verdict.json").write_text(json.dumps(verdict(verify_bundle(source))))
    dvc(project.root, "repro", "--quiet")
    git(project.root, "add", "-Af", "source", "verdict.json", "configs", ".gitignore")
    git(project.root, "commit", "-qm", "model")
    register(project, commit=True)
    promote(project, stage="production")
    predictor = Predictor.load(source)
    records = pa.concat_tables([world.splits["validation"], world.splits["test"]])
    records = records.select([one.name for one in predictor.manifest.input.features])
    start = datetime.now(UTC) - timedelta(hours=1)
    rows = [
        {
            "prediction_id": f"a{place}",
            "time": start + timedelta(seconds=place),
            "version": "v0.1.0",
            "digest": predictor.digest,
            "input": record,
            "label": told.label,
            "probability": told.probability,
            "probabilities": list(told.probabilities),
            "abstains": told.abstains,
            "novelty": told.novelty.p_value,
        }
        for place, (record, told) in enumerate(zip(records.to_pylist(), predictor.predict(records), strict=True))
    ]
    requests = [
        {"time": start, "version": "v0.1.0", "route": "/v1/predict", "status": 500, "count": 50, "seconds": 0.5}
    ]
    write_log(project.root / ".lightloop" / "log", rows, requests)
    return project


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(project: Project):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "LIGHTLOOP_", "WANDB_"))
    }
    with listening() as heard:
        environment = kept | {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "LIGHTLOOP_ALERT_WEBHOOK": f"{heard.address}/hook",
        }
        for line in commands():
            if line in REASONS:
                continue
            done = subprocess.run(
                line.split(),
                cwd=project.root,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            assert "v0.1.0" in done.stdout, line
    # Every request failed: the rule says so, the error budget is gone, and the webhook was told once.
    found = json.loads((project.reports / "monitoring.json").read_text())
    assert found["act"] == "rollback"
    availability = next(one for one in found["objectives"] if one["name"] == "availability")
    assert availability["reached"] == 0.0
    assert any(burn["alarm"] for burn in availability["burns"])
    assert len(heard.bodies) == 1
    assert "the release before is to be put back" in heard.bodies[0][2]["text"]
    assert "Roll back" in (project.reports / "monitoring.html").read_text()
