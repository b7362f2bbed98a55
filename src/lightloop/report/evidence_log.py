"""The evidence about a model as a run in W&B: what the report shows, beside the runs of other models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from lightloop.config.image import ImageSpec
from lightloop.config.schema import AnySpec, Config
from lightloop.data.image.records import decode_image
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.history import releases
from lightloop.report.evidence_figures import figures, read_figures
from lightloop.report.records import excerpt, known_values
from lightloop.tracking import close_run, notice, open_run, send_runs
from lightloop.tracking.artifacts import data_artifact, digest_alias, model_artifact, report_artifact, use_artifact

if TYPE_CHECKING:
    import wandb

# Rows with pictures: enough to look through, few enough to load at once in a browser.
MOST_MISTAKES = 100
MOST_CORRECT = 100
CORRECT_OF_A_CLASS = 5
# W&B refuses longer lists of pictures under one key.
MOST_PICTURES = 100
# What a table says of a check of the gate.
CHECK = ("name", "passed", "warning", "threshold", "source", "message")


@dataclass(frozen=True)
class Prediction:
    """What the model said about one test record."""

    id: str
    label: str
    prediction: str
    probability: float

    @property
    def correct(self) -> bool:
        return self.label == self.prediction


def log_evidence(config: Config, project: Project, test: pa.Table | None = None) -> None:
    """Log what the loop made and found, as the runs `export` and `evidence` in the group of the training; end both.

    `export` uses the data and logs the bundle, with the aliases `candidate` and that of its digest. `evidence` uses the
    bundle and logs the report; it holds the metrics with their intervals and the gate's verdict (summary), a table of
    predictions with what the model saw, of classes the confusion matrix, the pictures of the explanation, of generation
    the samples, and all other evidence as figures and tables. Where the gate refused, W&B sends an alert.
    Whatever W&B does, the report stands: the runs are written to disk first, a failure costs one line on stderr, and a
    server that hangs costs `tracking.runs.FINISH_TIMEOUT` seconds.

    Args:
        config: of the run.
        project: whose evidence.
        test: the test records, where they were read already.
    """
    try:
        # Before a run is opened: a run in W&B without its evidence would only mislead.
        metrics, gate = (read_json(path) for path in (project.metrics, project.gate))
        made = [
            run
            for run in (_export(config, project, metrics, gate), _evidence(config, project, metrics, gate, test))
            if run
        ]
        send_runs(config, *made)
    except LightloopError as error:
        notice(f"W&B got no evidence: {error}")
    # Any fault of a service that the result does not depend on must not take the result away.
    except Exception as error:  # noqa: BLE001
        notice(f"W&B got no evidence: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")


def choose_predictions(predictions: list[Prediction]) -> list[Prediction]:
    """The records to show: mistakes, the most confident first, then correct ones, spread over each class.

    The same predictions give the same choice.

    Examples:
        >>> right, unsure = Prediction("a", "cat", "cat", 0.9), Prediction("b", "cat", "dog", 0.6)
        >>> sure = Prediction("c", "dog", "cat", 0.8)
        >>> [prediction.id for prediction in choose_predictions([right, unsure, sure])]
        ['c', 'b', 'a']
    """
    mistakes = sorted((p for p in predictions if not p.correct), key=lambda p: (-p.probability, p.id))
    correct: list[Prediction] = []
    for label in sorted({p.label for p in predictions}):
        of_class = [p for p in predictions if p.correct and p.label == label]
        # The ends and evenly between: the order of records says nothing, so this is as good as a draw.
        rows = np.linspace(0, len(of_class) - 1, min(CORRECT_OF_A_CLASS, len(of_class))).round().astype(int)
        correct.extend(of_class[row] for row in rows)
    return mistakes[:MOST_MISTAKES] + correct[:MOST_CORRECT]


def _export(config: Config, project: Project, metrics: dict[str, Any], gate: dict[str, Any]) -> "wandb.Run | None":
    run = open_run(config, project, job="export", live=False)
    if run is None:
        return None
    try:
        data = data_artifact(config, project)
        if data is not None:
            use_artifact(run, data)
        model = model_artifact(config, project, metrics, gate)
        run.log_artifact(model, aliases=["candidate", digest_alias(gate["bundle_digest"])])
    finally:
        close_run(run)
    return run


def _evidence(
    config: Config, project: Project, metrics: dict[str, Any], gate: dict[str, Any], test: pa.Table | None
) -> "wandb.Run | None":
    run = open_run(config, project, job="evidence", live=False)
    if run is None:
        return None
    try:
        content = _content(run, project, metrics, gate) | _predictions(config, project, test)
        if content:
            run.log(content)
        data = data_artifact(config, project)
        for used in (model_artifact(config, project, metrics, gate), *([data] if data else [])):
            use_artifact(run, used)
        run.log_artifact(report_artifact(config, project))
        if gate["verdict"] != "accepted":
            _alert(run, config, gate)
    finally:
        close_run(run)
    return run


def _alert(run: "wandb.Run", config: Config, gate: dict[str, Any]) -> None:
    failed = [check for check in gate["checks"] if not (check["passed"] or check.get("warning"))]
    said = [check.get("message") or check["name"] for check in failed]
    words = f"{len(failed)} of {len(gate['checks'])} checks failed: {'; '.join(said)}"
    # W&B refuses longer titles.
    run.alert(f"The gate refused {config.name}"[:64], words, level="WARN")


def _content(run: "wandb.Run", project: Project, metrics: dict[str, Any], gate: dict[str, Any]) -> dict[str, Any]:
    """Tables and pictures of the evidence; its numbers go into the run's summary."""
    numbers, tables = read_figures(project)
    run.summary.update(numbers | dict(_data_check(project)) | dict(_summary(metrics, gate)))
    content = _explanations(project)
    tables["gate/checks"] = [{key: check.get(key) for key in CHECK} for check in gate["checks"]]
    tables["explanations/checks"] = _method_checks(project)
    tables["releases"] = _releases(project)
    return content | {name: table(rows) for name, rows in tables.items() if rows}


