"""The folds stage: nothing where there is nothing to do; and it depends on all that training depends on."""

import subprocess
import sys

import yaml

from lightloop.config.schema import Config
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.stages.folds import folds


def test_one_fold_and_one_seed_are_an_empty_result(project: Project, config: Config):
    folds(config, project)
    assert read_json(project.folds_result) == {"folds": 1, "seeds": 1, "metrics": {}, "members": []}
    assert list(project.members.iterdir()) == []


def test_nothing_heavy_is_imported_for_it(project: Project):
    program = (
        "import sys\n"
        "from lightloop.cli.stages import stage\n"
        "stage('folds')\n"
        "print(sorted({'torch', 'sklearn', 'pytorch_lightning', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project.root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_reruns_when_training_would(repository: Project):
    stages = yaml.safe_load((repository.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert set(stages["train"]["params"]) - {"name"} <= set(stages["folds"]["params"])
    assert {"folds", "seeds"} <= set(stages["folds"]["params"])
    code = {dep for dep in stages["train"]["deps"] if dep.startswith("src/")} - {"src/lightloop/stages/train.py"}
    assert code <= set(stages["folds"]["deps"])
    assert "artifacts/folds/members" in stages["train"]["deps"]
    assert not {"folds", "seeds"} & set(stages["train"]["params"]), "the released network stays where it only measures"
