"""Pretrained weights from a file, freezing, unfreezing and layer groups."""

import pytest
import timm
import torch
from network_examples import CASES, build, records
from safetensors.torch import save_file
from torch import nn

from lightloop.config.compose import compose_config
from lightloop.errors import UsageError
from lightloop.networks._inputs import ImageInputs
from lightloop.networks._transfer import layer_groups, load_weights, rest_frozen_norms, train_last_groups
from lightloop.project import Project
from lightloop.tasks.checkpoint import build_network


@pytest.fixture
def donor() -> nn.Module:
    network = build("cnn", "image")
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    return network


@pytest.mark.parametrize("form", ["safetensors", "pth", "ours.ckpt", "bundle.safetensors"])
def test_weights_come_from_every_form_of_file(tmp_path, donor, form: str):
    path, state = tmp_path / f"weights.{form}", donor.state_dict()
    ours = {f"network.{key}": value for key, value in state.items()} | {"preprocessor.mean": torch.zeros(1)}
    if form == "safetensors":
        save_file(state, path)
    elif form == "pth":
        torch.save(state, path)
    elif form == "ours.ckpt":
        torch.save({"state_dict": ours, "epoch": 3}, path)
    else:
        save_file(ours, path)
    network = build("cnn", "image", weights=str(path))
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_fresh_parts_keep_their_weights(tmp_path, donor):
    path = tmp_path / "weights.pth"
    state = {key: value for key, value in donor.state_dict().items() if not key.startswith("head")}
    torch.save(state, path)
    network = build("cnn", "image", weights=str(path), fresh=("head",))
    own = build("cnn", "image")
    assert torch.equal(network.head[3].weight, own.head[3].weight)
    assert torch.equal(network.stages[0][0][0].weight, donor.stages[0][0][0].weight)


def test_what_does_not_fit_is_listed(tmp_path, donor):
    path = tmp_path / "weights.pth"
    state = donor.state_dict()
    state["head.3.weight"] = torch.zeros(9, 12)
    del state["head.3.bias"]
    torch.save(state, path)
    with pytest.raises(
        ValueError, match=r"head.3.weight is \(9, 12\) in the file and \(4, 12\) here; head.3.bias is missing.*fresh="
    ):
        build("cnn", "image", weights=str(path))


def test_nothing_is_changed_where_something_does_not_fit(tmp_path, donor):
    path, network = tmp_path / "weights.pth", build("cnn", "image")
    torch.save({"stages.0.0.0.weight": torch.zeros(8, 1, 3, 3)}, path)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"and [0-9]+ more"):
        load_weights(network, str(path))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_files_that_hold_no_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is no file"):
        build("cnn", "image", weights=str(tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match="can't be read as weights"):
        build("cnn", "image", weights=str(tmp_path / "text.pth"))
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        build("cnn", "image", weights=str(tmp_path / "numbers.pth"))
    # A whole pickled module would run code.
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")
    with pytest.raises(ValueError, match="can't be read as weights"):
        build("cnn", "image", weights=str(tmp_path / "module.pth"))


def test_unknown_parts_are_refused(tmp_path, donor):
    with pytest.raises(ValueError, match=r"freeze names 'stage', but .* its parts are stages, head"):
        build("cnn", "image", freeze=("stage",))
    torch.save(donor.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="fresh names 'hea'"):
        build("cnn", "image", weights=str(tmp_path / "weights.pth"), fresh=("hea",))


def train(network: nn.Module, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        network(*records("image", 8)).square().sum().backward()
        optimizer.step()


def test_frozen_parts_and_their_norms_stay_as_they_are():
    network = build("cnn", "image", freeze=("stages.0",))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    train(network)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]) == key.startswith("stages.0."), key


