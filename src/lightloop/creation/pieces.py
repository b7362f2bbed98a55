"""What a new piece consists of: its files, rendered, and what it adds to files that are there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from lightloop.config.metrics import METRICS
from lightloop.config.signature import PACKAGE
from lightloop.creation.lines import with_settings, with_stage
from lightloop.creation.names import check_name, check_no_clash, class_of, title_of
from lightloop.errors import UsageError

Kind = Literal["network", "task", "metric", "stage"]
# Where a kind's code and tests lie.
ROOMS: dict[Kind, str] = {"network": "networks", "task": "tasks", "metric": "evaluation/own", "stage": "stages"}
# The small data set of the tests on which a network of a modality, or a task of a problem, is trained.
WORLDS = {
    # of feature: image
    "image": "images",
    # end
    # of feature: tabular
    "tabular": "table",
    # end
    # of feature: text
    "text": "texts",
    # end
    # of feature: series
    "series": "series",
    # end
    "classification": "images",
    "regression": "prices",
}
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Piece:
    """A new piece, not yet written.

    Attributes:
        kind: network, task, metric or stage.
        name: as typed.
        variant: the modality of a network, the problem of a task or metric; none of a stage.
        files: new ones with their content, relative to the project.
        edits: of files that are there: from their text to the new one.
        hints: what to type next.
    """

    kind: Kind
    name: str
    variant: str | None
    files: dict[str, str]
    edits: dict[str, Callable[[str], str]] = field(default_factory=dict)
    hints: tuple[str, ...] = ()


def variants(kind: Kind) -> tuple[str, ...]:
    """The starts that there are for a kind: of networks the modalities, of tasks and metrics the problems.

    Examples:
        >>> variants("task"), variants("stage")
        (('classification', 'regression'), ())
    """
    found = (path.name.removesuffix(".py.j2").removeprefix(kind) for path in TEMPLATES.glob(f"{kind}*.py.j2"))
    return tuple(sorted(name.removeprefix("_") for name in found if name and not name.endswith("test")))


def new_piece(kind: Kind, name: str, variant: str | None = None, *, after: str = "evaluate") -> Piece:
    """A new piece that works as it stands.

    Args:
        kind: network, task, metric or stage.
        name: of file and config; the class has it in capitals.
        variant: one of `variants(kind)`.
        after: of a stage: behind which one it stands in dvc.yaml. What it really waits for are its dependencies.

    Raises:
        UsageError: the name is none, or there is no such variant.

    Examples:
        >>> sorted(new_piece("metric", "hit_rate", "classification").files)
        ['src/lightloop/evaluation/own/hit_rate.py', 'tests/evaluation/own/test_hit_rate.py']
    """
    check_name(kind, name)
    known = variants(kind)
    if known and variant not in known:
        raise UsageError(f"there is no start of a {kind} for {variant!r}: there is one for {', '.join(known)}")
    if kind == "metric" and name in METRICS:
        raise UsageError(f"there is a metric {name} already: call yours something else")
    values = {
        "name": name,
        "class_name": class_of(name),
        "title": title_of(name),
        "modality": variant,
        "world": WORLDS.get(variant or "", ""),
    }
    stem = kind if variant is None else f"{kind}_{variant}"
    source = render(f"{stem}.py.j2", values)
    check_no_clash(kind, name, source)
    code, test = f"src/{PACKAGE.name}/{ROOMS[kind]}/{name}.py", f"tests/{ROOMS[kind]}/test_{name}.py"
    files = {code: source, test: render(_own_or_shared(stem, kind, "_test.py.j2"), values)}
    match kind:
        case "network" | "task":
            files[f"configs/{kind}/{name}.yaml"] = render(_own_or_shared(stem, kind, ".yaml.j2"), values)
            hints = (f"lightloop run {kind}={name} debug=limit", f'pytest {test} -m ""')
            return Piece(kind, name, variant, files, hints=hints)
        case "metric":
            return Piece(kind, name, variant, files, hints=(f"pytest {test}", f"lightloop run gate.metric={name}"))
        case "stage":
            entry = render("stage.yaml.j2", values)
            edits: dict[str, Callable[[str], str]] = {
                "dvc.yaml": lambda text: with_stage(text, entry, after),
                "configs/config.yaml": lambda text: with_settings(text, name, {"share": "0.1"}),
            }
            return Piece(kind, name, variant, files, edits, (f"pytest {test}", f"lightloop run --until {name}"))


def _own_or_shared(stem: str, kind: Kind, ending: str) -> str:
    """The template of a variant, where it has one of its own; else that of all variants."""
    own = f"{stem}{ending}"
    return own if (TEMPLATES / own).exists() else f"{kind}{ending}"


def render(template: str, values: dict[str, str | None]) -> str:
    """A template of this package, with its last newline."""
    environment = Environment(
        loader=PackageLoader(f"{PACKAGE.name}.creation"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python and YAML, which no browser reads
    )
    return environment.get_template(template).render(values)
