"""The folder that an image is built in: whole, the same each time, and sound by the linter of Dockerfiles."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from small_project import REPOSITORY
from tiny_bundles import tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.deploy.container import deploy
from lightloop.deploy.released import by_path
from lightloop.deploy.variables import variables
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.service.processes.state import Served
from lightloop.service.settings import settings_of
from lightloop.serving.golden import read_golden
from lightloop.serving.manifest import verify_bundle

DOCKERFILE = (REPOSITORY / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (REPOSITORY / "deploy" / "compose.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle("tabular", tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    shutil.copytree(REPOSITORY / "deploy", tmp_path / "project" / "deploy")
    shutil.copy(REPOSITORY / "requirements.lock", tmp_path / "project")
    return Project(tmp_path / "project")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rendered(project: Project, bundle: Path, folder: Path, settings: ServeConfig | None = None) -> dict[str, bytes]:
    deploy(project, settings or ServeConfig(), by_path(bundle), render=folder)
    return files(folder)


def test_hadolint_has_nothing_to_say():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, REPOSITORY / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_last_stage_has_no_root_no_shell_and_no_tag_that_moves():
    stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 3
    assert "RUN" not in re.findall(r"^[A-Z]+", stages[2], re.MULTILINE)
    assert re.search(r"^USER 65532:65532$", stages[2], re.MULTILINE)
    assert not re.search(r":latest|^ADD ", DOCKERFILE, re.MULTILINE)
    assert "--require-hashes" in stages[1]
    # Only lists of words: there is no shell that could read a line.
    for word in ("ENTRYPOINT", "CMD"):
        assert json.loads(re.search(rf"^\s*{word} (\[.*\])$", stages[2], re.MULTILINE)[1])


def test_compose_takes_away_what_a_service_does_not_need():
    service = yaml.safe_load(COMPOSE)["services"]["model"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ports"][0].startswith("127.0.0.1:")
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "tmpfs"} <= service.keys()


def test_the_context_holds_all_that_the_dockerfile_copies(project: Project, bundle: Path, tmp_path: Path):
    context = rendered(project, bundle, tmp_path / "context")

    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert any(file == name or file.startswith(f"{name}/") for file in context), name
    assert "bundle/model.onnx" in context
    assert not any("__pycache__" in name for name in context)
    assert verify_bundle(tmp_path / "context" / "bundle") == verify_bundle(bundle)
    assert json.loads(context["sbom.json"])["bomFormat"] == "CycloneDX"
    # What `.dockerignore` leaves in, and nothing else, reaches the engine.
    kept = [line[1:] for line in context[".dockerignore"].decode().splitlines() if line.startswith("!")]
    assert set(kept) == set(" ".join(copied).split())


def test_the_same_release_gives_the_same_bytes(project: Project, bundle: Path, tmp_path: Path):
    assert rendered(project, bundle, tmp_path / "one") == rendered(project, bundle, tmp_path / "two")


def test_settings_reach_the_container(project: Project, bundle: Path, tmp_path: Path):
    settings = settings_of(None, ["serve.queue=8", "serve.keys=keys.json", "serve.drain=3", "serve.port=9000"])
    context = rendered(project, bundle, tmp_path / "context", settings)

    content = yaml.safe_load(context["compose.yaml"])
    service = content["services"]["model"]
    assert service["environment"]["LIGHTLOOP_SERVE_QUEUE"] == "8"
    assert service["environment"]["LIGHTLOOP_SERVE_DIGEST"] == verify_bundle(bundle)
    assert service["environment"]["LIGHTLOOP_SERVE_KEYS"] == service["secrets"][0]["target"]
    assert content["secrets"]["keys"]["file"]
    assert service["stop_grace_period"] == "13s"
    assert service["ports"] == ["${ADDRESS:-127.0.0.1}:${PORT:-9000}:8000"]


def test_the_key_of_the_log_is_handed_on_by_its_name_alone(
    project: Project, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    settings = settings_of(None, ["serve.log.redaction=hash"])
    log = engine(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("lightloop.deploy.container.PATIENCE", 0.1)
    monkeypatch.delenv("LIGHTLOOP_LOG_KEY", raising=False)
    with pytest.raises(UsageError, match=r"serve\.log\.redaction is hash, but LIGHTLOOP_LOG_KEY has no key"):
        deploy(project, settings, by_path(bundle), render=None)
    monkeypatch.setenv("LIGHTLOOP_LOG_KEY", "not on the command line")
    with pytest.raises(LightloopError, match="is not ready"):
        deploy(project, settings, by_path(bundle), render=None)
    assert "--env LIGHTLOOP_LOG_KEY " in log.read_text()
    context = rendered(project, bundle, tmp_path / "context", settings)
    told = yaml.safe_load(context["compose.yaml"])["services"]["model"]["environment"]["LIGHTLOOP_LOG_KEY"]
    assert told == "${LIGHTLOOP_LOG_KEY:?the key of the log}"
    everything = b"".join(context.values()).decode(errors="replace") + log.read_text()
    assert "not on the command line" not in everything


def test_what_lies_in_the_folder_is_not_lost(project: Project, bundle: Path, tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds thesis\.txt, which is not of an earlier run: name a new folder"):
        rendered(project, bundle, mine)
    assert files(mine) == {"thesis.txt": b"years of work"}
    for folder in (project.root, project.root / "deploy"):
        before = files(folder)
        with pytest.raises(UsageError, match="holds the project's own templates"):
            rendered(project, bundle, folder)
        assert files(folder) == before
    with pytest.raises(UsageError, match=r"thesis\.txt is a file: name a folder to write into"):
        rendered(project, bundle, mine / "thesis.txt")
    # What an earlier run wrote is replaced.
    for _ in range(2):
        rendered(project, bundle, tmp_path / "again")


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["serve.origins=http://a.example,http://b.example", "serve.traces=http://c:4318", "serve.canary.share=0.3"],
        ["serve.batching=true", "serve.logs=none", "serve.deadline=2.5", "serve.max_records=7"],
    ],
)
@pytest.mark.parametrize("version", [None, "v1.2.3", "1.10"])
def test_variables_say_what_the_settings_say(overrides: list[str], version: str | None):
    settings = settings_of(None, overrides, {})
    told = variables(settings, Served(folder="/bundle", version=version, digest="0" * 64))

    again = settings_of(None, [], told)
    assert again == settings.model_copy(update={"version": version, "digest": "0" * 64, "workers": 1})


def test_without_an_engine_there_is_one_sentence_and_the_context(
    project: Project, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"neither docker nor podman is on this machine: install one, or build \S+"):
        deploy(project, ServeConfig(), by_path(bundle), render=None)
    assert (project.scratch / "deploy" / "container" / "Dockerfile").is_file()


ENGINE = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
  info) exit {info} ;;
  inspect) [ -e {log}.running ] || exit 1; echo '{about}' ;;
  run) touch {log}.running ;;
esac
"""


