import numpy as np
import pyarrow as pa
import pytest

from lightloop.audit.data_map import data_map
from lightloop.evaluation.evidence import write_table
from lightloop.training.dynamics import SCHEMA


def write(project, train, mean, deviation):
    n = len(train)
    columns = [
        train["id"],
        train["label"],
        pa.array(mean),
        pa.array(deviation),
        pa.array(np.ones(n)),
        pa.array([3] * n),
    ]
    project.training.mkdir(parents=True, exist_ok=True)
    write_table(project.dynamics, pa.table(columns, schema=SCHEMA))


def test_records_are_divided_by_how_they_were_learned(standing, project):
    _, splits, ruler = standing("fashion")
    train = splits["train"]
    n = len(train)
    mean = np.linspace(0.05, 0.99, n)
    deviation = np.where(np.arange(n) % 3 == 0, 0.4, 0.1)
    write(project, train, mean, deviation)
    ids = train["id"].to_pylist()
    suspects = {"suspects": [{"id": name} for name in (ids[0], ids[1], ids[-1])]}
    content = data_map(project, train, ruler, suspects)
    assert (content["n"], content["epochs"]) == (n, 3)
    shares = {name: content["regions"][name]["share"] for name in ("easy", "ambiguous", "hard")}
    assert shares["hard"]["value"] == pytest.approx((mean < 0.5).mean())
    assert shares["ambiguous"]["value"] == pytest.approx(((mean >= 0.5) & (deviation > 0.25)).mean())
    assert sum(share["value"] for share in shares.values()) == pytest.approx(1)
    assert all(share["low"] < share["value"] < share["high"] for share in shares.values())
    assert [row["id"] for row in content["hardest"]] == ids[:5]
    assert content["most_ambiguous"][0]["deviation"] == 0.4
    assert content["suspects"] == {"n": 3, "among_hardest": 2, "share": 0.05}
    of_class = [name == train["label"][0].as_py() for name in train["label"].to_pylist()]
    assert content["regions"]["hard"]["by_class"][train["label"][0].as_py()] == (mean < 0.5)[of_class].mean()


def test_where_nothing_was_watched_the_reason_is_said(standing, project):
    _, splits, ruler = standing("fashion")
    assert "left no record" in data_map(project, splits["train"], ruler, {})["why"]
    project.training.mkdir(exist_ok=True)
    write_table(project.dynamics, SCHEMA.empty_table())
    assert "an ensemble has no training of its own" in data_map(project, splits["train"], ruler, {})["why"]


def test_a_forecast_has_no_class_to_follow(standing, project):
    _, splits, ruler = standing("co2")
    write_table(project.dynamics, SCHEMA.empty_table())
    assert "in forecasting there is no class" in data_map(project, splits["train"], ruler, {})["why"]
