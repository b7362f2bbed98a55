"""audit: the model looked at from outside: what disturbs it, what its data are like, what other data would give."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lightloop.calibration.rules import Calibration
from lightloop.config.audit import PARTS, NoAudit
from lightloop.config.schema import Config
from lightloop.files import write_json
from lightloop.project import Project


def audit(config: Config, project: Project) -> None:
    """Write `artifacts/audit/NAME.json` for each of `config.audit.PARTS`; what does not apply says why.

    Args:
        config: of the run; all of it is read, since some parts train again.
        project: where to read and write.

    Raises:
        LightloopError: the checkpoint or the data are missing, damaged, or do not fit each other.
        RefusedError: a record, or a check that `data.metamorphic` declares, is not as the data spec says.
    """
    if isinstance(config.audit, NoAudit):
        for name in PARTS:
            write_json(project.audit / f"{name}.json", {"applies": False, "why": "audit=none: nothing was audited"})
        return
    for name, content in _contents(config, project):
        write_json(project.audit / f"{name}.json", content)


def _contents(config: Config, project: Project) -> list[tuple[str, dict[str, Any]]]:
    # Late, since without an audit nothing of it is needed.
    from rich.console import Console

    from lightloop.audit.data_map import data_map
    from lightloop.audit.duplicates import duplicates
    from lightloop.audit.labels import labels
    from lightloop.audit.learning import learning
    from lightloop.audit.mitigation import mitigation
    from lightloop.audit.robustness import robustness
    from lightloop.audit.scoring import Ruler
    from lightloop.audit.staleness import staleness
    from lightloop.audit.trainings import Trainer
    from lightloop.data.splits import read_splits
    from lightloop.tasks.checkpoint import load_model

    assert not isinstance(config.audit, NoAudit)
    splits = read_splits(config.data, project.root, config.seed)
    # Further trainings are not calibrated, so what they are compared with is not either.
    served = load_model(project.checkpoint, project.calibration)
    plain = replace(served, calibration=Calibration())
    ruler, trainer = Ruler.of(config, config.audit), Trainer(config, project)
    generates = config.data.problem == "generation"
    released = None if generates else ruler.values(plain.answers(splits["test"]))
    found: dict[str, dict[str, Any]] = {}
    console = Console(highlight=False)

    def step(what: str) -> None:
        console.print(f"  {what}", soft_wrap=True)

    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "robustness": lambda: robustness(served, splits, ruler),
        "labels": lambda: labels(project, splits, ruler),
        "duplicates": lambda: duplicates(splits, ruler),
        "data_map": lambda: data_map(project, splits["train"], ruler, found["labels"]),
        "learning": lambda: learning(trainer, splits, released, ruler, step),
        "staleness": lambda: staleness(trainer, splits, ruler, step),
        "mitigation": lambda: mitigation(trainer, splits, released, ruler, step),
    }
    assert tuple(parts) == PARTS
    for number, (name, make) in enumerate(parts.items(), start=1):
        step(f"audit {number}/{len(parts)}: {name.replace('_', ' ')}")
        found[name] = make()
    trainer.done()
    return list(found.items())