def _predictions(config: Config, project: Project, test: pa.Table | None) -> dict[str, Any]:
    """What was said of single records, with what the model saw; nothing of generation."""
    if config.data.problem == "generation":
        return {}
    test = read_splits(config.data, project.root, config.seed)["test"] if test is None else test
    if config.data.problem == "classification":
        rows = read_predictions(project.predictions).to_pylist()
        # Of the predicted class: by costs or a threshold it need not be the most probable one.
        place = config.data.classes.index
        predictions = [
            Prediction(row["id"], row["label"], row["prediction"], row["probabilities"][place(row["prediction"])])
            for row in rows
        ]
        chosen = _predictions_table(config, test, choose_predictions(predictions))
        return {"confusion": _confusion(config, predictions), "predictions": chosen}
    return {"predictions": _numbers_table(config, project, test)}


def table(rows: list[dict[str, Any]]) -> "wandb.Table":
    """Rows as W&B shows them; a column is there when any row has it."""
    import wandb

    columns: list[str | int] = list(dict.fromkeys(key for row in rows for key in row))
    made = wandb.Table(columns=columns, allow_mixed_types=True)
    for row in rows:
        made.add_data(*(row.get(str(column)) for column in columns))
    return made


def _data_check(project: Project) -> Iterator[tuple[str, Any]]:
    if not project.validation_result.exists():
        return
    result = read_json(project.validation_result)
    yield "data/records", sum(result["rows"].values())
    yield "data/expectations", len(result["checks"])
    yield "data/failed", sum(not check["success"] for check in result["checks"])


def _method_checks(project: Project) -> list[dict[str, Any]]:
    """A row a method of explanation: whether it is to be trusted, and every number that its checks left."""
    methods = read_json(project.explanation_result).get("methods", {})
    return [
        {"method": name} | {key.partition("/")[2]: value for key, value in figures(found, name)}
        for name, found in methods.items()
    ]


def _releases(project: Project) -> list[dict[str, Any]]:
    """A row a version of the registry; none where there is no registry to be read."""
    try:
        known = releases(project)
    except LightloopError:
        return []
    return [
        {
            "version": release.version,
            "stages": ", ".join(release.stages),
            "gate": release.verdict,
            "by": release.author,
            "registered": release.created.isoformat(timespec="seconds"),
            "bundle": (release.digest or "")[:12],
            **dict(figures(release.metrics, "metrics")),
        }
        for release in known
    ]


