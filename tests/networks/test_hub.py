"""Pretrained weights from the hub: asked for over HTTP as the hub is asked, kept in its cache, and refused in time."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server

import pytest
import timm
import torch
from huggingface_hub import constants
from network_examples import build
from safetensors.torch import save
from torch import Tensor

from lightloop.config.compose import compose_config, write_params
from lightloop.project import Project

FILE = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"
OVERRIDES = (
    "network=timm",
    "network.backbone=test_resnet.r160_in1k",
    "network.pretrained=hub",
    "network.size=null",
    "explain=gradients",
    "tracking=none",
    "trainer.max_epochs=1",
    "trainer.batch_size=50",
    "trainer.freeze=[backbone]",
)


class Hub(ThreadingHTTPServer):
    """Answers as huggingface.co does for one file, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.asked: list[tuple[str, str]] = []


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        if self._head():
            self.wfile.write(self.server.content)

    def _head(self) -> bool:
        self.server.asked.append((self.command, self.path))
        found = self.path == FILE
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
        if found:
            self.send_header("ETag", f'"{hashlib.sha256(self.server.content).hexdigest()}"')
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", str(len(self.server.content) if found else 0))
        self.end_headers()
        return found

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(content: bytes) -> Iterator[Hub]:
    with Hub(content) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()


def train(project: Project, endpoint: str, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`lightloop train` in a process of its own, since the hub's address is read once."""
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "OMP_NUM_THREADS": "1"} | more
    program = Path(sys.executable).parent / "lightloop"
    return subprocess.run(
        [program, "train"], cwd=project.root, env=environment, capture_output=True, text=True, check=False, timeout=200
    )


def backbone_of(project: Project) -> dict[str, Tensor]:
    state = torch.load(project.checkpoint, weights_only=True)["state_dict"]
    prefix = "network.backbone.model."
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


@pytest.mark.slow
def test_a_training_starts_from_the_weights_of_the_hub(project: Project, repository: Project, tmp_path: Path):
    torch.manual_seed(5)
    original = timm.create_model("test_resnet", num_classes=1000).state_dict()
    write_params(project, compose_config(repository, OVERRIDES))
    with serving(save(original)) as hub:
        endpoint = f"http://127.0.0.1:{hub.server_port}"
        done = train(project, endpoint, tmp_path / "cache")
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("HEAD", FILE) in hub.asked
        assert ("GET", FILE) in hub.asked
    # The backbone is frozen, so it is still what was fetched; its first layer is summed up for grey images.
    trained = backbone_of(project)
    assert len(trained) > 20
    for key, value in trained.items():
        expected = original[key].sum(1, keepdim=True) if key == "conv1.0.weight" else original[key]
        torch.testing.assert_close(value, expected, rtol=0, atol=0 if value.shape == original[key].shape else 1e-6)
    # Nobody listens there any more: the cache answers.
    project.checkpoint.unlink()
    again = train(project, endpoint, tmp_path / "cache")
    assert again.returncode == 0, again.stdout + again.stderr
    assert all(torch.equal(value, trained[key]) for key, value in backbone_of(project).items())


@pytest.mark.slow
def test_a_hub_that_says_nothing_is_one_sentence_in_time(project: Project, repository: Project, tmp_path: Path):
    write_params(project, compose_config(repository, OVERRIDES))
    with create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = train(project, endpoint, tmp_path / "cache", HF_HUB_ETAG_TIMEOUT="1")
        assert time.monotonic() - began < 60, "most of it is the start of the process"
    assert done.returncode == 2
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("lightloop: ")]
    assert f"network=timm: backbone=test_resnet.r160_in1k could not be fetched: {endpoint} can't be reached" in sentence
    assert "or give `pretrained` a local file, or none" in sentence
    assert "Traceback" not in done.stderr
    assert "Retrying" not in done.stderr


def test_a_hub_that_is_not_there_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(
        ValueError, match=rf"could not be fetched: http://127.0.0.1:{port} can't be reached \(.*refused"
    ):
        build("timm", "image", backbone="test_resnet.r160_in1k", pretrained="hub")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("seresnet34", "No pretrained weights exist for seresnet34.*local file, or none"),
        ("resnet18.no_such_tag", r"backbone=resnet18\.no_such_tag: .*list_pretrained"),
    ],
)
def test_weights_that_nobody_has_are_one_sentence(backbone: str, message: str):
    with pytest.raises(ValueError, match=message):
        build("timm", "image", backbone=backbone, pretrained="hub")
