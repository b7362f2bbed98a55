"""Sections and panels of the workspace. Names of metrics come from the tables that evidence is made from."""

from typing import TYPE_CHECKING

from lightloop.config.audit import PARTS
from lightloop.config.metrics import METRICS, OF_PROBLEM, Metric
from lightloop.config.schema import Config
from lightloop.tracking.artifacts import artifact_name

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

STEP = "trainer/global_step"
# Evidence that is more than one number: `report.evidence_figures` logs each file's rows as a table of its name.
MEASURED = ("predictions", "classes", "horizons", "calibration", "uncertainty", "slices", "fairness", "comparison")
SECTIONS = ("Overview", "Training", "Evaluation", "Explanations", "Releases", "Monitoring")


def sections(config: Config) -> "list[ws.Section]":
    """The sections of the workspace of a config's project, in the order of `SECTIONS`."""
    import wandb_workspaces.workspaces as ws

    panels = (_overview, _training, _evaluation, _explanations, _releases, _monitoring)
    return [
        ws.Section(name=name, panels=make(config), is_open=name in SECTIONS[:3])
        for name, make in zip(SECTIONS, panels, strict=True)
    ]


def metric_panel(spec: Metric) -> "wr.BarPlot":
    """One metric of all shown runs: its value, the ends of its interval, and the simpler model."""
    import wandb_workspaces.reports.v2 as wr

    keys = [f"metrics/{spec.name}", f"metrics/{spec.name}/low", f"metrics/{spec.name}/high", f"baseline/{spec.name}"]
    return wr.BarPlot(title=f"{spec.title}: {spec.direction} is better", metrics=keys, title_x=spec.unit)


def _overview(config: Config) -> "list[wr.PanelTypes]":
    import wandb_workspaces.reports.v2 as wr

    text = (
        "One group is one model: `train` holds its curves, `export` its bundle, `evidence` what was found about it, "
        "`fold` its folds. A sweep is a group of its own. Every figure stands in the project's own report too."
    )
    return [
        wr.MarkdownPanel(markdown=text),
        metric_panel(METRICS[config.gate.metric]),
        wr.RunComparer(diff_only="split"),
        wr.ParallelCoordinatesPlot(
            title="Sweeps: settings and what came of them",
            columns=[
                wr.ParallelCoordinatesPlotColumn(metric=wr.Config("optimizer.lr"), log=True),
                wr.ParallelCoordinatesPlotColumn(metric=wr.Config("seed")),
                wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric(f"validation/{config.gate.metric}")),
            ],
        ),
    ]


def _training(config: Config) -> "list[wr.PanelTypes]":
    import wandb_workspaces.reports.v2 as wr

    metric = config.gate.metric
    return [
        wr.LinePlot(title="Loss", x=STEP, y=["train/loss", "train/loss_epoch", "validation/loss"]),
        wr.LinePlot(title="Learning rate", x=STEP, y=["lr"]),
        wr.LinePlot(title=METRICS[metric].title, x=STEP, y=[f"train/{metric}", f"validation/{metric}"]),
        # What else a task logs of its own, such as the two losses of a GAN.
        wr.LinePlot(title="All of training", x=STEP, metric_regex="^train/.*"),
        wr.LinePlot(title="All of validation", x=STEP, metric_regex="^validation/.*"),
    ]


def _evaluation(config: Config) -> "list[wr.PanelTypes]":
    import wandb_workspaces.reports.v2 as wr

    figures = [metric_panel(METRICS[name]) for name in OF_PROBLEM[config.data.problem]]
    folds = [
        wr.BarPlot(title=f"Folds: {METRICS[config.gate.metric].title}", metrics=[f"held_out/{config.gate.metric}"])
    ]
    confusion = [wr.WeavePanelSummaryTable(table_name="confusion_table")]
    tables = [wr.WeavePanelSummaryTable(table_name=name) for name in (*MEASURED, *PARTS)]
    return [*figures, *folds, *(confusion if config.data.problem == "classification" else []), *tables]


def _explanations(config: Config) -> "list[wr.PanelTypes]":
    import wandb_workspaces.reports.v2 as wr

    methods = ["input", *config.explain.methods]
    return [
        wr.MediaBrowser(
            title="What the model looked at",
            media_keys=[f"explanations/{name}" for name in methods],
            num_columns=len(methods),
            mode="gallery",
            gallery_axis="index",
        ),
        # of feature: generation
        wr.MediaBrowser(title="Generated", media_keys=["samples/generated", "samples/real"], mode="gallery"),
        # end
        wr.WeavePanelSummaryTable(table_name="explanations/checks"),
    ]


def _releases(config: Config) -> "list[wr.PanelTypes]":
    import wandb_workspaces.reports.v2 as wr

    model = artifact_name(config.name, "model")
    return [
        wr.WeavePanelSummaryTable(table_name="releases"),
        wr.WeavePanelSummaryTable(table_name="gate/checks"),
        wr.WeavePanelArtifact(artifact=model, tab="overview"),
        wr.WeavePanelArtifact(artifact=model, tab="lineage"),
        wr.WeavePanelArtifact(artifact=artifact_name(config.name, "report"), tab="files"),
    ]


def _monitoring(_: Config) -> "list[wr.PanelTypes]":
    import wandb_workspaces.reports.v2 as wr

    text = "The data check of each run. Whatever is logged under `monitoring/` shows up beside it by itself."
    return [
        wr.MarkdownPanel(markdown=text),
        wr.BarPlot(title="Expectations that failed", metrics=["data/failed"]),
        wr.BarPlot(title="Records", metrics=["data/records"]),
        wr.LinePlot(title="Service", x="Step", metric_regex="^monitoring/.*"),
    ]
