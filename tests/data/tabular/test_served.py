"""A table's bundle answers raw records as the model that was exported: gaps, unseen categories, columns of any name."""

import numpy as np
import pyarrow as pa
import torch
from tables import config_of, loans, loans_config, small_frame, spec_of, with_gaps

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.data.tabular.preprocessor import TabularPreprocessor
from lightloop.release.bundle import write_bundle
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model, build_network


def model_of(config: Config, train: pa.Table) -> Model:
    preprocessor = TabularPreprocessor(config)
    preprocessor.fit(train)
    torch.manual_seed(0)
    return Model(config, preprocessor.eval(), build_network(config, preprocessor.inputs).eval())


def test_a_bundle_answers_loans_as_the_model_does(repository, tmp_path):
    config = loans_config(repository, "preprocess=tabular_embedding", "network=mlp", "preprocess.extraction=pca")
    splits = loans(repository, config)
    model = model_of(config, splits["train"])
    manifest = write_bundle(model, tmp_path / "bundle", data_version=None)
    assert set(manifest.files) == {"columns.json", "columns.skops"}
    asked = with_gaps(splits["test"], config.data)
    predictor = Predictor.load(tmp_path / "bundle")
    expected = model.answers(asked)["probabilities"]
    assert np.abs(predictor.answers(asked)["probabilities"] - expected).max() <= 1e-4
    assert expected.std() > 1e-3
    one = predictor.answers(asked.slice(7, 1))["probabilities"]
    assert np.abs(one - expected[7]).max() <= 1e-4


def test_columns_may_have_the_names_of_the_exporters_own_values(repository, tmp_path):
    names = {"size": "linear", "age": "x", "town": "add 1", "grade": "größe"}
    columns = {**dict.fromkeys(names.values(), "feature"), "kind": "target"}
    spec = spec_of(tmp_path, small_frame().rename(columns=names), columns)
    config = config_of(repository, spec, "network=mlp", "preprocess=tabular")
    splits = read_splits(config.data, tmp_path, 0)
    model = model_of(config, splits["train"])
    write_bundle(model, tmp_path / "bundle", data_version=None)
    answers = Predictor.load(tmp_path / "bundle").answers(splits["test"])["probabilities"]
    assert np.abs(answers - model.answers(splits["test"])["probabilities"]).max() <= 1e-4