def test_layers_are_freed_from_the_output_on():
    network = build("cnn", "image")
    groups = layer_groups(network)
    for count in range(len(groups) + 1):
        train_last_groups(network, count)
        trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        assert trained == {name for group in groups[len(groups) - count :] for name in group}
        norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
        for name in norms:
            assert network.get_submodule(name).training == (f"{name}.weight" in trained)
    train_last_groups(network, 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    train(network)
    changed = {key.split(".")[0] for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"head"}


def test_norms_that_are_trained_are_left_alone():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    rest_frozen_norms(network)
    assert network[1].training


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_every_network_starts_from_a_file_and_keeps_what_is_frozen(tmp_path, name: str, modality: str):
    state = {key: value + 1 for key, value in build(name, modality).state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    first = next(iter(state)).partition(".")[0]
    network = build(name, modality, weights=str(tmp_path / "weights.safetensors"), freeze=(first,))
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    frozen = {key for key, parameter in network.named_parameters() if not parameter.requires_grad}
    assert frozen == {key for key, _ in network.named_parameters() if f"{key}.".startswith(f"{first}.")}
    with pytest.raises(ValueError, match=f"freeze names 'nothing', but .* its parts are {first}"):
        build(name, modality, freeze=("nothing",))


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_every_parameter_is_in_one_layer_group_and_the_last_is_the_head(name: str, modality: str):
    network = build(name, modality)
    groups = layer_groups(network)
    assert sorted(key for group in groups for key in group) == sorted(key for key, _ in network.named_parameters())
    assert len(groups) >= 2
    assert list(dict(network.named_parameters()))[-1] in groups[-1]
    assert all(groups)


def test_layer_groups_go_from_input_to_output():
    assert [group[0] for group in layer_groups(build("cnn", "image"))] == [
        "stages.0.0.0.weight",
        "stages.1.0.0.weight",
        "head.3.weight",
    ]
    assert [group[0] for group in layer_groups(build("transformer", "text"))] == [
        "embedding.weight",
        "blocks.0.attention_norm.weight",
        "blocks.1.attention_norm.weight",
        "head.weight",
    ]
    vit = build("timm", "image", backbone="test_vit")
    assert layer_groups(vit)[0][0] == "backbone.model.cls_token"
    assert layer_groups(vit)[-1] == ["head.3.weight", "head.3.bias"]


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_efficientnet"])
def test_a_local_file_of_a_backbone_fits_grey_images_and_other_classes(tmp_path, backbone: str):
    torch.manual_seed(7)
    options = {"img_size": 48} if "vit" in backbone else {}
    original = timm.create_model(backbone, num_classes=1000, **options).eval()
    path = tmp_path / "backbone.safetensors"
    save_file(original.state_dict(), path)
    network = build("timm", "image", backbone=backbone, pretrained=str(path)).eval()
    grey = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        maps = network.backbone(grey)
        expected = original.forward_intermediates(grey.expand(-1, 3, -1, -1), indices=1, norm=True)[1][0]
    # The colours' weights are added up for grey, which is the same for images whose colours are equal.
    assert torch.allclose(maps, expected, atol=1e-4)


def test_a_file_of_another_backbone_is_refused(tmp_path):
    path = tmp_path / "backbone.pth"
    torch.save(timm.create_model("test_efficientnet").state_dict(), path)
    with pytest.raises(ValueError, match=r"does not fit the network: .*missing in the file"):
        build("timm", "image", pretrained=str(path))


def test_only_the_start_of_training_reads_pretrained_weights(repository: Project, tmp_path, donor):
    torch.save(donor.state_dict(), tmp_path / "weights.pth")
    overrides = [f"network.weights={tmp_path / 'weights.pth'}", "network.channels=[8,12]", "network.fresh=[head]"]
    config, inputs = compose_config(repository, overrides), ImageInputs(1, 16, 12)
    started = build_network(config, inputs, pretrained=True)
    assert torch.equal(started.stages[0][0][0].weight, donor.stages[0][0][0].weight)
    (tmp_path / "weights.pth").unlink()
    # A trained model is loaded, and compared with a fresh one, without the file.
    assert not torch.equal(build_network(config, inputs).stages[0][0][0].weight, donor.stages[0][0][0].weight)
    with pytest.raises(UsageError, match=r"network=cnn: weights=.* is no file"):
        build_network(config, inputs, pretrained=True)


def test_a_backbone_that_needs_larger_images_says_so():
    with pytest.raises(ValueError, match="can't take images of 16x12"):
        build("timm", "image", backbone="inception_v3", size=None)