def _summary(metrics: dict[str, Any], gate: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "n", metrics["n"]
    yield "confidence", metrics["confidence"]
    for group in ("metrics", "baseline"):
        for name, interval in metrics[group].items():
            yield f"{group}/{name}", interval["value"]
            yield f"{group}/{name}/low", interval["low"]
            yield f"{group}/{name}/high", interval["high"]
    yield "gate/verdict", gate["verdict"]
    yield "gate/champion", (gate["champion"] or {}).get("version")
    for check in gate["checks"]:
        yield f"gate/{check['name']}", check["passed"]


def _confusion(config: Config, predictions: list[Prediction]) -> Any:
    import wandb

    code = {label: number for number, label in enumerate(config.data.classes)}
    return wandb.plot.confusion_matrix(
        y_true=[code[p.label] for p in predictions],
        preds=[code[p.prediction] for p in predictions],
        class_names=list(config.data.classes),
        title=f"Confusion of {len(predictions)} test records",
    )


def _predictions_table(config: Config, test: pa.Table, chosen: list[Prediction]) -> "wandb.Table":
    import wandb

    places = _places(test)
    names = _seen_names(config.data, test)
    table = wandb.Table(columns=["id", *names, "label", "prediction", "probability", "correct"])
    for p in chosen:
        seen = _seen(config.data, test, places[p.id], names)
        table.add_data(p.id, *seen, p.label, p.prediction, p.probability, p.correct)
    return table


def _numbers_table(config: Config, project: Project, test: pa.Table) -> "wandb.Table":
    """The worst answers, then others in the order of the records."""
    import wandb

    rows = {row["id"]: row for row in read_predictions(project.predictions).to_pylist()}
    worst = [mistake["id"] for mistake in read_json(project.mistakes)]
    others = [name for name in rows if name not in set(worst)]
    places_of = np.linspace(0, len(others) - 1, min(MOST_CORRECT, len(others))).round().astype(int)
    places = _places(test)
    names = _seen_names(config.data, test)
    table = wandb.Table(columns=["id", *names, "label", "prediction", "baseline", "worst"])
    for name in [*worst[:MOST_MISTAKES], *(others[place] for place in places_of)]:
        row = rows[name]
        answers = (_short(row[column]) for column in ("label", "prediction", "baseline"))
        table.add_data(name, *_seen(config.data, test, places[name], names), *answers, name in worst)
    return table


def _places(test: pa.Table) -> dict[str, int]:
    """The row of each record by its id."""
    return {name: row for row, name in enumerate(test.column("id").to_pylist())}


def _seen_names(spec: AnySpec, test: pa.Table) -> list[str]:
    """The columns that show what the model saw."""
    if spec.modality == "tabular":
        return [name for name in spec.features if name in test.column_names]
    return [spec.modality]


def _seen(spec: AnySpec, test: pa.Table, place: int, names: list[str]) -> list[Any]:
    """One record, a cell for each of `names`."""
    import wandb

    if isinstance(spec, ImageSpec):
        pixels_CHW = decode_image(test.column("image")[place].as_py(), spec.size, spec.channels)
        image = Image.fromarray(pixels_CHW[0] if spec.channels == 1 else pixels_CHW.transpose(1, 2, 0))
        return [wandb.Image(image)]
    if spec.modality == "text":
        return [excerpt(test.column("text")[place].as_py())]
    if spec.modality == "series":
        return [_short(known_values(test, place))]
    return [test.column(name)[place].as_py() for name in names]


def _short(value: Any) -> Any:
    """Several numbers as one cell of text."""
    if not isinstance(value, list):
        return value
    return " ".join("?" if number is None else f"{number:.5g}" for number in value)


def _explanations(project: Project) -> dict[str, Any]:
    """By method its overlays, and the inputs that they belong to, in the same order; of generation its pictures."""
    import wandb

    result = read_json(project.explanation_result)
    pictures: dict[str, Any] = {}
    for record in result.get("records", [])[:MOST_PICTURES]:
        if "overlays" not in record:
            break
        caption = f"{record['id']}: {record['label']}, predicted {record['prediction']} ({record['probability']:.2f})"
        for name, file in {"input": record["input"], **record["overlays"]}.items():
            trusted = name == "input" or result["methods"][name]["trusted"]
            image = wandb.Image(
                str(project.explanation / file), caption=caption if trusted else f"{caption}, not trusted"
            )
            pictures.setdefault(f"explanations/{name}", []).append(image)
    # Of what was generated: sheets of many images.
    sheets = result.get("pictures", {}).items()
    return pictures | {f"samples/{name}": wandb.Image(str(project.explanation / file)) for name, file in sheets}
