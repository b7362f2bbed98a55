"""export: write the bundle and compare its answers with those of the evaluate stage. The gate judges, not this."""

from dataclasses import asdict

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.problem import problem_of
from lightloop.files import file_size, write_json
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.release.parity import measure_parity
from lightloop.serving.manifest import GRAPH
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import load_model


def export(config: Config, project: Project) -> None:
    """Turn the checkpoint into a bundle; record how far its answers on the test split lie from PyTorch's.

    Args:
        config: of the run; read are `data` and `seed`, which say what the test split is.
        project: where to read and write.

    Raises:
        LightloopError: the checkpoint or the predictions are missing or do not fit; the network does not export.
        RefusedError: a record is not as the data spec says.
    """
    predictions = read_predictions(project.predictions)
    model = load_model(project.checkpoint, project.calibration)
    splits = read_splits(config.data, project.root, config.seed)
    manifest = write_bundle(
        model,
        project.exported,
        data_version=project.data_version(),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
    )

    problem = problem_of(config.data)
    predictor = Predictor.load(project.exported)
    questions = problem.questions(config, splits["test"])
    answers = predictor.answers(questions)[problem.answer]
    parity = measure_parity(problem, questions["id"].to_pylist(), answers, predictions)
    write_json(
        project.parity,
        {
            **asdict(parity),
            "opset": manifest.opset,
            "onnx_bytes": file_size(project.exported / GRAPH),
            "bundle_bytes": file_size(project.exported),
        },
    )
