"""Every name that a training can choose is trained for real on a small slice, and learns; a test counts the names."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from gan_world import tiny_config
from learning_cases import BACKBONE, CASES, FAST, GANS, SEVERAL, START, SWEEPS, Groups
from learning_worlds import WORLDS
from safetensors.torch import save_file
from small_training import Trained, changed, small_training

from lightloop.config.catalogue import Entry, catalogue
from lightloop.config.compose import compose_config, validate_config
from lightloop.config.schema import Config
from lightloop.data.batches import EncodedRecords
from lightloop.data.module import build_data
from lightloop.data.splits import read_splits
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.search.study import SharedStudy
from lightloop.search.sweep import open_sweep, ranked, run_sweep
from lightloop.stages.folds import folds
from lightloop.stages.train import train
from lightloop.tasks.checkpoint import build_network, load_model

# Groups of which nothing is trained, and names that learn nothing.
NOT_TRAINED = {
    "clean": "its settings are listed as missing, outliers and duplicates",
    "trainer": "its settings are listed as switches, regularisations and transfer",
    "tracking": "says where results go",
    "card": "is text for people",
    "audit": "looks at the data and at trained models",
    "explain": "asks a trained model",
    "compress": "makes a trained model smaller: tests/compression",
    "gate": "judges a trained model",
    "calibration": "comes after the training",
    "decision": "comes after the training",
    "uncertainty": "asks a trained model",
    "metric": "measures a trained model",
    "dimension": "what a sweep's space is made of, tested with the space",
    "query": "asks a trained model",
    "stage": "tests/stages",
}
LEARN_NOTHING = {
    ("debug", "fast_dev_run"): "one batch shows that everything runs",
}
# Names that no case trains yet, and where they are tested instead.
OPEN = {("balance", "reweighing"): "its weights and draws are tested in tests/data/test_balance.py"}


def chosen_config(world: str, groups: Groups, root: Path) -> Config:
    """The config of a case, its data below `root`, and the files that it names."""
    plain = WORLDS[world](root)
    config = changed(plain, **groups)
    network = config.network.model_dump()
    if network.get("weights") == START:
        path = root / "start.pth"
        data = build_data(config, root)
        data.setup()
        torch.manual_seed(9)
        torch.save(build_network(config, data.preprocessor.inputs).state_dict(), path)
        network["weights"] = str(path)
    # of feature: image
    if network.get("pretrained") == BACKBONE:
        import timm

        path = root / "backbone.safetensors"
        torch.manual_seed(9)
        save_file(timm.create_model(network["backbone"]).state_dict(), path)
        network["pretrained"] = str(path)
    # end
    return changed(config, network=network)


@torch.no_grad()
def fit_of(trained: Trained) -> float:
    """How well training records are answered: see `lowest_share`; of numbers the share of the variance."""
    task, records = trained.task.eval(), trained.data.splits["train"]
    assert isinstance(records, EncodedRecords)
    outputs = task(*records.inputs)
    if records.targets.is_floating_point():
        error = task.answer(outputs)[0] - records.targets
        return 1 - (error.square().mean() / records.targets.var(0, correction=0).mean()).item()
    classes = len(trained.data.config.data.classes)
    return lowest_share(outputs[:, :classes].numpy(), records.targets.numpy())


def lowest_share(scores: np.ndarray, targets: np.ndarray) -> float:
    """The share of right answers; of two classes, one of which may be rare, that of the class where it is lower."""
    right = scores.argmax(1) == targets
    if scores.shape[1] > 2:
        return float(right.mean())
    return float(min(right[targets == code].mean() for code in np.unique(targets)))


def learns(world: str, groups: Groups, root: Path) -> None:
    config = chosen_config(world, groups, root)
    trained = small_training(config, root, root / "scratch")
    history = trained.fitted.history
    losses = [row["train_loss"] for row in history]
    assert min(losses[-3:]) < 0.75 * losses[0], losses
    assert fit_of(trained) > (0.6 if world in ("images", "several_heads") else 0.75)


def case_id(case: tuple[str, Groups]) -> str:
    world, groups = case
    return "-".join([world, *(str(values.get("name", group)) for group, values in groups.items())])


@pytest.mark.slow
@pytest.mark.parametrize("case", FAST, ids=case_id)
def test_one_of_each_kind_of_data_learns(case: tuple[str, Groups], tmp_path: Path):
    learns(*case, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES[len(FAST) :], ids=case_id)
def test_it_learns(case: tuple[str, Groups], tmp_path: Path):
    learns(*case, tmp_path)


def project_of(groups: Groups, root: Path) -> tuple[Config, Project]:
    """The small table, for a training that is made of several; half of its labels are taken away for pseudo-labels."""
    plain = WORLDS["table"](root)
    if "semi" in groups:
        path = root / "data/small/small.parquet"
        frame = pd.read_parquet(path)
        frame.loc[frame.index % 2 == 1, "kind"] = None
        frame.to_parquet(path, index=False)
    config = validate_config(plain.model_dump(mode="json") | with_folds(groups))
    return changed(config, trainer={"max_epochs": 20}), Project(root)


def with_folds(groups: Groups) -> dict[str, Any]:
    """An ensemble needs members, but for snapshots of one training."""
    ensemble = groups.get("ensemble", {}).get("name")
    return {**groups, "folds": 1 if ensemble in (None, "snapshots") else 2}


@pytest.mark.long
@pytest.mark.parametrize("groups", SEVERAL, ids=lambda groups: "-".join(one["name"] for one in groups.values()))
def test_what_is_made_of_several_trainings_learns(groups: Groups, tmp_path: Path):
    config, project = project_of(groups, tmp_path)
    folds(config, project)
    train(config, project)
    records = read_splits(config.data, project.root, config.seed)["train"]
    scores = load_model(project.checkpoint).answers(records)["probabilities"]
    targets = np.array([config.data.classes.index(label) for label in records["label"].to_pylist()])
    assert lowest_share(scores, targets) > 0.75
    if "semi" in groups:
        summary = read_json(project.training_summary)["pseudo_labels"]
        assert summary["rounds"][1]["added"] > 20


@pytest.mark.long
@pytest.mark.parametrize(("sampler", "pruner"), SWEEPS)
def test_every_search_finds_what_learns(project: Project, monkeypatch: pytest.MonkeyPatch, sampler: str, pruner: str):
    lr: Any = {"low": 1e-5, "high": 3e-2, "log": True}
    space = {"optimizer.lr": [1e-5, 1e-2] if sampler == "grid" else lr}
    space["network.dropout"] = [0.0, 0.4] if sampler == "grid" else {"low": 0.0, "high": 0.4}
    content = {"sampler": sampler, "pruner": pruner, "trials": 4, "space": space}
    (project.configs / "sweep/fashion.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(project.root)
    words = ["network=mlp", "network.hidden=[32]", "explain=gradients", "trainer.max_epochs=4", "tracking=none"]
    words += ["trainer.batch_size=50", "augment=none"]
    run_sweep(words)
    sweep = open_sweep(project, words)
    study = SharedStudy(sweep.folder, sweep.settings, sweep.directions, seed=sweep.config.seed, epochs=4)
    best = ranked(sweep, study.finished())[0]
    assert len(study.finished()) == 4
    assert best.values[0] > 0.4, "the share that is right of ten classes, of validation records"
    assert (
        compose_config(project, ["experiment=fashion-best"]).optimizer.lr == best.user_attrs["values"]["optimizer.lr"]
    )


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory, repository: Project) -> list[Config]:
    """The configs of all that is trained by the tables in `learning_cases`."""
    plain = {world: make(tmp_path_factory.mktemp(world)) for world, make in WORLDS.items()}
    found = [changed(plain[world], **groups) for world, groups in CASES]
    table = plain["table"].model_dump(mode="json")
    found += [validate_config(table | with_folds(groups)) for groups in SEVERAL]
    # of feature: generation
    for loss, norm, penalty in GANS:
        found.append(tiny_config(repository, f"task.loss={loss}", f"task.norm={norm}", f"task.penalty={penalty}"))
    # end
    return found


def test_no_name_is_left_out(repository: Project, configs: list[Config]):
    left_out = []
    for group, entries in catalogue(repository.configs).items():
        if group in NOT_TRAINED:
            continue
        for entry in entries:
            listed = (group, entry.name) in LEARN_NOTHING | OPEN
            if not (listed or is_trained(group, entry, configs) or trains_itself(repository, group, entry)):
                left_out.append(f"{group} {entry.name}")
    assert left_out == [], "add a case to tests/learning_cases.py"


def trains_itself(repository: Project, group: str, entry: Entry) -> bool:
    """Whether the test of a network or task, as `lightloop new` writes it, trains it for real."""
    path = repository.root / f"tests/{group}s/test_{entry.name}.py"
    return path.exists() and "small_training(" in path.read_text(encoding="utf-8")


def is_trained(group: str, entry: Entry, configs: list[Config]) -> bool:
    """Whether one of the trainings chooses a name."""
    if group in ("sampler", "pruner"):
        return any(entry.name in pair for pair in SWEEPS)
    if group in Config.model_fields:
        tag = "modality" if group == "data" else "name"
        return any(getattr(getattr(config, group), tag) == entry.name for config in configs)
    assert entry.chosen, f"{group} {entry.name}"
    return any(chooses(config, words) for config in configs for words in entry.chosen)


def chooses(config: Config, words: str) -> bool:
    """Whether a config says what the catalogue gives as the way to choose a name."""
    key, _, wanted = words.partition("=")
    node: Any = config
    *groups, last = key.split(".")
    for part in groups:
        node = getattr(node, part)
    if last not in type(node).model_fields:
        return False
    value = getattr(node, last)
    if not wanted:
        return value not in (None, False, type(node).model_fields[last].default)
    if isinstance(value, bool):
        return str(value).lower() == wanted
    return wanted.strip("[]") in value if isinstance(value, tuple) else str(value) == wanted


def test_the_count_itself_would_find_a_gap(repository: Project, configs: list[Config]):
    found = catalogue(repository.configs)
    (knn,) = [entry for entry in found["missing"] if entry.name == "knn"]
    others = [config for config in configs if getattr(config.preprocess, "missing", None) != "knn"]
    assert is_trained("missing", knn, configs)
    assert not is_trained("missing", knn, others)
    (mlp,) = [entry for entry in found["network"] if entry.name == "mlp"]
    assert not is_trained("network", mlp, [config for config in configs if config.network.name != "mlp"])
    (mixup,) = [entry for entry in found["augmentation"] if entry.name == "mixup"]
    assert not is_trained("augmentation", mixup, [one for one in configs if not getattr(one.augment, "mixup", 0)])
