"""The settings compose, for every modality and size, and say what they rest on."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from adoption_world import MONTHLY, PHOTOS, customers, guessed, sales

from lightloop.adoption.configs import DataSet, card_yaml, data_yaml, experiment_yaml
from lightloop.adoption.model import Guess
from lightloop.adoption.settings import Facts, choose, window_and_horizon
from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.files import write_text
from lightloop.project import Project


def table_guess() -> Guess:
    return guessed(customers().drop(columns="Kunden-Nr"), "bleibt")


def forecast_guess() -> Guess:
    frame = sales()
    guess = guessed(frame, "sales", "forecasting", modality="series", policy="time", rhythm=MONTHLY)
    month = replace(guess.columns[0], what="time", role="time", kind=None)
    return replace(guess, columns=(month, guess.columns[1]))


def picture_guess() -> Guess:
    frame = customers().rename(columns={"Ort": "image", "bleibt": "label"})[["image", "label"]]
    return guessed(frame, "label", modality="image", pictures=PHOTOS)


def text_guess() -> Guess:
    frame = customers().rename(columns={"Ort": "text", "bleibt": "label"})[["text", "label"]]
    return guessed(frame, "label", modality="text", length=120)


GUESSES = {
    "table": table_guess,
    "numbers": lambda: guessed(customers().drop(columns="Kunden-Nr"), "Einkommen netto", "regression"),
    "pictures": picture_guess,
    "texts": text_guess,
    "forecast": forecast_guess,
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, repository: Project) -> Project:
    import shutil

    root = tmp_path_factory.mktemp("configs")
    shutil.copytree(repository.configs, root / "configs")
    return Project(root)


def composed(project: Project, guess: Guess, facts: Facts, name: str = "mine") -> Config:
    sizes = {}
    # of feature: series
    sizes = dict(zip(("window", "horizon"), window_and_horizon(180, 12), strict=True))
    # end
    dataset = DataSet(name, "table.csv", {"train": "train.parquet"}, guess.classes, **sizes)
    write_text(project.configs / "data" / f"{name}.yaml", data_yaml(dataset, guess))
    write_text(project.configs / "experiment" / f"{name}.yaml", experiment_yaml(name, choose(name, guess, facts)))
    empty = (project.configs / "card/empty.yaml").read_text()
    write_text(project.configs / "card" / f"{name}.yaml", card_yaml(name, empty, "table.csv"))
    return compose_config(project, [f"experiment={name}"])


@pytest.mark.parametrize("kind", GUESSES)
@pytest.mark.parametrize("records", [60, 200_000])
def test_they_compose(copied: Project, kind: str, records: int):
    guess = GUESSES[kind]()
    shares = (0.5, 0.5) if guess.classes else ()
    deviation = None if guess.classes else 12.3
    facts = Facts(records, records // 5, records // 4, shares=shares, deviation=deviation, naive=0.8)
    config = composed(copied, guess, facts)
    assert config.data.name == config.name == config.card.data == "mine"
    assert config.data.problem == guess.problem
    steps = config.trainer.max_epochs * (records / config.trainer.batch_size)
    assert steps >= 100, "enough steps to learn something"
    assert config.trainer.patience <= config.trainer.max_epochs
    assert config.gate.metric in ("accuracy", "rmse")


def test_every_line_of_the_experiment_is_yaml_with_a_reason(copied: Project):
    composed(copied, table_guess(), Facts(150, 30, 60, shares=(0.5, 0.5)))
    lines = (copied.configs / "experiment/mine.yaml").read_text().splitlines()
    values = [line for line in lines if ": " in line and not line.startswith(("#", "  - override", "name:"))]
    unsaid = [line for line in values if "#" not in line]
    assert len(unsaid) <= len(values) / 4, unsaid


def test_rare_classes_choose_the_metric_and_the_bounds():
    facts = Facts(1_000, 150, 300, shares=(0.05, 0.95))
    gate = choose("mine", table_guess(), facts).values["gate"]
    assert gate["metric"].value == "auroc"
    assert gate["bounds"]["accuracy"].value < 0.95
    entropy = -(0.05 * math.log(0.05) + 0.95 * math.log(0.95))
    assert gate["bounds"]["log_loss"].value == pytest.approx(entropy, abs=1e-3)
    three = choose("mine", table_guess(), replace(facts, shares=(0.1, 0.3, 0.6))).values["gate"]
    assert three["metric"].value == "macro_f1"
    even = choose("mine", table_guess(), replace(facts, shares=(0.5, 0.5))).values["gate"]
    assert even["metric"].value == "accuracy"
    assert even["max_ece"].value == 0.1


def test_letters_are_not_mirrored():
    guess = replace(picture_guess(), classes=("0", "1"))
    assert choose("mine", guess, Facts(900, 100, 200, shares=(0.5, 0.5))).values["augment"]["flip"].value is False
    other = choose("mine", picture_guess(), Facts(900, 100, 200, shares=(0.5, 0.5))).values["augment"]["flip"].value
    assert other is True


@pytest.mark.parametrize(
    ("step", "season", "calendar"),
    [("hour", 24, ["day", "week"]), ("day", 7, ["week", "year"]), ("month", 12, ["year"]), ("year", 1, [])],
)
def test_the_calendar_fits_the_step(step: str, season: int, calendar: list[str]):
    guess = replace(forecast_guess(), rhythm=replace(MONTHLY, step=step, season=season))
    settings = choose("mine", guess, Facts(900, 100, 200, deviation=3.0, naive=0.9))
    assert settings.values["preprocess"]["calendar"].value == calendar


@pytest.mark.parametrize("steps", [30, 50, 96, 144, 500, 2284, 50_000])
@pytest.mark.parametrize("season", [1, 4, 7, 12, 24, 52, 365])
def test_windows_leave_something_in_every_part(steps: int, season: int):
    window, horizon = window_and_horizon(steps, season)
    test = round(0.15 * steps)
    validation = round(0.15 * (steps - test))
    assert test - horizon >= 2
    assert validation - horizon >= 1
    assert steps - test - validation - window - horizon >= 5


def test_the_card_is_the_empty_one_about_this_data_set(repository: Project):
    written = yaml.safe_load(card_yaml("mine", (repository.configs / "card/empty.yaml").read_text(), "a\nb.csv"))
    assert written.pop("data") == "mine"
    assert not any(written.values())


def test_the_data_config_says_why(copied: Project, tmp_path: Path):
    guess = table_guess()
    ignored = replace(guess.columns[0], role="ignored", why='known only afterwards: "paid"')
    doubtful = replace(guess.columns[1], confidence=0.4, kind="ordered", values=("1", "2"), reason="few values")
    text = data_yaml(
        DataSet("mine", "a.csv", {"train": "train.parquet"}, guess.classes, left_out=("Left out: 3 copies.",)),
        replace(guess, columns=(ignored, doubtful, *guess.columns[2:]), favourable="ja"),
    )
    assert "# Left out: 3 copies." in text
    assert "ordered" in text
    assert "(40%): few values" in text
    spec = yaml.safe_load(text)
    assert spec["columns"]["Einkommen netto"] == {"role": "ignored", "why": 'known only afterwards: "paid"'}
    assert spec["orders"] == {"Größe (Monate)": ["1", "2"]}
    assert spec["favourable"] == "ja"
