from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from learning_worlds import prices
from texts import make_rows, make_spec, write_rows

from lightloop.audit.labels import find_issues, labels, of_network
from lightloop.audit.scoring import Ruler
from lightloop.config.compose import compose_config, validate_config
from lightloop.data.splits import read_splits
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.evidence import lists, write_table
from lightloop.project import Project
from lightloop.training.ensemble import HELD_OUT


def planted(table, share, classes, seed=0):
    """The table with another label in a share of the records, and which they are."""
    random = np.random.default_rng(seed)
    wrong = np.sort(random.permutation(len(table))[: round(share * len(table))])
    names = table["label"].to_pylist()
    for row in wrong:
        names[row] = random.choice([name for name in classes if name != names[row]])
    place = table.schema.get_field_index("label")
    return table.set_column(place, "label", pa.array(names, pa.string())), set(table["id"].take(wrong).to_pylist())


def test_planted_noise_is_found_far_better_than_by_chance(standing, project):
    _, splits, ruler = standing("fashion")
    noisy, wrong = planted(splits["train"], 0.15, ruler.config.data.classes)
    ruler = replace(ruler, settings=ruler.settings.model_copy(update={"suspects": 1000, "label_folds": 3}))
    content = labels(project, {**splits, "train": noisy}, ruler)
    assert content["applies"]
    assert not content["network"]
    assert content["source"] == "logistic regression, the simpler model"
    found = {row["id"] for row in content["suspects"]}
    assert content["n"] == len(noisy) == 270
    assert content["found"] == len(found)
    precision, recall = len(found & wrong) / len(found), len(found & wrong) / len(wrong)
    # By chance a suspect is wrong in 15 % of cases.
    assert precision > 0.4
    assert recall > 0.6
    scores = [row["score"] for row in content["suspects"]]
    assert scores == sorted(scores)
    share = content["estimated_share"]
    assert share["low"] < share["value"] < share["high"]


def test_what_is_doubted_was_never_seen_by_who_doubts():
    # A model that knows the answer by heart doubts nothing; one that was not asked doubts what does not fit.
    labels_N = np.array([0, 1] * 40)
    sure = np.where(labels_N[:, None] == np.arange(2), 0.98, 0.02)
    assert not find_issues(labels_N, sure)[0].any()
    turned = sure.copy()
    turned[[0, 7, 20]] = turned[[0, 7, 20], ::-1]
    issues, score = find_issues(labels_N, turned)
    assert np.flatnonzero(issues).tolist() == [0, 7, 20]
    assert set(np.argsort(score)[:3]) == {0, 7, 20}


def test_the_networks_own_folds_are_taken_where_there_are_some(standing, project):
    _, splits, ruler = standing("fashion")
    train, classes = splits["train"], ruler.config.data.classes
    codes = np.array([classes.index(name) for name in train["label"].to_pylist()])
    p_NK = np.where(codes[:, None] == np.arange(10), 0.91, 0.01)
    p_NK[3] = np.roll(p_NK[3], 1)
    rows = np.concatenate([np.arange(len(train)), np.arange(len(train))[::-1]])
    held_out = pa.table(
        {
            "id": train["id"].take(rows),
            "label": train["label"].take(rows),
            "probabilities": lists(p_NK[rows]),
            "seed": np.repeat([0, 1], len(train)),
        }
    )
    project.members.mkdir(parents=True)
    write_table(project.members / HELD_OUT, held_out)
    found = of_network(project, train, ruler.config)
    assert found.records["id"].to_pylist() == train["id"].to_pylist()
    assert np.allclose(found.answers_NM, p_NK)
    content = labels(project, splits, ruler)
    assert content["network"]
    assert [row["id"] for row in content["suspects"]] == [train["id"][3].as_py()]
    assert content["suspects"][0]["suggestion"] == classes[(codes[3] + 1) % 10]


def test_copies_of_a_text_are_held_out_together(repository, tmp_path, monkeypatch):
    rows = make_rows(120)
    for number, row in enumerate(rows):
        row["group"] = f"g{number // 4}"
    spec = make_spec()
    write_rows(tmp_path, rows, spec)
    raw = compose_config(repository, ["experiment=spam"]).model_dump(mode="json")
    config = validate_config({**raw, "data": spec.model_dump(mode="json")})
    ruler = Ruler.of(config, config.audit.model_copy(update={"label_folds": 2}))
    asked = []

    def watched(config, splits, questions):
        asked.append((set(splits["train"]["group"].to_pylist()), set(questions["group"].to_pylist())))
        return baseline_answers(config, splits, questions)

    monkeypatch.setattr("lightloop.audit.labels.baseline_answers", watched)
    content = labels(Project(tmp_path), read_splits(spec, tmp_path, 0), ruler)
    assert content["applies"]
    assert len(asked) == 2
    assert all(not known & held for known, held in asked)


def test_numbers_get_a_score_and_no_share(tmp_path):
    config = prices(tmp_path)
    file = tmp_path / "data/small/small.parquet"
    frame = pd.read_parquet(file)
    # A record that is in the training split has another price.
    known = read_splits(config.data, tmp_path, 0)["train"]["id"][3].as_py()
    frame.loc[int(known.partition("/")[2]), "price"] += 5000
    frame.to_parquet(file, index=False)
    splits = read_splits(config.data, tmp_path, 0)
    ruler = Ruler.of(config, config.audit)
    content = labels(Project(tmp_path), splits, ruler)
    assert (content["found"], content["estimated_share"]) == (None, None)
    assert content["suspects"][0]["id"] == known


def test_few_records_and_other_problems_are_left_out(standing, project):
    _, splits, ruler = standing("fashion")
    content = labels(project, {**splits, "train": splits["train"].slice(0, 20)}, ruler)
    assert content == {"applies": False, "why": "there are too few training records to hold some out: 20"}


def test_a_forecast_has_no_labels(standing, project):
    _, splits, ruler = standing("co2")
    assert labels(project, splits, ruler)["applies"] is False
