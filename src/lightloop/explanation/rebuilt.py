"""A model of torch from a bundle: its weights, its files of preprocessing and its config; nothing is unpickled."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from lightloop.config.compose import validate_config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.errors import LightloopError
from lightloop.serving.manifest import PREPROCESSING, WEIGHTS, read_manifest
from lightloop.tasks.checkpoint import Model, build_network


def model_of_bundle(folder: Path) -> Model:
    """The model that a bundle holds, in evaluation mode; it answers as the bundle's graph does.

    Args:
        folder: of the bundle, verified.

    Raises:
        LightloopError: the bundle is not whole, or its config or weights are not such as this version knows.
    """
    try:
        manifest = read_manifest(folder)
        if manifest.compression:
            ways = ", ".join(str(step["name"]) for step in manifest.compression)
            raise LightloopError(f"it was made smaller by {ways}, so that its graph alone is left")
        config = validate_config(manifest.config)
        preprocessor = build_preprocessor(config)
        preprocessor.load_files({name: (folder / PREPROCESSING / name).read_bytes() for name in manifest.files})
        state = load_file(folder / WEIGHTS)
        preprocessor.load_state_dict(_part(state, "preprocessor."))
        network = build_network(config, preprocessor.inputs)
        network.load_state_dict(_part(state, "network."))
    except (LightloopError, OSError, KeyError, ValueError, RuntimeError) as error:
        # What is written into artifacts names no path.
        reason = str(error).replace(str(folder), "the bundle").strip().splitlines()[0].rstrip(".:")
        raise LightloopError(f"its bundle can't be read as a model of today ({reason})") from error
    return Model(config, preprocessor.eval(), network.eval(), manifest.rules)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
