"""evaluate: the trained model and a simpler one on the test split, the only time that it is looked at."""

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.problem import problem_of
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model


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
    model = load_model(project.checkpoint)
    trained = model.config.data
    if (trained.modality, trained.problem, trained.classes) != (spec.modality, spec.problem, spec.classes):
        raise LightloopError(
            f"{project.relative(project.checkpoint)} was trained for the classes "
            f"{', '.join(trained.classes)}, but the config has {', '.join(spec.classes)}: run `lightloop run`"
        )
    splits = read_splits(spec, project.root, config.seed)
    if not len(splits["test"]):
        raise LightloopError(f"the test split of {spec.name} has no record: give it some, or say data.split.test=0.2")

    problem = problem_of(spec)
    questions = problem.questions(config, splits["test"])
    baseline = baseline_answers(config, splits, questions)
    problem.prepare(config, project, splits)
    problem.write(config, project, questions, model.answers(questions), baseline)
