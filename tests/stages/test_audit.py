import hashlib
import re
import subprocess
import sys

import pytest
from standing import stand, with_data

from lightloop.config.audit import PARTS
from lightloop.config.compose import compose_config
from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json
from lightloop.stages.audit import audit

FEW = (
    "gate.resamples=100",
    "audit.resamples=100",
    "audit.records=40",
    "audit.attack_records=10",
    "audit.attack_steps=2",
    "audit.epsilons=[0.1]",
    "audit.label_folds=2",
    "audit.shares=[0.3,0.6]",
    "audit.learning_epochs=1",
    "trainer.max_epochs=2",
    "tracking=none",
)


def contents(project):
    return {name: read_json(project.audit / f"{name}.json") for name in PARTS}


def digests(project):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in project.audit.iterdir()}


def test_every_file_is_written_and_the_same_again(project, capsys):
    config = compose_config(project, FEW)
    with pytest.raises(LightloopError, match=r"model\.ckpt is missing"):
        audit(config, project)
    stand(config, project)
    audit(config, project)
    said = capsys.readouterr().out
    assert "audit 1/7: robustness" in said
    assert re.search(r"learning from \d+ records", said)
    found = contents(project)
    assert {"robustness", "labels", "duplicates", "learning"} <= {
        name for name, content in found.items() if content["applies"]
    }
    # of feature: image
    assert "learning from 80 records" in said
    assert [name for name, one in found.items() if one["applies"]] == ["robustness", "labels", "duplicates", "learning"]
    # end
    assert all(content["why"] for content in found.values() if not content["applies"])
    robust = found["robustness"]
    assert robust["n"] == 40
    assert {len(kind["levels"]) for kind in robust["corruptions"].values()} == {5}
    assert [check["name"] for check in robust["metamorphic"]] == [one.name for one in config.data.metamorphic]
    assert not (project.scratch / "audit").exists()
    before = digests(project)
    for path in project.audit.iterdir():
        path.unlink()
    audit(config, project)
    assert digests(project) == before


def test_a_time_series_is_audited(project):
    config = with_data(project, "co2", *FEW, "audit.seeds=1", "audit.ages=[0.0,0.3]", "trainer.max_epochs=1")
    stand(config, project)
    audit(config, project)
    found = contents(project)
    applies = [name for name, content in found.items() if content["applies"]]
    assert applies == ["robustness", "learning", "staleness"]
    assert len(found["staleness"]["ages"]) == 2


def test_without_an_audit_the_files_say_so_and_nothing_heavy_is_loaded(project):
    config = compose_config(project, ["audit=none"])
    audit(config, project)
    said = {"applies": False, "why": "audit=none: nothing was audited"}
    assert all(content == said for content in contents(project).values())
    code = "import sys, lightloop.stages.audit; print({'torch', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_is_generated_has_copies_alone(project):
    config = compose_config(project, ["experiment=fashion-gan", *FEW])
    stand_generator(config, project)
    audit(config, project)
    found = contents(project)
    assert [name for name, content in found.items() if content["applies"]] == ["duplicates"]


def stand_generator(config, project):
    import torch

    from lightloop.data.preprocessor import build_preprocessor
    from lightloop.tasks.checkpoint import build_network, checkpoint_extras

    preprocessor = build_preprocessor(config)
    network = build_network(config, preprocessor.inputs)
    project.training.mkdir(parents=True)
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({**checkpoint_extras(config, preprocessor), "state_dict": state}, project.checkpoint)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("audit.shares=[0.5,0.2]", "audit.shares is .*expected rising numbers"),
        ("audit.ages=[0.1,0.2]", "audit.ages starts with 0.1: the first must be 0"),
        ("audit=fast", "audit"),
        ("audit.label_folds=1", "audit.label_folds is 1"),
    ],
)
def test_a_wrong_setting_is_named(repository, override, said):
    with pytest.raises(UsageError, match=said):
        compose_config(repository, [override])


def test_an_experiment_sets_an_audit_that_can_be_chosen_otherwise(repository):
    assert compose_config(repository, ["experiment=loans"]).audit.shares == (0.25, 0.5)
    assert compose_config(repository, ["experiment=loans", "audit=none"]).audit.name == "none"
    full = compose_config(repository, ["experiment=loans", "audit=full"]).audit
    assert (full.name, full.shares, full.seeds) == ("full", (0.125, 0.25, 0.5), 3)
