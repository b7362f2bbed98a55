"""export: write the bundle and compare its answers with those of the evaluate stage. The gate judges, not this."""

from dataclasses import asdict

from lightloop.config.schema import Config
from lightloop.data.records import decode_images
from lightloop.data.splits import read_splits
from lightloop.evaluation.evidence import read_predictions
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
    model = load_model(project.checkpoint)
    manifest = write_bundle(model, project.bundle, data_version=project.data_version())

    predictor = Predictor.load(project.bundle)
    test = read_splits(config.data, project.root, config.seed)["test"]
    pixels_NCHW = decode_images(test["image"].to_pylist(), config.data.size, config.data.channels)
    probabilities_NK = predictor.probabilities(pixels_NCHW)

    parity = measure_parity(test["id"].to_pylist(), predictor.classes, probabilities_NK, predictions)
    write_json(
        project.parity,
        {
            **asdict(parity),
            "opset": manifest.opset,
            "onnx_bytes": file_size(project.bundle / GRAPH),
            "bundle_bytes": file_size(project.bundle),
        },
    )
