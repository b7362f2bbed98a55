"""Every mistake in a config is one sentence with the nearest valid name, before anything heavy is imported."""

import re
import subprocess
import sys

import pytest
import yaml
from small_project import REPOSITORY

from lightloop.config.compose import HEADER, compose_config, read_params, to_yaml, validate_config, write_params
from lightloop.config.schema import Config
from lightloop.errors import UsageError
from lightloop.project import Project


def test_group_and_value_overrides(repository: Project):
    config = compose_config(repository, ["network=resnet", "trainer.max_epochs=3", "network.blocks=1", "seed=7"])
    assert (config.network.name, config.network.arguments()["blocks"]) == ("resnet", 1)
    assert (config.trainer.max_epochs, config.seed, config.name) == (3, 7, "fashion")


def test_a_key_that_its_yaml_leaves_at_the_default_can_be_set(repository: Project):
    assert compose_config(repository, ["optimizer.betas=[0.8,0.99]"]).optimizer.betas == (0.8, 0.99)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["trainer.epochs=3"], "trainer.epochs is unknown: did you mean 'trainer.max_epochs'?"),
        (["network=cnn", "network.chanels=[1]"], "network.chanels is unknown: did you mean 'network.channels'?"),
        (["data.split.tst=1"], "data.split.tst is unknown: did you mean 'data.split.test'?"),
        (["netwrk=mlp"], "'netwrk' is no config group or key: did you mean 'network'?"),
        (["network=resnets"], "configs/network/ has no 'resnets': did you mean 'resnet'? It has cnn, "),
        (["optimizer.name=adamm"], "optimizer.name is 'adamm': did you mean 'adam'? Valid names are"),
        (["trainer.max_epochs=x"], "trainer.max_epochs is 'x': input should be a valid integer"),
        (["trainer.max_epochs=0"], "trainer.max_epochs is 0: input should be greater than or equal to 1"),
        (["explain.methods=[gradcam]"], "explain.methods.0 is 'gradcam': input should be 'grad_cam'"),
        (["network.dropout=yes!"], "`network.dropout=yes!` is not a value that Hydra can read"),
        (["~scheduler"], "scheduler is missing"),
        (["foo"], "`foo` is no override: write key=value"),
        (["experiment=fashion", "network=mlp"], "network=mlp has no feature maps: say explain=gradients"),
        (["experiment=fashion", "data.split.test=0.2"], "data.split.test and data.files disagree"),
        (["data.columns.other=target"], "data.columns must name exactly one target"),
        (
            ["gate.metric=acuracy"],
            "gate.metric names 'acuracy': did you mean 'accuracy'? The metrics of classification are",
        ),
        (["gate.metric=rmse"], "gate.metric names 'rmse', which is not measured in classification. The metrics of"),
        (["gate.bounds.aroc=0.5"], "gate.bounds names 'aroc': did you mean 'auroc'?"),
    ],
)
def test_a_wrong_override_is_one_sentence(repository: Project, overrides: list[str], sentence: str):
    with pytest.raises(UsageError, match=re.escape(sentence)) as caught:
        compose_config(repository, overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_group_file_is_named(project: Project):
    (project.configs / "trainer" / "default.yaml").unlink()
    with pytest.raises(UsageError, match=r"configs/trainer/default\.yaml was expected"):
        compose_config(project)


def test_settings_of_an_experiment_do_not_reach_another_component(project: Project):
    (project.configs / "experiment/odd.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /network: mlp\n  - override /explain: gradients\n"
        "name: odd\nnetwork:\n  hidden: [7]\noptimizer:\n  lr: 0.5\n"
    )
    assert compose_config(project, ["experiment=odd"]).network.arguments()["hidden"] == (7,)
    other = compose_config(project, ["experiment=odd", "network=resnet", "network.blocks=1"])
    assert (other.network.name, other.network.arguments()["blocks"], other.optimizer.lr) == ("resnet", 1, 0.5)


def test_settings_of_the_experiments_below_do_not_reach_another_component_either(project: Project):
    folder = project.configs / "experiment"
    (folder / "below.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /network: mlp\n  - override /explain: gradients\n"
        "name: below\nnetwork:\n  hidden: [7]\n"
    )
    (folder / "above.yaml").write_text("# @package _global_\ndefaults:\n  - below\n  - _self_\nname: above\nseed: 5\n")
    assert compose_config(project, ["experiment=above"]).network.arguments()["hidden"] == (7,)
    other = compose_config(project, ["experiment=above", "network=resnet", "network.blocks=1"])
    assert (other.network.name, other.name, other.seed) == ("resnet", "above", 5)


def test_a_value_to_be_given_must_be_given(project: Project):
    path = project.configs / "trainer" / "default.yaml"
    path.write_text(path.read_text().replace("patience: 8", "patience: ???"))
    with pytest.raises(UsageError, match=r"trainer\.patience has no value"):
        compose_config(project)


def test_params_round_trip(project: Project, config: Config):
    project.params.unlink()
    assert write_params(project, config)
    assert not write_params(project, config)
    assert read_params(project) == config


@pytest.mark.parametrize("experiment", ["fashion", "loans-two-heads", "co2", "spam", "fashion-gan"])
def test_what_is_written_is_read_back_whatever_the_data(repository: Project, experiment: str):
    config = compose_config(repository, [f"experiment={experiment}"])
    assert validate_config(yaml.safe_load(to_yaml(config))) == config


def test_of_columns_and_checks_stands_in_params_what_was_said(repository: Project):
    data = yaml.safe_load(to_yaml(compose_config(repository, ["experiment=loans"])))["data"]
    assert data["columns"]["approve"] == "target"
    assert data["columns"]["apr"] == {"role": "feature", "changeable": False}
    assert data["columns"]["multi"] == {"role": "ignored", "why": "unit in another coding: more than one"}
    # A tolerance of 0 is said: by default there is none.
    swap = {"name": "race does not enter", "change": "swap", "column": "black", "tolerance": 0.0}
    assert data["metamorphic"][0] == swap


def test_params_must_be_there_and_be_yaml(project: Project):
    project.params.unlink()
    with pytest.raises(UsageError, match=r"params\.yaml is missing"):
        read_params(project)
    project.params.write_text("a: [")
    with pytest.raises(UsageError, match=r"params\.yaml is not valid YAML"):
        read_params(project)


def test_a_config_is_frozen(config: Config):
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


GROUPS = sorted(
    folder.name
    for folder in (REPOSITORY / "configs").iterdir()
    if folder.is_dir() and folder.name not in ("expectations", "sweep", "experiment", "data")
)
EXPERIMENTS = sorted(path.stem for path in (REPOSITORY / "configs/experiment").glob("*.yaml"))
# What an option needs beside itself, where it says so in its error.
NEEDS = {
    ("loss", "quantile"): ["task=regression"],
    ("loss", "custom"): ["loss.target=torch.nn:CrossEntropyLoss"],
    ("task", "multi_task"): ["data.columns.label={role: target}", "data.columns.extra={role: auxiliary}"],
    **{("ensemble", name): ["folds=2"] for name in ("mean", "voting", "weighted", "stacking")},
}


# With which experiment an option most likely composes, by words of its name; the demo where none fits.
LIKELY = {
    "tab": "loans", "ft_": "loans", "text": "spam", "bag": "spam", "rnn": "co2", "gru": "co2", "lstm": "co2",
    "tcn": "co2", "inception": "co2", "transformer": "co2", "series": "co2", "regression": "co2", "forecasting": "co2",
    "samples": "fashion-gan", "gan": "fashion-gan",
}  # fmt: skip


def likely_first(option: str) -> list[str]:
    first = next((experiment for word, experiment in LIKELY.items() if word in option), "fashion")
    return [first, *(name for name in EXPERIMENTS if name != first)]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes(repository: Project, experiment: str):
    assert compose_config(repository, [f"experiment={experiment}"]).name == experiment


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_of_every_group_composes_with_one_of_the_experiments(repository: Project, group: str):
    """What does not fit an experiment is refused in one sentence; what fits none would be dead."""
    for option in sorted((repository.configs / group).glob("*.yaml")):
        said = []
        for experiment in likely_first(option.stem):
            typed = [f"experiment={experiment}", f"{group}={option.stem}", *NEEDS.get((group, option.stem), [])]
            try:
                assert compose_config(repository, typed)
                break
            except UsageError as error:
                said.append(f"{experiment}: {error}")
        else:
            pytest.fail(f"{group}={option.stem} composes with no experiment: {said}")


def test_the_committed_params_are_what_the_schema_writes(repository: Project):
    assert repository.params.read_text() == HEADER + to_yaml(read_params(repository))


def test_nothing_heavy_is_imported_to_refuse_a_config():
    code = (
        "import sys\n"
        "from lightloop.config.compose import compose_config\n"
        "from lightloop.errors import UsageError\n"
        "from lightloop.project import Project\n"
        "try: compose_config(Project.find(), ['trainer.epochs=3'])\n"
        "except UsageError: print(*[m for m in ('torch', 'pandas', 'numpy', 'dvc', 'wandb') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
