"""What a new piece is for where nobody says so, and which names are taken."""

from collections.abc import Collection

from lightloop.config.compose import compose_config
from lightloop.config.metrics import METRICS
from lightloop.config.signature import components, stages
from lightloop.creation.pieces import ROOMS, Kind, variants
from lightloop.errors import UsageError
from lightloop.project import Project

# of feature: series
# Forecasts are numbers, too.
ALIKE = {"forecasting": "regression"}
# end


def variant_of(project: Project, kind: Kind, said: str | None) -> str | None:
    """Of a network the modality, of a task or metric the problem: what was said, or that of the current data.

    Returns:
        One of `variants(kind)` where nothing was said; None of a stage.

    Raises:
        UsageError: nothing was said, and there is no start for the current data.
    """
    if kind == "stage":
        return None
    # of feature: series
    said = ALIKE.get(said, said) if said else said
    # end
    if said:
        return said
    spec = compose_config(project).data
    found: str = spec.modality if kind == "network" else spec.problem
    # of feature: series
    found = ALIKE.get(found, found)
    # end
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
