"""What a config names outside of the data set is part of it by content, so that a changed file is another run."""

import hashlib
from pathlib import Path

import pytest
import torch
import yaml
from loop_world import run_small
from network_examples import build
from small_training import changed

from lightloop.config.compose import compose_config, read_params, write_params
from lightloop.config.files import digest_files
from lightloop.config.schema import Config
from lightloop.errors import UsageError
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.training.member import fingerprint


def test_weights_are_named_by_their_content(project: Project):
    path = project.root / "start.pth"
    torch.save(build("cnn", "image").state_dict(), path)
    config = compose_config(project, ["network.weights=start.pth"])
    assert config.files == {"start.pth": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_params(project, config)
    assert yaml.safe_load(project.params.read_text())["files"] == config.files
    assert read_params(project) == config
    torch.save(build("cnn", "image", initialisation="xavier").state_dict(), path)
    again = compose_config(project, ["network.weights=start.pth"])
    assert again.files != config.files
    assert again == config.model_copy(update={"files": again.files})
    assert fingerprint(again, project) != fingerprint(config, project), "no interrupted training goes on from it"
    assert compose_config(project).files == {}


@pytest.mark.parametrize("setting", ["weights", "pretrained"])
def test_weights_that_are_not_there_are_one_sentence(project: Project, setting: str):
    with pytest.raises(UsageError, match=rf"network\.{setting}=lost\.pth is no file: give a \.safetensors"):
        compose_config(project, ["network=timm", "explain=gradients", f"network.{setting}=lost.pth"])


@pytest.mark.parametrize("pretrained", ["hub", "none"])
def test_the_hub_is_no_file(project: Project, pretrained: str):
    config = compose_config(project, ["network=timm", "explain=gradients", f"network.pretrained={pretrained}"])
    assert config.files == {}


@pytest.mark.parametrize("file", ["mine/losses.py", "mine/losses/__init__.py"])
def test_the_code_of_a_custom_loss_counts_where_it_is_the_projects(config: Config, tmp_path: Path, file: str):
    chosen = changed(config, loss={"name": "custom", "target": "mine.losses:Loss"})
    assert digest_files(chosen, tmp_path) == {}, "of an installed package"
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("one = 1\n")
    assert digest_files(chosen, tmp_path) == {file: hashlib.sha256(b"one = 1\n").hexdigest()}


@pytest.mark.slow
def test_a_changed_file_of_weights_trains_again(fresh: Project):
    words = ["network=mlp", "network.hidden=[8]", "network.weights=start.pth", "network.fresh=[]", "explain=gradients"]

    def start(seed: int) -> None:
        from lightloop.networks._inputs import ImageInputs
        from lightloop.networks.mlp import MLP

        torch.manual_seed(seed)
        torch.save(MLP(ImageInputs(1, 28, 28), 10, hidden=(8,)).state_dict(), fresh.root / "start.pth")

    def trained() -> bool:
        done = run_small(fresh.root, "--until", "train", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return "train done in" in done.stdout

    start(1)
    assert trained()
    first = read_json(fresh.history)
    assert not trained(), "nothing changed"
    start(2)
    assert trained()
    assert read_json(fresh.history) != first
    start(1)
    assert not trained(), "restored from the run cache"
    assert read_json(fresh.history) == first