ABOUT = json.dumps([{"NetworkSettings": {"Ports": {"8000/tcp": [{"HostPort": "1"}]}}, "State": {"Running": True}}])


def engine(folder: Path, info: int = 0, name: str = "docker") -> Path:
    """A program that writes down what it is asked; the container that it starts never answers."""
    folder.mkdir()
    (folder / name).write_text(ENGINE.format(log=folder / "log", info=info, about=ABOUT))
    (folder / name).chmod(0o755)
    return folder / "log"


def test_an_engine_that_does_not_answer_is_said(
    project: Project, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    engine(tmp_path / "bin", info=1)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # whatever else this machine has
    with pytest.raises(UsageError, match="docker is here, but its engine does not answer"):
        deploy(project, ServeConfig(), by_path(bundle), render=None)


def test_an_engine_that_answers_is_taken(
    project: Project, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    engine(tmp_path / "bin", info=1)
    log = engine(tmp_path / "other", name="podman")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'other'}:/usr/bin:/bin")
    monkeypatch.setattr("lightloop.deploy.container.PATIENCE", 0.1)
    with pytest.raises(LightloopError, match="is not ready"):
        deploy(project, ServeConfig(), by_path(bundle), render=None)
    # Its own form of an image has no health check.
    assert next(line for line in log.read_text().splitlines() if line.startswith("build ")).split()[1:3] == [
        "--format",
        "docker",
    ]


def test_where_a_container_is_not_ready_the_one_before_is_left_alone(
    project: Project, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    log = engine(tmp_path / "bin")
    log.with_name("log.running").touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("lightloop.deploy.container.PATIENCE", 0.1)
    with pytest.raises(LightloopError, match=r"the service in the container is not ready: it said nothing in 0\.1 s"):
        deploy(project, ServeConfig(), by_path(bundle), render=None)

    asked = [line.split() for line in log.read_text().splitlines()]
    assert [words[0] for words in asked[:2]] == ["info", "build"]
    assert not {"stop", "rename"} & {words[0] for words in asked}
    assert all(words[-1].endswith("-trial") for words in asked if words[0] == "rm")
    (started,) = [" ".join(words) for words in asked if words[0] == "run"]
    for option in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--publish 127.0.0.1::8000"):
        assert option in started


# The image's content, without an engine.

BASE = 60_000_000  # bytes of gcr.io/distroless/python3-debian12, as its registry says, rounded up
MOST = 400_000_000


def site_of(folder: Path) -> Path:
    """An environment of the lock alone, slimmed as the image is."""
    site = folder / "site"
    uv = Path(sys.executable).with_name("uv")
    # Copies: an installer links files to its cache otherwise.
    words = [uv, "pip", "install", "--quiet", "--link-mode=copy", "--no-deps", "--only-binary=:all:"]
    lock = REPOSITORY / "deploy" / "requirements.lock"
    words += ["--require-hashes", "--python", sys.executable, "--target", site, "-r", lock]
    subprocess.run(words, check=True)
    subprocess.run(["sh", REPOSITORY / "deploy" / "slim.sh", site], check=True)
    return site


@pytest.mark.slow
def test_the_lock_alone_serves_a_bundle_and_fits_into_the_image(project: Project, bundle: Path, tmp_path: Path):
    context = tmp_path / "context"
    rendered(project, bundle, context)
    site = site_of(tmp_path)
    for folder in (site, context / "src"):
        words = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
        subprocess.run(words, check=True)
    size = sum(file.lstat().st_size for file in [*site.rglob("*"), *context.rglob("*")] if file.is_file())
    print(f"site-packages, code and bundle: {size / 1e6:.0f} MB")
    assert BASE + size < MOST

    # As the image: nothing but the lock and the code is importable, and neither of them can be written to.
    for path in [*site.rglob("*"), *context.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    state = tmp_path / "state"
    state.mkdir()
    environment = {
        "PYTHONPATH": f"{context / 'src'}:{site}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(state),
        "LIGHTLOOP_SERVE_PORT": "0",
        "LIGHTLOOP_SERVE_WORKERS": "1",
        "LIGHTLOOP_SERVE_DIGEST": verify_bundle(bundle),
        "PATH": os.environ["PATH"],
    }
    # -S: the interpreter's own site-packages, which hold torch, are not looked into.
    words = [sys.executable, "-S", "-m", "lightloop", "serve", "--bundle", str(context / "bundle")]
    started = subprocess.Popen(
        words, cwd=state, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        address = re.search(r"http://\S+:\d+", line)
        assert address, line + started.stdout.read()
        golden = read_golden(bundle)
        with httpx.Client(base_url=address[0], timeout=30) as client:
            _until_ready(client)
            answers = [client.post("/v1/predict", json=record).raise_for_status().json() for record in golden.records]
            classes = client.get("/v1/metadata").raise_for_status().json()["classes"]
            client.post("/v1/explain", json=golden.records[0]).raise_for_status()
            assert client.get("/").status_code == 200
            assert client.get("/page/site.css").status_code == 200
        golden.check([[one["probabilities"][name] for name in classes] for one in answers], "the image")
        loaded = [Path(one.path).name for process in _tree(started.pid) for one in process.memory_maps()]
        assert any("onnxruntime" in name for name in loaded)
        assert not any("torch" in name for name in loaded)
    finally:
        processes = _tree(started.pid)
        started.terminate()
        try:
            assert started.wait(30) == 0
        finally:
            for process in processes:
                if process.is_running():
                    process.kill()
            if started.stdout is not None:
                started.stdout.close()
            for path in [*site.rglob("*"), *context.rglob("*")]:
                path.chmod(0o755)


def _until_ready(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the service did not become ready")


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
