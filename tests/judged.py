"""A project with evidence as the stages before the report leave it, written by hand: for tests of what reads it."""

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.files import write_json
from lightloop.project import Project

INTERVAL = {"value": 0.875, "low": 0.81, "high": 0.93}
UNDEFINED = {"value": None, "low": None, "high": None}
DIGEST = "ab" * 32
DATA_DVC = "outs:\n- md5: 0123456789abcdef.dir\n  path: data\n"


def make_judged(config: Config, project: Project) -> Project:
    """Evidence about the 100 test records of a small project: every eighth is a mistake, always the next class."""
    classes = config.data.classes
    test = read_splits(config.data, project.root, config.seed)["test"]
    labels = test.column("label").to_pylist()
    predictions, probabilities = [], []
    for row, label in enumerate(labels):
        code = (classes.index(label) + (row % 8 == 0)) % len(classes)
        top = 0.5 + row / 400
        predictions.append(classes[code])
        probabilities.append([top if k == code else (1 - top) / (len(classes) - 1) for k in range(len(classes))])
    project.evaluation.mkdir(parents=True)
    columns = {"id": test.column("id"), "label": labels, "prediction": predictions, "probabilities": probabilities}
    columns["baseline_probabilities"] = probabilities
    pq.write_table(pa.table(columns), project.predictions)
    figures = {"n": 100, "confidence": 0.95, "resamples": 1000}
    metrics = {"accuracy": INTERVAL, "auroc": UNDEFINED}
    write_json(project.metrics, figures | {"metrics": metrics, "baseline": {"accuracy": INTERVAL | {"value": 0.75}}})
    checks = [{"name": "parity", "passed": True}, {"name": "explanations", "passed": False}]
    judge(project, DIGEST, checks)
    project.bundle.mkdir(parents=True)
    (project.bundle / "model.onnx").write_bytes(b"graph")
    write_json(project.bundle / "hashes.json", {"model.onnx": "cd" * 32})
    write_explanations(project, test.column("id").to_pylist()[:3])
    return project


def judge(project: Project, digest: str, checks: list[dict[str, object]]) -> None:
    """A verdict on a bundle."""
    word = "accepted" if all(check["passed"] for check in checks) else "refused"
    write_json(project.gate, {"verdict": word, "champion": None, "bundle_digest": digest, "checks": checks})


def write_explanations(project: Project, ids: list[str]) -> None:
    project.explanation_images.mkdir(parents=True)
    records = []
    for row, record in enumerate(ids):
        files = {name: f"images/{row:03}-{name}.png" for name in ("input", "grad_cam", "gradient_shap")}
        for shade, file in enumerate(files.values()):
            Image.new("RGB", (8, 8), (row * 20, shade * 20, 0)).save(project.explanation / file)
        picture = {"input": files.pop("input"), "overlays": files}
        records.append({"id": record, "label": "bag", "prediction": "coat", "probability": 0.75} | picture)
    methods = {"grad_cam": {"trusted": True, "completeness": {"error": 0.01}}, "gradient_shap": {"trusted": False}}
    write_json(project.explanation_result, {"n": len(ids), "records": records, "methods": methods})
