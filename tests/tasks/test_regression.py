"""Regression and forecasting: trained for real on a small series, in units that do not matter, exported with gaps."""

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pytest
import pytorch_lightning as pl
import torch
from series_world import config_with, small, wave, write

from lightloop.config.signature import components
from lightloop.data.batches import Batch
from lightloop.data.module import build_data
from lightloop.release.bundle import export_graph
from lightloop.tasks.answers import NumberAnswer, build_answer, count_outputs
from lightloop.tasks.checkpoint import Model, build_network
from lightloop.tasks.regression import Regression

LOSSES = [{"name": "mse"}, {"name": "mae"}, {"name": "huber"}, {"name": "quantile", "levels": [0.1, 0.5, 0.9]}]
WHOLE = {
    "problem": "regression",
    "columns": {"series": "feature", "slope": "target"},
    "split": {"policy": "random", "test": 0.2, "validation": 0.2},
    "window": 16,
    "season": 1,
}


def build(config, root):
    data = build_data(config, root)
    data.setup()
    torch.manual_seed(0)
    network = build_network(config, data.preprocessor.inputs)
    task = components("tasks")["regression"].load()(config, network, data.preprocessor, False)
    assert isinstance(task, Regression)
    return data, task


def overfit(task, batch, steps=150, lr=0.01):
    """Losses before and after so many steps on one batch."""
    optimizer = torch.optim.Adam(task.network.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        loss = task.loss_of(task(*batch.inputs), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


def forecasting(loss, values_scale=1.0, preprocess=None):
    raw = small().model_dump(mode="json")
    mlp = {"name": "mlp", "hidden": [32], "dropout": 0.0, "normalisation": "none"}
    return config_with(
        data=raw["data"],
        loss=loss,
        preprocess={"name": "series", "detrend": "last_value"} | (preprocess or {}),
        network=mlp,
    )


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss["name"])
def test_every_loss_overfits_a_batch(tmp_path, loss):
    config = forecasting(loss)
    data, task = build(config, write(tmp_path, wave(120, noise=0.1)))
    batch = next(iter(data.train_dataloader()))
    first, last = overfit(task, batch)
    assert last < 0.25 * first
    prediction_BH = task.answer(task(*batch.inputs))[0]
    assert (prediction_BH - batch.targets).abs().mean() < 0.3
    assert count_outputs(config) == 3 * len(loss.get("levels", [0.5]))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss["name"])
def test_the_loss_does_not_depend_on_the_unit(tmp_path, loss):
    losses = []
    for unit in (1.0, 1000.0):
        data, task = build(forecasting(loss), write(tmp_path / str(unit), wave(120, noise=0.1) * unit))
        batch = next(iter(data.val_dataloader()))
        losses.append(task.loss_of(task(*batch.inputs), batch).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_trainer_fits_it_and_logs_its_metrics(tmp_path):
    config = forecasting({"name": "huber"})
    data, task = build(config, write(tmp_path, wave(300, noise=0.05)))
    trainer = pl.Trainer(
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(task, datamodule=data)
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    batch = Batch(data.splits["validation"].inputs, data.splits["validation"].targets)
    with torch.no_grad():
        answers = task.eval()(*batch.inputs)
    error = answers - batch.targets
    assert found["validation/mae"] == pytest.approx(error.abs().mean().item(), rel=1e-4)
    assert found["validation/rmse"] == pytest.approx(error.square().mean().sqrt().item(), rel=1e-4)
    assert "train/mae" in found


def test_quantiles_that_cross_are_sorted():
    answer = NumberAnswer(2, (0.1, 0.5, 0.9))
    prediction, quantiles = answer(torch.tensor([[3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 99.0]]))
    assert prediction.tolist() == [[2.0, 5.0]]
    assert quantiles.tolist() == [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]
    assert answer.names == ("prediction", "quantiles")
    assert NumberAnswer(2).names == ("prediction",)
    assert NumberAnswer(1)(torch.tensor([[3.0, 9.0]]))[0].tolist() == [[3.0]]


def lines(root, count=240, length=16):
    """Series whose slope is the target, some with gaps, some short."""
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    slopes = random.normal(size=count)
    series = slopes[:, None] * np.arange(length) + random.normal(scale=0.1, size=(count, length)) + 5
    series[random.random(series.shape) < 0.05] = np.nan
    rows = [row[: length - k % 4].tolist() for k, row in enumerate(series)]
    path = root / "data/co2/co2.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"series": pa.array(rows, pa.list_(pa.float64())), "slope": slopes * 100 + 7}), path)
    return root


def test_a_number_of_a_whole_series_is_learned(tmp_path):
    config = config_with(
        data=WHOLE,
        preprocess={"name": "series"},
        network={"name": "mlp", "hidden": [16], "dropout": 0.0, "normalisation": "none"},
    )
    data, task = build(config, lines(tmp_path))
    train = Batch(data.splits["train"].inputs, data.splits["train"].targets)
    first, last = overfit(task, train, 200)
    assert last < 0.05 * first
    answers = Model(config, data.preprocessor, task.network.eval()).answers(data.tables["test"])["prediction"]
    labels = np.array(data.tables["test"]["label"].to_pylist())[:, None]
    assert np.square(answers - labels).mean() < 0.2 * labels.var()


GRID = [
    {},
    {"missing": "seasonal", "decompose": "stl", "detrend": "linear", "calendar": ["year", "week"], "indicator": True},
    {"missing": "forward", "smoothing": "exponential", "difference": 2, "scale": "min_max"},
    {"smoothing": "moving_average", "detrend": "last_value", "scale": "robust", "scale_by": "window"},
    {"decompose": "classical", "difference": 1, "scale": "standard", "scale_by": "window"},
    {"detrend": "last_value", "scale": "min_max", "scale_by": "window"},
]


@pytest.mark.slow
@pytest.mark.parametrize("settings", GRID)
def test_the_exported_graph_answers_the_same_with_gaps(tmp_path, settings):
    loss = {"name": "quantile", "levels": [0.1, 0.5, 0.9]} if settings.get("indicator") else {"name": "mse"}
    config = forecasting(loss, preprocess={"detrend": "none"} | settings)
    values = wave(160, noise=0.1)
    values[[60, 61, 62, 90, 120, 150]] = np.nan
    data, task = build(config, write(tmp_path, values))
    model = Model(config, data.preprocessor.eval(), task.network.eval())
    table = pa.concat_tables([data.tables[split] for split in ("train", "test")])
    session = ort.InferenceSession(export_graph(model).SerializeToString())
    feeds = model.preprocessor.input.encode(table, {})
    assert np.isnan(feeds["series"]).any()
    feeds["series"][:2, :, 0] = np.nan  # a series of gaps alone
    names = [output.name for output in session.get_outputs()]
    assert names == list(build_answer(config).names)
    with torch.no_grad():
        expected = model.graph().eval()(torch.from_numpy(feeds["series"]))
    for found, wanted in zip(session.run(names, feeds), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=2e-3, rtol=1e-5)
        assert np.isfinite(found).all()
