"""The image, built and run by a real engine: what is deployed answers, and what is unfit to answer changes nothing."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from small_project import REPOSITORY
from tiny_bundles import NAME, PLAIN, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.deploy.container import ENGINES, deploy
from lightloop.deploy.released import by_path
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.serving.manifest import GOLDEN, HASHES, hash_files

MOST = 400_000_000
CONTAINER = f"lightloop-{NAME}"


def answering() -> str | None:
    """An engine that is here and answers."""
    for name in ENGINES:
        if shutil.which(name) and not subprocess.run([name, "info"], capture_output=True, check=False).returncode:
            return name
    return None


def told(engine: str, *words: str) -> str:
    return subprocess.run([engine, *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def engine() -> Iterator[str]:
    found = answering()
    if found is None:
        pytest.skip("no engine of containers answers here")
    yield found
    name = CONTAINER
    for container in (name, f"{name}-before", f"{name}-trial"):
        subprocess.run([found, "rm", "--force", container], capture_output=True, check=False)
    subprocess.run([found, "volume", "rm", f"{name}-state"], capture_output=True, check=False)


def broken(bundle: Path) -> Path:
    """Let a bundle give other answers than its golden ones."""
    golden = json.loads((bundle / GOLDEN).read_text())
    golden["answers"] = [answer[::-1] for answer in golden["answers"]]
    (bundle / GOLDEN).write_text(json.dumps(golden))
    (bundle / HASHES).write_text(json.dumps(hash_files(bundle)))
    return bundle


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_container_answers_and_a_bad_one_changes_nothing(engine: str, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "deploy", tmp_path / "project" / "deploy")
    shutil.copy(REPOSITORY / "requirements.lock", tmp_path / "project")
    project, port = Project(tmp_path / "project"), free()
    settings = ServeConfig(port=port)
    good = by_path(tiny_bundle(PLAIN, tmp_path / "good"))
    deploy(project, settings, good, render=None)

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        about = client.get("/v1/metadata").raise_for_status().json()
        record = about["input"]["examples"][0]
        assert client.post("/v1/predict", json=record).raise_for_status().json()["model_version"] == about["version"]
        assert client.get("/").status_code == 200
        (made,) = json.loads(told(engine, "inspect", CONTAINER))
        (image,) = json.loads(told(engine, "image", "inspect", made["Image"]))
        assert image["Size"] < MOST
        assert image["Config"]["User"] == "65532:65532"
        assert made["Config"]["Healthcheck"]["Test"][:2] == ["CMD", "python3"]
        assert made["HostConfig"]["ReadonlyRootfs"]
        asked = told(
            engine, "exec", CONTAINER, "python3", "-c",
            "import importlib.util as u, os; print(os.getuid(), os.access('/opt/app', os.W_OK), u.find_spec('torch'))",
        )  # fmt: skip
        assert asked.split() == ["65532", "False", "None"]

        # Its answers are not those that it was released with: found out beside the one that runs.
        bad = by_path(broken(tiny_bundle(PLAIN, tmp_path / "bad")))
        with pytest.raises(LightloopError, match="container ended: the bundle answers golden record"):
            deploy(project, settings, bad, render=None)
        assert json.loads(told(engine, "inspect", CONTAINER))[0]["Id"] == made["Id"]
        assert client.post("/v1/predict", json=record).status_code == 200

        # The place that it is to take is somebody else's: the one before is put back.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            elsewhere = settings.model_copy(update={"port": taken.getsockname()[1]})
            with pytest.raises(LightloopError, match="failed"):
                deploy(project, elsewhere, good, render=None)
        assert client.post("/v1/predict", json=record).status_code == 200

        deploy(project, settings, good, render=None)
        assert json.loads(told(engine, "inspect", CONTAINER))[0]["Id"] != made["Id"]
        assert client.post("/v1/predict", json=record).status_code == 200
    told(engine, "stop", CONTAINER)
    assert json.loads(told(engine, "inspect", CONTAINER))[0]["State"]["ExitCode"] == 0
