"""evaluate: the trained model and a simpler one on the test split, the only time that it is looked at."""

import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.calibration import calibration_content
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.fairness import fairness_content
from lightloop.evaluation.problem import problem_of
from lightloop.evaluation.slices import slices_content
from lightloop.evaluation.thresholds import threshold_content
from lightloop.evaluation.uncertainty import uncertainty_content
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, load_model
from lightloop.tasks.disagreement import measure_disagreement

# As the calibrate stage writes it where nothing applies; in a run of the whole loop it has always run.
NOT_YET = {"applies": False, "why": "the calibrate stage has not run"}


def evaluate(config: Config, project: Project) -> None:
    """Write predictions, metrics with intervals, and what is special to the problem, of the test split.

    Args:
        config: of the run; read are `data`, `seed`, and of `gate` the metric, confidence and resamples.
        project: where to read and write.

    Raises:
        LightloopError: a file is missing or not readable; the checkpoint is of other data or answers no numbers.
        RefusedError: a record is not as the data spec says.
    """
    spec = config.data
    model = load_model(project.checkpoint, project.calibration)
    trained = model.config.data
    if (trained.modality, trained.problem, trained.classes) != (spec.modality, spec.problem, spec.classes):
        raise LightloopError(
            f"{project.relative(project.checkpoint)} was trained for the classes "
            f"{', '.join(trained.classes)}, but the config has {', '.join(spec.classes)}: run `lightloop run`"
        )
    splits = read_splits(spec, project.root, config.seed)
    if not len(splits["test"]):
        raise LightloopError(f"the test split of {spec.name} has no record: give it some, or say data.split.test=0.2")

    problem = problem_of(spec, model.calibration.decision)
    questions = problem.questions(config, splits["test"])
    baseline = baseline_answers(config, splits, questions)
    problem.prepare(config, project, splits)
    problem.write(config, project, questions, model.answers(questions), baseline)

    predictions = read_predictions(project.predictions)
    write_json(project.slices, slices_content(config, problem, predictions, questions))
    fairness = fairness_content(config, problem, predictions, splits["train"])
    if fairness["applies"]:
        validation = splits["validation"]
        validated_NK = problem.checked(model.answers(validation), "the model")
        fairness["thresholds"] = threshold_content(config, problem, predictions, validation, validated_NK)
    write_json(project.fairness, fairness)
    _write_certainty(config, project, model, questions, predictions)


def _write_certainty(
    config: Config, project: Project, model: Model, questions: pa.Table, predictions: pa.Table
) -> None:
    """Whether the model is as often right as it says, and how sure it is of single answers."""
    found = NOT_YET
    if project.calibration.exists():
        found = read_json(project.calibration)
    write_json(project.calibration_evidence, calibration_content(config, predictions, found))
    parts, settings = None, config.uncertainty
    if config.data.problem != "generation":
        parts = measure_disagreement(
            model, questions, samples=settings.samples, records=settings.records, seed=config.seed
        )
    why = "uncertainty.samples is 0" if not settings.samples else "the network has no dropout and is no ensemble"
    content = uncertainty_content(config, predictions, model.calibration, vars(parts) if parts else None, why)
    write_json(project.uncertainty, content)
