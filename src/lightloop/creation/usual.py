"""What a new piece is for where nobody says so, and which names are taken."""

from collections.abc import Collection

from lightloop.config.compose import compose_config
from lightloop.config.metrics import METRICS
from lightloop.config.signature import components, stages
from lightloop.creation.pieces import ROOMS, Kind, variants
from lightloop.errors import UsageError
from lightloop.project import Project


def usual_variant(project: Project, kind: Kind) -> str | None:
    """Of a network the modality of the current data, of a task or metric its problem; None of a stage.

    Raises:
        UsageError: there is no start for it.
    """
    if kind == "stage":
        return None
    spec = compose_config(project).data
    found = spec.modality if kind == "network" else spec.problem
    # Forecasts are numbers, too.
    found = "regression" if found == "forecasting" else found
    if found not in variants(kind):
        raise UsageError(
            f"data={spec.name} is {found}, for which there is no start of a {kind}: "
            f"say --problem with one of {', '.join(variants(kind))}"
        )
    return found


def refuse_taken(project: Project, kind: Kind, name: str, commands: Collection[str] = ()) -> None:
    """Refuse a name that somebody has.

    Args:
        project: whose configs count as well.
        kind: of the new piece.
        name: as typed.
        commands: the words that the command line knows.

    Raises:
        UsageError: it is a component, or a command.
    """
    taken: set[str]
    match kind:
        case "network" | "task":
            taken = set(components(ROOMS[kind]))
        case "metric":
            taken = set(METRICS)
        case "stage":
            taken = set(stages())
    group = kind if kind != "stage" else "none"
    if name in taken or (project.configs / group / f"{name}.yaml").exists():
        raise UsageError(f"there is a {kind} {name} already ({ROOMS[kind]}): call yours something else")
    if kind == "stage" and name in commands:
        raise UsageError(f"`lightloop {name}` is a command already, and a stage becomes one: call it something else")
