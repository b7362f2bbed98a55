"""Search spaces: from YAML to values, from values to overrides that compose; errors in one sentence."""

import optuna
import pytest

from lightloop.config.compose import compose_config
from lightloop.config.sweeps import SweepConfig
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.search.space import as_override, check_space, grid, read_sweep, split_words, suggest

SPACE = """
sampler: random
space:
  optimizer.lr: {low: 1.0e-4, high: 1.0e-1, log: true}
  network.hidden: {depth: {low: 1, high: 3}, width: {low: 8, high: 64, log: true}}
  network.dropout: {low: 0.0, high: 0.4, step: 0.2}
  trainer.batch_size: [25, 50]
  optimizer: [adamw, sgd]
"""


def write(project: Project, text: str, name: str = "mine") -> None:
    (project.configs / "sweep" / f"{name}.yaml").write_text(text)


@pytest.mark.slow
def test_values_of_every_kind_compose(project: Project):
    write(project, SPACE)
    sweep = read_sweep(project, "mine", {"trials": 7, "pruner": "none"})
    assert (sweep.trials, sweep.sampler.name, sweep.pruner.name) == (7, "random", "none")
    check_space(project, ["network=mlp", "explain=gradients"], sweep.space)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    shapes = set()
    for _ in range(12):
        values = suggest(study.ask(), sweep.space)
        overrides = [as_override(key, value) for key, value in values.items()]
        # A group's option comes before values of its keys, as on the command line.
        config = compose_config(project, ["network=mlp", "explain=gradients", *overrides])
        assert list(config.network.hidden) == values["network.hidden"]
        assert config.optimizer.name == values["optimizer"]
        assert config.optimizer.lr == values["optimizer.lr"]
        assert 1e-4 <= values["optimizer.lr"] <= 1e-1
        assert values["network.dropout"] in (0.0, 0.2, 0.4)
        assert len(set(values["network.hidden"])) == 1
        shapes.add(len(values["network.hidden"]))
    assert shapes == {1, 2, 3}


def test_the_grid_holds_every_point():
    content = {
        "sampler": "grid",
        "space": {
            "a": {"low": 0.0, "high": 0.4, "step": 0.2},
            "b": [None, [1, 2]],
            "c": {"depth": {"low": 1, "high": 2}, "width": {"low": 8, "high": 16, "step": 8}},
        },
    }
    assert grid(SweepConfig.model_validate(content).space) == {
        "a": [0.0, 0.2, 0.4],
        "b": ["null", "[1, 2]"],
        "c.width": [8, 16],
        "c.depth": [1, 2],
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), ("a b:c", '"a b:c"'), ("one_cycle", "one_cycle"), ({"a": [1]}, "{a:[1]}")],
)
def test_overrides_in_hydras_words(value: object, text: str):
    assert as_override("key", value) == f"key={text}"


@pytest.mark.parametrize(
    ("text", "own", "sentence"),
    [
        ("trials: 3", {}, "space is missing"),
        ("space: {optimizer.lr: 3}", {}, r"space\.optimizer\.lr must be a list of values, or low and high"),
        ("space: {optimizer.lr: {low: 1, hihg: 2}}", {}, r"space\.optimizer\.lr\.high is missing"),
        ("space: {optimizer.lr: {low: 2, high: 1}}", {}, r"space\.optimizer\.lr: low is 2 and high is 1"),
        ("space: {a: [1]}\nsampling: tpe", {}, "sampling is unknown"),
        ("space: {a: [1]}", {"sampler": "annealing"}, "sampler is 'annealing': valid names are 'tpe', 'gp'"),
        ("space: {a: [1]}", {"trials": 0}, "trials is 0"),
        ("space: {a: [1]}", {"sampler.startup": 0}, r"sampler\.startup is 0"),
        ("space: [1", {}, "is not valid YAML"),
        ("- a", {}, "holds no keys"),
    ],
)
def test_a_search_that_does_not_fit_is_one_sentence(project: Project, text: str, own: dict, sentence: str):
    write(project, text)
    with pytest.raises(UsageError, match=sentence) as caught:
        read_sweep(project, "mine", own)
    assert str(caught.value).startswith("configs/sweep/mine.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_those_that_are_there(project: Project):
    with pytest.raises(UsageError, match=r"configs/sweep/yours\.yaml is missing \(there: .*fashion"):
        read_sweep(project, "yours", {})


@pytest.mark.parametrize(
    ("key", "given", "sentence"),
    [
        ("optimizer.lrr", [1, 2], r"space\.optimizer\.lrr has 1, which does not fit: .* did you mean 'optimizer\.lr'"),
        ("optimizer.lr", {"low": -1.0, "high": 1.0}, r"space\.optimizer\.lr has -1\.0, which does not fit"),
        ("network", ["mlp", "resnett"], "space.network has resnett, which does not fit: .* did you mean 'resnet'"),
    ],
)
def test_a_value_that_does_not_compose_is_found_before_any_trial(project: Project, key: str, given, sentence: str):
    sweep = SweepConfig.model_validate({"space": {key: given}})
    with pytest.raises(UsageError, match=sentence):
        check_space(project, ["explain=gradients"], sweep.space)


def test_two_objectives_are_not_pruned_unless_asked(project: Project):
    write(project, SPACE)
    assert read_sweep(project, "mine", {"sampler": "nsga2"}).pruner.name == "none"
    with pytest.raises(UsageError, match="two objectives"):
        read_sweep(project, "mine", {"sampler": "nsga2", "pruner": "median"})


def test_a_word_without_a_value():
    with pytest.raises(UsageError, match="`trials` is no value for the search: write key=value"):
        split_words(["trials"])
    assert split_words(["sampler.startup=3", "seed=1"]) == ({"sampler.startup": 3}, ["seed=1"])
