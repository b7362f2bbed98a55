"""The export stage on a project that was really trained and evaluated."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.serving.manifest import verify_bundle
from lightloop.serving.predictor import Predictor
from lightloop.stages.export import export


@pytest.fixture
def evaluated(finished: Project, tmp_path: Path) -> Project:
    """The finished project as it was before its export."""
    root = tmp_path / "project"
    shutil.copytree(finished.root / "data", root / "data")
    for part in ("training", "evaluation"):
        shutil.copytree(finished.root / "artifacts" / part, root / "artifacts" / part)
    shutil.copy(finished.calibration, root / "artifacts")
    return Project(root)


def test_parity_is_recorded_and_small(finished: Project) -> None:
    parity = json.loads(finished.parity.read_text())
    assert list(parity) == [
        "n",
        "max_difference",
        "different_predictions",
        "opset",
        "onnx_bytes",
        "bundle_bytes",
    ]
    assert parity["n"] == len(pq.read_table(finished.predictions)) > 0
    assert 0 <= parity["max_difference"] < 1e-5
    assert parity["different_predictions"] == 0
    assert parity["onnx_bytes"] == (finished.exported / "model.onnx").stat().st_size
    assert parity["bundle_bytes"] == sum(path.stat().st_size for path in finished.exported.rglob("*") if path.is_file())


def test_bundle_answers_the_test_records_as_evaluate_did(finished: Project) -> None:
    images = pq.read_table(finished.root / "data/fashion/test.parquet")["image"].to_pylist()
    found = Predictor.load(finished.exported).predict([image["bytes"] for image in images])
    told = pq.read_table(finished.predictions)
    assert [prediction.label for prediction in found] == told["prediction"].to_pylist()


def test_export_again_gives_the_same_bytes(evaluated: Project, finished: Project, small_config: Config) -> None:
    export(small_config, evaluated)
    assert verify_bundle(evaluated.exported) == verify_bundle(finished.exported)
    assert evaluated.parity.read_bytes() == finished.parity.read_bytes()


def test_missing_or_damaged_inputs(evaluated: Project, small_config: Config) -> None:
    whole = evaluated.predictions.read_bytes()
    evaluated.predictions.write_bytes(whole[:100])
    with pytest.raises(LightloopError, match=r"predictions\.parquet is not a whole table of predictions"):
        export(small_config, evaluated)
    evaluated.predictions.unlink()
    with pytest.raises(
        LightloopError, match=r"artifacts/evaluation/predictions\.parquet is missing: run `lightloop run`"
    ):
        export(small_config, evaluated)
    evaluated.predictions.write_bytes(whole)
    evaluated.checkpoint.unlink()
    with pytest.raises(LightloopError, match=r"model\.ckpt is missing"):
        export(small_config, evaluated)
    assert not evaluated.exported.exists()


def test_predictions_of_other_records_are_refused(evaluated: Project, small_config: Config) -> None:
    table = pq.read_table(evaluated.predictions)
    pq.write_table(pa.concat_tables([table.slice(1), table.slice(0, 1)]), evaluated.predictions)
    with pytest.raises(LightloopError, match=rf"which are not the {len(table)} test records in their order"):
        export(small_config, evaluated)
    assert not evaluated.parity.exists()


@pytest.mark.slow
def test_export_needs_no_lightning() -> None:
    program = "import lightloop.stages.export, sys; assert 'pytorch_lightning' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
