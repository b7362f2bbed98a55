"""All ways tried side by side: the smallest bundle that answers as well as the network is the one that is released."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from lightloop.compression.candidates import FLOAT, Bench, Candidate
from lightloop.compression.judging import CALIBRATION, Judge
from lightloop.compression.kept import keep_exported, release_bundle
from lightloop.compression.speed import measure_speed, processor
from lightloop.compression.table import print_table
from lightloop.config.compression import Compress, bound_of
from lightloop.config.schema import Config
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.problem import problem_of
from lightloop.evaluation.slices import slices_content
from lightloop.files import write_json
from lightloop.project import Project

SCRATCH = "compress-bundles"


def try_methods(config: Config, project: Project, settings: Compress) -> None:
    """Try every configured way; write `artifacts/bundle`, the evidence for it, and print the trade-off.

    A way passes where its bundle is not worse than the network by more than the bound, with the gate's confidence, on
    the validation split. What is reported of the test split chooses nothing.

    Args:
        config: of the run.
        project: where to read and write.
        settings: the ways.

    Raises:
        UsageError: a teacher is not there.
        LightloopError: a file is missing or damaged, or a training failed.
    """
    folder = project.scratch / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    bench = Bench(config, project, folder)
    candidates = [bench.float_candidate(), *(bench.candidate(*way) for way in settings.methods.items())]
    rows = _rows(bench, candidates)
    chosen = smallest(rows, settings.size)
    for row in rows:
        row["chosen"] = row["name"] == chosen
    bound, source = bound_of(config)
    content = {
        "applies": True,
        "chosen": chosen,
        "metric": config.gate.metric,
        "calibration": CALIBRATION if bench.exported.classes else "coverage",
        "max_loss": bound,
        "source": source,
        "size": settings.size,
        "confidence": config.gate.confidence,
        "resamples": config.gate.resamples,
        "n": {"validation": len(bench.splits["validation"]), "test": len(bench.splits["test"])},
        "candidates": rows,
    }
    made = [one for one in candidates if one.why is None]
    speed = _speed(bench, made, settings)
    _release(bench, next(one for one in made if one.name == chosen))
    write_json(project.compression, content)
    write_json(project.compression_speed, speed)
    print_table(content, speed)
    shutil.rmtree(folder, ignore_errors=True)
    if "workshop" in vars(bench):
        bench.workshop.done()


def smallest(rows: Sequence[Mapping[str, Any]], size: str) -> str:
    """The name of the smallest that passes; of equal ones the first, which the network itself is.

    Examples:
        >>> rows = [
        ...     {"name": "float", "passes": True, "bytes": {"graph": 9}},
        ...     {"name": "a", "passes": False, "bytes": {"graph": 1}},
        ...     {"name": "b", "passes": True, "bytes": {"graph": 3}},
        ...     {"name": "c", "passes": False, "why": "no such layer"},
        ... ]
        >>> smallest(rows, "graph")
        'b'
    """
    passing = [row for row in rows if row["passes"]]
    name: str = min(passing, key=lambda row: row["bytes"][size])["name"]
    return name


def _rows(bench: Bench, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """A row a way: sizes, what it answers on the validation and the test split, whether it passes."""
    network = bench.exported
    questions = {part: bench.splits[part] for part in ("validation", "test")}
    judges = {
        part: Judge(bench.config, records, network, network.answers(records)) for part, records in questions.items()
    }
    bound, _ = bound_of(bench.config)
    rows = []
    for one in candidates:
        row: dict[str, Any] = {"name": one.name, "steps": [step.model_dump(mode="json") for step in one.steps]}
        if one.why is not None:
            rows.append({**row, "passes": False, "why": one.why})
            continue
        figures = {
            part: judge.figures(one.predictor, one.predictor.answers(questions[part])) for part, judge in judges.items()
        }
        low = figures["validation"]["difference"]["low"]
        rows.append(
            {
                **row,
                # The network is not worse than itself, also where a metric is undefined.
                "passes": one.name == FLOAT or (low is not None and low >= -bound),
                "why": None,
                "parameters": one.parameters,
                "bytes": one.sizes(),
                "scaling": one.predictor.manifest.rules.scaling.name,
                **figures,
            }
        )
    return rows


def _speed(bench: Bench, made: Sequence[Candidate], settings: Compress) -> dict[str, Any]:
    """The content of compression_speed.json."""
    test = bench.splits["test"].slice(0, 64)
    feeds = bench.exported.manifest.input.encode(test, bench.exported.files)
    found = measure_speed({one.name: one.predictor for one in made}, feeds, settings.rounds)
    return {
        "applies": True,
        "processor": processor(),
        "threads": 1,
        "rounds": settings.rounds,
        "milliseconds": found,
    }


def _release(bench: Bench, chosen: Candidate) -> None:
    """Put the chosen bundle where the gate finds it, with the evidence on its own answers."""
    config, project = bench.config, bench.project
    if chosen.name == FLOAT:
        keep_exported(project)
        return
    release_bundle(chosen.folder, project)
    predictor = chosen.predictor
    problem = problem_of(config.data, predictor.manifest.rules.decision)
    float_predictions = read_predictions(project.predictions)
    baseline = {problem.answer: problem.written(float_predictions, "baseline")}
    questions = problem.questions(config, bench.splits["test"])
    answers = predictor.answers(questions)
    shutil.rmtree(project.released().evaluation, ignore_errors=True)
    problem.write(config, project.released(), questions, answers, baseline)
    predictions = read_predictions(project.released().predictions)
    write_json(project.released().slices, slices_content(config, problem, predictions, questions))
