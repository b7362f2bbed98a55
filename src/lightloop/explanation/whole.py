"""What the explain stage says of the model as a whole, beside the records that it explains one by one."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.data.splits import SplitName
from lightloop.explanation.concepts import concepts_content
from lightloop.explanation.findings import Findings
from lightloop.explanation.overall import global_content
from lightloop.explanation.population import choose_method, draw_population
from lightloop.explanation.subject import Subject
from lightloop.explanation.versions import versions_content
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model

# Files of `artifacts/explanation/`, as JSON.
PARTS = ("global", "concepts", "versions")
GENERATED = {"applies": False, "why": "What was generated is explained by what lies near it."}


def whole_model(
    config: Config,
    project: Project,
    model: Model,
    tables: Mapping[SplitName, pa.Table],
    predictions: pa.Table,
    *,
    subject: Subject,
    found: Findings,
) -> dict[str, dict[str, Any]]:
    """The contents of `PARTS`, by name; see `overall`, `concepts` and `versions`.

    Args:
        config: of the run.
        project: where the champion lies.
        model: the trained one.
        tables: the splits.
        predictions: of the test split.
        subject: the records of result.json.
        found: what was found about them.
    """
    concepts = concepts_content(config, model, subject, tables)
    method = choose_method(found)
    if method is None:
        none = {"applies": False, "why": "No attribution method could be computed for this network."}
        return {"global": none, "concepts": concepts, "versions": none}
    trusted = bool(found.methods[method]["trusted"])
    population = draw_population(config, model, tables, predictions, method, trusted=trusted)
    return {
        "global": global_content(population, tables, found),
        "concepts": concepts,
        "versions": versions_content(config, project, population, tables),
    }
