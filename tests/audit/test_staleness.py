import numpy as np
from series_world import config_with, small, wave, write

from lightloop.audit.scoring import Ruler
from lightloop.audit.staleness import staleness
from lightloop.audit.trainings import Trainer
from lightloop.data.splits import read_splits
from lightloop.project import Project


def test_a_model_of_before_a_change_is_worse_today(tmp_path):
    # After two fifths of the time the season becomes another one.
    steps = np.arange(400)
    values = np.where(steps < 160, np.sin(np.pi * steps / 2), np.sin(np.pi * steps / 2 + 2)) + 0.01 * wave(400, noise=1)
    config = small()
    write(tmp_path, values)
    raw = config.model_dump(mode="json")
    config = config_with(
        data=raw["data"],
        preprocess=raw["preprocess"],
        network=raw["network"],
        trainer={"max_epochs": 12, "batch_size": 16, "precision": "32"},
        optimizer={"lr": 0.01},
    )
    settings = config.audit.model_copy(update={"seeds": 1, "ages": (0.0, 0.5), "resamples": 100})
    ruler, project = Ruler.of(config, settings), Project(tmp_path)
    splits = read_splits(config.data, tmp_path, 0)
    said = []
    content = staleness(Trainer(config, project), splits, ruler, said.append)
    today, old = content["ages"]
    assert (today["share"], today["records"], today["worse"]) == (0.0, 0, None)
    assert old["records"] == round(0.5 * (len(splits["train"]) + len(splits["validation"])))
    assert old["ends"] < today["ends"]
    assert old["value"] > 1.4 * today["value"]
    assert old["worse"]["low"] > 0
    assert content["records"] + old["records"] <= len(splits["train"]) + len(splits["validation"])
    assert len(said) == 2


def test_records_without_time_have_no_age(standing):
    _, splits, ruler = standing("fashion")
    content = staleness(None, splits, ruler, print)
    assert content == {
        "applies": False,
        "why": "the records of fashion have no order in time by which they are divided",
    }
