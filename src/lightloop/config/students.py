"""The network that a student of distillation has: checked before anything is trained."""

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lightloop.config.signature import ComponentConfig, components

if TYPE_CHECKING:
    from lightloop.config.compression import Distil
    from lightloop.config.schema import Config

# Arguments of networks that are widths of layers, which fewer numbers make smaller.
WIDTHS = ("channels", "embedding", "filters", "hidden", "width")
# Where training starts from, which is of the teacher's sizes.
STARTS = {"weights": None, "fresh": (), "freeze": ()}
EIGHT = 8


def student_network(config: "Config", step: "Distil") -> ComponentConfig:
    """The config of the student's network.

    Raises:
        ValueError: it is unknown, does not take such records, or has no such arguments; says what to do.
    """
    name = step.network.get("name", config.network.name)
    known = components("networks")
    if name not in known:
        raise ValueError(f"a student's network is {name!r}, which is none of {', '.join(known)}")
    if config.data.modality not in known[name].traits["modalities"]:
        raise ValueError(f"a student's network is {name}, which does not take {config.data.modality} records")
    own: dict[str, Any] = {}
    if name == config.network.name:
        own = config.network.model_dump()
        starts = {key: value for key, value in STARTS.items() if key in own}
        own |= starts | {key: shrunk(own[key], step.shrink) for key in WIDTHS if key in own and key not in step.network}
    try:
        return known[name].model.model_validate({**own, **step.network, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"a student's network {name} can't have {key}: {first['msg']}") from None


def shrunk(width: Any, share: float) -> Any:
    """A width, or several, as a share of themselves: rounded up to whole eights, and never wider than before.

    Examples:
        >>> shrunk((32, 48, 64), 0.5), shrunk(20, 0.5), shrunk(4, 0.5)
        ((16, 24, 32), 16, 4)
    """
    if isinstance(width, tuple | list):
        return tuple(shrunk(one, share) for one in width)
    return min(width, -(-int(width * share) // EIGHT) * EIGHT) if isinstance(width, int) else width
