"""report: the static site and the model card, from the evidence that the other stages left."""

import os

from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.files import replacing
from lightloop.journal import JOURNAL
from lightloop.monitoring.page import keep_page
from lightloop.project import Project
from lightloop.report.evidence import read_evidence
from lightloop.report.evidence_log import log_evidence
from lightloop.report.plots import write_plots
from lightloop.report.runs import update_runs
from lightloop.report.site import write_site
from lightloop.score.said import keep_page as keep_score


def report(config: Config, project: Project) -> None:
    """Write `reports/`: pages, model card, Data Docs and what they show, and tables for `dvc plots`; log it all to W&B.

    Args:
        config: of the run.
        project: where to read and write.

    Raises:
        LightloopError: evidence that the report can't do without is missing or damaged.
    """
    evidence = read_evidence(config, project, METRICS)
    records = read_splits(config.data, project.root, config.seed)["test"]
    with replacing(project.reports) as folder:
        write_site(evidence, records, project, folder)
        update_runs(project, folder)
        keep_page(project, folder)
    if JOURNAL not in os.environ:  # else the run does, once dvc.lock knows this stage
        keep_score(project)
    write_plots(evidence, project)
    log_evidence(config, project, records)
