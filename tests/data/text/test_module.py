"""The DataModule of texts, and texts through the stages: what is trained is what is served."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from texts import make_rows, write_rows

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.data.module import RecordsModule, build_data
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.text.tokenizer import FILE, train_tokenizer
from lightloop.errors import RefusedError
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.serving.predictor import Predictor
from lightloop.stages.evaluate import evaluate
from lightloop.stages.export import export
from lightloop.stages.train import train
from lightloop.tasks.checkpoint import load_model

SMALL = (
    "experiment=spam",
    "tracking=none",
    "data.path=data/mails",
    "data.files={train: mails.parquet}",
    "data.expectations=mails",
    "preprocess.max_length=24",
    "preprocess.min_count=1",
    "network.width=8",
    "network.buckets=64",
    "network.hidden=[8]",
    "trainer.batch_size=16",
    "trainer.max_epochs=15",
    "optimizer.lr=0.02",
    "gate.resamples=100",
)


def make_config(repository: Project, *overrides: str) -> Config:
    return compose_config(repository, [*SMALL, *overrides])


@pytest.fixture
def data(tmp_path, repository) -> RecordsModule:
    module = build_data(make_config(repository), write_rows(tmp_path, make_rows(200)))
    module.setup()
    return module


def test_the_vocabulary_is_of_the_training_split_alone(data):
    texts = data.tables["train"]["text"].to_pylist()
    assert data.preprocessor.files()[FILE] == train_tokenizer(data.config.preprocess, texts)
    everything = [text for table in data.tables.values() for text in table["text"].to_pylist()]
    assert data.preprocessor.files()[FILE] != train_tokenizer(data.config.preprocess, everything)


def test_batches_hold_texts_of_similar_length_and_are_as_long_as_the_longest(data):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(1)
    batches = [batch.inputs[0] for batch in loader]
    lengths = data.lengths(data.splits["train"])
    assert sum(map(len, batches)) == len(data.splits["train"])
    for ids_BT in batches:
        assert ids_BT.shape[1] == (ids_BT != 0).sum(1).max()
    padding = sum((ids_BT == 0).sum().item() for ids_BT in batches) / sum(ids_BT.numel() for ids_BT in batches)
    assert padding < 0.1 < 1 - lengths.float().mean() / lengths.max()
    seen = sorted(row[row != 0].tolist() for ids_BT in batches for row in ids_BT)
    assert seen == sorted(row[row != 0].tolist() for row in data.splits["train"].inputs[0])


def test_the_example_is_of_the_vocabulary_and_padded(data, repository):
    (ids_2T,) = data.preprocessor.example()
    assert ids_2T.dtype == torch.int64
    assert 0 < ids_2T.max() < data.preprocessor.inputs.vocabulary
    assert (ids_2T == 0).any()
    assert data.preprocessor.dynamic() == ((0, 1),)
    again = build_preprocessor(make_config(repository))
    again.load_files(data.preprocessor.files())
    assert again.inputs == data.preprocessor.inputs
    assert torch.equal(again.encode(data.tables["test"])[0], data.splits["test"].inputs[0])


def test_what_can_not_be_fitted_is_refused(tmp_path, repository):
    rows = make_rows(40)
    root = write_rows(tmp_path, [{**row, "text": str(number)} for number, row in enumerate(rows)])
    with pytest.raises(RefusedError, match=r"no token stands 2 times in the .* training texts: check data.columns"):
        build_data(make_config(repository, "preprocess.min_count=2"), root).setup()
    rows[7]["text"] = None
    with pytest.raises(RefusedError, match="record train/7 has no text: leave it out"):
        build_data(make_config(repository, "seed=1"), write_rows(tmp_path, rows)).setup()
    with pytest.raises(RefusedError, match="label 'eggs' is not one of the data set's classes"):
        build_data(
            make_config(repository), write_rows(tmp_path, [{**row, "label": "eggs"} for row in make_rows()])
        ).setup()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, repository) -> Project:
    """A project in which a network was trained, evaluated and exported; with augmentation and a bidirectional cut."""
    config = make_config(repository, "augment.swap=0.1", "preprocess.truncation=both")
    project = Project(write_rows(tmp_path_factory.mktemp("mails"), make_rows(200)))
    write_params(project, config)
    train(config, project)
    evaluate(config, project)
    export(config, project)
    return project


@pytest.mark.slow
def test_it_learns_what_words_tell(finished):
    metrics = read_json(finished.metrics)
    assert metrics["metrics"]["accuracy"]["value"] > 0.95
    assert metrics["baseline"]["accuracy"]["value"] > 0.95
    assert {"source", "group"} <= set(read_predictions(finished.predictions).column_names)


@pytest.mark.slow
def test_the_bundle_answers_as_the_checkpoint_whatever_the_text_and_the_batch(finished):
    assert read_json(finished.parity)["max_difference"] < 1e-5
    predictor, model = Predictor.load(finished.exported), load_model(finished.checkpoint)
    odd = [
        "",
        " ",
        "\x00",
        "😀 ζ 拾金",
        "[PAD] [UNK] <url>",
        "pills " * 200_000,
        "e\u0301" * 50,
        "winner of cheap pills",
    ]
    table = pa.table({"text": pa.array(odd, pa.large_string())})
    served = predictor.answers(table)["probabilities"]
    assert np.isfinite(served).all()
    np.testing.assert_allclose(served, model.answers(table)["probabilities"], atol=1e-5)
    for row in range(len(odd)):
        alone = predictor.answers(table.slice(row, 1))["probabilities"][0]
        np.testing.assert_allclose(alone, served[row], atol=1e-5)
    assert served[-1, 1] > 0.9
    assert served[5, 1] > 0.9
    assert predictor.manifest.files == (FILE,)


@pytest.mark.slow
def test_the_same_config_gives_the_same_bytes(finished, repository, tmp_path):
    config = make_config(repository, "augment.swap=0.1", "preprocess.truncation=both")
    project = Project(write_rows(tmp_path, make_rows(200)))
    train(config, project)
    assert project.checkpoint.read_bytes() == finished.checkpoint.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("option", ["text_bpe", "text_char"])
def test_other_vocabularies_train_too(tmp_path, repository, option):
    root = write_rows(tmp_path, make_rows(120))
    config = make_config(repository, f"preprocess={option}", "preprocess.max_length=96", "preprocess.size=200")
    train(config, Project(root))
    rows = make_rows(60, seed=5)
    answers = load_model(Project(root).checkpoint).answers(pa.table({"text": [row["text"] for row in rows]}))
    right = answers["probabilities"].argmax(1) == np.array([row["label"] == "spam" for row in rows])
    assert right.mean() > 0.85
