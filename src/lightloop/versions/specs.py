"""Data sets as `configs/data/` has them, without an experiment around them."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from lightloop.config.schema import AnySpec
from lightloop.errors import UsageError

_SPEC: TypeAdapter[AnySpec] = TypeAdapter(Annotated[AnySpec, Field(discriminator="modality")])


def read_spec(configs: Path, name: str) -> AnySpec:
    """The data set NAME of a folder of configs.

    Raises:
        UsageError: there is none, or it is not as it has to be; in one sentence.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    path = configs / "data" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(spec_names(configs))
        raise UsageError(f"there is no data set {name!r}: configs/data/ has {known}")
    try:
        raw = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        return _SPEC.validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"configs/data/{name}.yaml: {f'{place}: ' if place else ''}{said}") from None
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise UsageError(f"configs/data/{name}.yaml can't be read: {' '.join(str(error).split())}") from None


def spec_names(configs: Path) -> list[str]:
    """The data sets of a folder of configs, sorted."""
    return sorted(path.stem for path in (configs / "data").glob("*.yaml"))
