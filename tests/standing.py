"""Evidence of the other modalities as the stages write it, from a network with fresh weights on real records."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from report_evidence import Story, _gate, _summary, _validation, _write
from small_project import REPOSITORY, make_project

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.splits import read_splits
from lightloop.evaluation.calibration import calibration_content
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.fairness import fairness_content
from lightloop.evaluation.problem import problem_of
from lightloop.evaluation.slices import slices_content
from lightloop.project import Project
from lightloop.quality.modality import profile_of, read_metadata
from lightloop.stages.explain import explain
from lightloop.tasks.checkpoint import build_network, checkpoint_extras, load_model

FEW = ("explain.records=10", "explain.steps=8", "explain.samples=4", "gate.resamples=100", "tracking=none")
RECORDS = 400


def stand(config: Config, project: Project) -> None:
    """A checkpoint and its predictions, as train and evaluate leave them."""
    tables = read_splits(config.data, project.root, config.seed)
    preprocessor = build_preprocessor(config)
    preprocessor.fit(tables["train"])
    torch.manual_seed(0)
    network = build_network(config, preprocessor.inputs)
    for parameter in network.parameters():
        # Answers that differ, as those of a trained network do.
        parameter.data.mul_(1.5)
    state = {f"preprocessor.{key}": value for key, value in preprocessor.state_dict().items()}
    state |= {f"network.{key}": value for key, value in network.state_dict().items()}
    project.training.mkdir(parents=True)
    torch.save({**checkpoint_extras(config, preprocessor), "state_dict": state}, project.checkpoint)
    answers = load_model(project.checkpoint).answers(tables["test"])
    problem = problem_of(config.data)
    problem.write(config, project, tables["test"], answers, answers)
    predictions = read_predictions(project.predictions)
    _write(project.slices, slices_content(config, problem, predictions, tables["test"]))
    _write(project.fairness, fairness_content(config, problem, predictions, tables["train"]))
    uncalibrated = {"applies": False, "why": "a network with fresh weights is not calibrated"}
    _write(project.calibration_evidence, calibration_content(config, predictions, uncalibrated))


def with_data(project: Project, name: str, *overrides: str) -> Config:
    """Put a small part of a data set into a project; the config of its experiment."""
    folder = project.root / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in (REPOSITORY / "data" / name).glob("*.parquet"):
        table = pq.read_table(file)
        every = name == "co2"
        rows = np.arange(len(table)) if every else np.linspace(0, len(table) - 1, RECORDS).astype(int)
        pq.write_table(table.take(rows), folder / file.name)
    return compose_config(project, [f"experiment={name}", *FEW, *overrides])


def tell_other(root: Path, name: str, *overrides: str) -> tuple[Config, Project]:
    """A project on which all but validation, training and gate have really run, on records of the data set `name`."""
    project = make_project(root)
    config = with_data(project, name, *overrides)
    write_params(project, config)
    stand(config, project)
    explain(config, project)
    tested = len(pq.read_table(project.predictions))
    _write(project.gate, _gate(Story(accepted=False), tested))
    _write(project.validation_result, _validation(Story(), tested))
    _write(project.profile, profile_of(config.data, read_metadata(config.data, project.root)))
    _write(project.training_summary, _summary(config, tested))
    losses = [{"epoch": epoch, "train_loss": 1 / (1 + epoch), "validation_loss": 1.1, "lr": 0.1} for epoch in range(3)]
    _write(project.history, losses)
    project.bundle.mkdir(parents=True)
    (project.bundle / "model.onnx").write_bytes(b"graph")
    _write(project.bundle / "hashes.json", {"model.onnx": "cd" * 32})
    _write(project.bundle / "bundle.json", {"data_version": None, "libraries": {"torch": "2.15.0"}})
    return config, project
