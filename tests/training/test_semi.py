"""Pseudo-labels: what is added is what the model was sure of, and is mostly right; what was labelled stays."""

import numpy as np
import pyarrow as pa
import pytest
from unlabelled import hide_labels

from lightloop.config.compose import compose_config
from lightloop.data.splits import read_splits
from lightloop.data.unlabelled import read_unlabelled
from lightloop.errors import LightloopError
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.stages.train import train
from lightloop.tasks.checkpoint import load_model
from lightloop.training import semi as semi_module
from lightloop.training.semi import pseudo_labels

LEARNS = ["network=mlp", "explain=gradients", "augment=none", "trainer.max_epochs=8", "trainer.batch_size=25"]


def test_only_sure_answers_become_labels():
    table = pa.table({"id": ["a", "b", "c"], "label": pa.nulls(3, pa.string())})
    p_NK = np.array([[0.95, 0.05], [0.5, 0.5], [0.1, 0.9]])
    chosen = pseudo_labels(table, p_NK, ("no", "yes"), 0.9)
    assert chosen.to_pylist() == [{"id": "a", "label": "no"}, {"id": "c", "label": "yes"}]


@pytest.mark.slow
def test_rounds_add_records_that_are_mostly_right(
    project: Project, repository: Project, monkeypatch: pytest.MonkeyPatch
):
    hidden = hide_labels(project, every=2)
    config = compose_config(repository, [*LEARNS, "semi=pseudo_labels", "semi.threshold=0.7", "semi.rounds=2"])
    labelled = read_splits(config.data, project.root, config.seed)["train"].select(["id", "label"])
    given, original = [], semi_module.train_member

    def watched(*arguments, tables, **options):
        given.append(tables["train"].select(["id", "label"]))
        return original(*arguments, tables=tables, **options)

    monkeypatch.setattr(semi_module, "train_member", watched)
    train(config, project)
    found = read_json(project.training_summary)["pseudo_labels"]
    assert found["unlabelled"] == 150
    assert found["rounds"][0]["added"] == 0
    assert found["rounds"][1]["added"] > 20
    assert sum(found["rounds"][1]["by_class"].values()) == found["rounds"][1]["added"]
    losses = [one["validation_loss"] for one in found["rounds"]]
    assert losses[found["kept"]] == min(losses)
    for number, table in enumerate(given):
        assert table.slice(0, len(labelled)).equals(labelled), "labelled records always stay, as they are"
        added = table.slice(len(labelled)).to_pylist()
        assert len(added) == found["rounds"][number]["added"]
        if added:
            right = np.mean([row["label"] == hidden[row["id"]] for row in added])
            model = load_model(project.checkpoint).answers(read_unlabelled(config.data, project.root))
            everything = np.mean(
                [
                    config.data.classes[code] == label
                    for code, label in zip(model["probabilities"].argmax(1), hidden.values(), strict=True)
                ]
            )
            assert right > 0.7, "ten classes: chance is 0.1"
            assert right > everything, "what the model is sure of is more often right than all it says"


def test_without_unlabelled_records_it_is_one_sentence(project: Project, repository: Project):
    config = compose_config(repository, [*LEARNS, "semi=pseudo_labels"])
    with pytest.raises(LightloopError, match="finds no unlabelled record in data/fashion: leave the label"):
        train(config, project)
