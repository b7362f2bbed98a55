"""Roles, target, problem and split are guessed from names and values; what is not sure is asked, and answers count."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from adoption_cases import customers, guessed, messages, months, save, waves, write_images

from lightloop.adoption.model import SURE
from lightloop.adoption.reading import read_part
from lightloop.config.schema import Config
from lightloop.config.tabular import TabularSpec
from lightloop.errors import UsageError


def test_a_clean_table(tmp_path: Path) -> None:
    _, guess = guessed(save(customers(), tmp_path / "a.csv"))
    assert (guess.modality, guess.problem, guess.policy, guess.questions) == (
        "tabular",
        "classification",
        "stratified",
        (),
    )
    assert {column.name: (column.role, column.kind) for column in guess.columns} == {
        "spent": ("feature", "number"),
        "orders": ("feature", "number"),
        "town": ("feature", "category"),
        "size": ("feature", "ordered"),
        "churned": ("target", None),
    }
    assert guess.column("size").values == ("small", "medium", "large")
    assert guess.classes == ("no", "yes")
    assert all(column.confidence >= SURE and column.reason for column in guess.columns)


@pytest.mark.parametrize("seed", range(4))
def test_columns_of_no_use_never_become_features(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    table = customers(seed=seed)
    records = len(table)
    planted = {
        "": range(records),
        "CustomerID": rng.permutation(10_000)[:records],
        "uuid": [f"{number:032x}" for number in rng.permutation(records)],
        "email": [f"user{number}@example.org" for number in rng.permutation(records)],
        "constant": "same",
        "empty": None,
        "comment": [
            " ".join(rng.choice(["good", "late", "never", "again", "box", "fine"], 9)) + f" {row}"
            for row in range(records)
        ],
        "signed": pd.date_range("2020-01-01", periods=records, freq="D").strftime("%d.%m.%Y"),
        "left": np.where(table["churned"] == "yes", "Y", "N"),
    }
    for name, values in planted.items():
        table.insert(int(rng.integers(0, table.shape[1])), name, values)
    source, guess = guessed(save(table, tmp_path / "a.csv"), target="churned")
    features = {column.source for column in guess.with_role("feature")}
    assert features == {"spent", "orders", "town", "size"}
    left = {column.source: column.what for column in guess.columns if column.role == "ignored"}
    assert left["CustomerID"] == left["uuid"] == left["email"] == "identifier"
    assert (left["constant"], left["empty"], left["comment"]) == ("constant", "empty", "free text")
    assert all(column.why for column in guess.columns if column.role == "ignored")
    # Nothing is lost: what is ignored is still there.
    assert len(read_part(source, guess, "train").column_names) == table.shape[1]


def test_the_guess_is_a_data_set_that_the_config_takes(tmp_path: Path) -> None:
    table = customers().assign(id=range(240), hash=["x", "y", "z"] * 80)
    _, guess = guessed(save(table, tmp_path / "a.csv"), target="churned")
    spec = TabularSpec(
        name="a", modality="tabular", problem=guess.problem, path="data/a", files={"train": "a.parquet"}, id=guess.id,
        expectations="a", classes=guess.classes, split={"policy": guess.policy, "test": 0.2},
        columns={
            column.name: {"role": column.role, "kind": column.kind, "why": column.why}
            for column in guess.columns if column.name != guess.id
        },
        orders={column.name: column.values for column in guess.with_role("feature") if column.kind == "ordered"},
    )  # fmt: skip
    assert (spec.id, spec.target, "hash_" in spec.columns) == ("id", "churned", True)
    assert "data" in Config.model_fields


@pytest.mark.parametrize(
    ("name", "values", "problem", "asked"),
    [
        ("target", [0, 1], "classification", False),
        ("species", ["a", "b", "c"], "classification", False),
        ("price", [1.5, 2.25, 9.75, 4.5], "regression", False),
        ("quality", list(range(3, 9)), "regression", False),
        ("class", [0, 1, 2, 3], "classification", False),
        ("result", list(range(1, 6)), "regression", True),
        ("answer", [True, False], "classification", False),
    ],
)
def test_the_problem_by_the_target(name: str, values: list[object], problem: str, asked: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    chosen = [values[place] for place in rng.integers(0, len(values), 240)]
    if problem == "regression" and not asked and name == "price":
        chosen = rng.lognormal(3, 1, 240).round(2).tolist()
    table = customers().drop(columns="churned").assign(**{name: chosen})
    _, guess = guessed(save(table, tmp_path / "a.csv"), target=name)
    assert guess.problem == problem
    assert ("problem" in [question.key for question in guess.questions]) == asked
    _, other = guessed(
        save(table, tmp_path / "a.csv"), target=name, answers={"problem": "classification"} if asked else {}
    )
    assert other.problem == ("classification" if asked else problem)


def test_a_target_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = save(pd.DataFrame(rng.normal(size=(100, 4)), columns=["north", "east", "south", "west"]), tmp_path / "a.csv")
    _, guess = guessed(path)
    assert [question.key for question in guess.questions] == ["target"]
    _, answered = guessed(path, answers={"target": "east"})
    assert (answered.target.name, answered.questions) == ("east", ())
    assert {column.name for column in answered.with_role("feature")} == {"north", "south", "west"}


def test_protected_traits_are_kept_from_the_model_and_asked_about(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = customers().assign(sex=rng.choice(["f", "m"], 240), ethnicity=rng.choice(["a", "b", "c"], 240))
    path = save(table[["sex", "ethnicity", *customers().columns]], tmp_path / "a.csv")
    _, guess = guessed(path)
    assert {column.name for column in guess.with_role("sensitive")} == {"sex", "ethnicity"}
    assert [question.key for question in guess.questions] == ["column:sex"]
    _, answered = guessed(path, answers={"column:sex": "feature"})
    assert (answered.column("sex").role, answered.column("sex").kind, answered.questions) == ("feature", "category", ())


def test_what_groups_records_divides_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = customers().assign(patient_id=rng.integers(100, 140, 240))
    _, guess = guessed(save(table, tmp_path / "a.csv"), target="churned")
    assert (guess.policy, guess.column("patient_id").role) == ("group", "group")


def test_dated_records_are_divided_by_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 90, 240), unit="D")
    source, guess = guessed(
        save(customers().assign(order_date=days.strftime("%m/%d/%Y")), tmp_path / "a.csv"), target="churned"
    )
    assert (guess.policy, guess.column("order_date").role) == ("time", "time")
    assert read_part(source, guess, "train").column("order_date").to_pylist() == days.to_pydatetime().tolist()


@pytest.mark.parametrize(
    ("stamps", "step", "resample", "season"),
    [
        (pd.date_range("2010-01-01", periods=120, freq="MS").strftime("%Y-%m"), "month", "MS", 12),
        (pd.date_range("2010-01-01", periods=120, freq="QS").strftime("%d.%m.%Y"), "quarter", "QS", 1),
        (pd.Index(range(1880, 2000)), "year", "YS", 12),
        (pd.date_range("2010-01-01", periods=120, freq="D").strftime("%Y-%m-%d"), "day", None, 1),
        (pd.date_range("2010-01-01", periods=120, freq="B").strftime("%Y-%m-%d"), "working day", "B", 1),
        (pd.Index([1950 + month / 12 for month in range(120)]), "month", "MS", 12),
        (pd.date_range("2010-01-01", periods=120, freq="h").strftime("%Y-%m-%d %H:%M"), "hour", None, 24),
    ],
)
def test_the_rhythm_of_a_series(stamps: pd.Index, step: str, resample: str | None, season: int, tmp_path: Path) -> None:
    table = months().assign(month=stamps).rename(columns={"month": "date"})
    _, guess = guessed(save(table, tmp_path / "a.csv"))
    assert (guess.modality, guess.problem, guess.policy, guess.target.name) == (
        "series",
        "forecasting",
        "time",
        "passengers",
    )
    assert guess.rhythm is not None
    assert (guess.rhythm.step, guess.rhythm.resample, guess.rhythm.season) == (step, resample, season)


def test_a_series_that_is_not_in_order_is_put_in_order(tmp_path: Path) -> None:
    source, guess = guessed(save(months().iloc[::-1], tmp_path / "a.csv"))
    assert guess.problem == "forecasting"
    assert read_part(source, guess, "train").column("passengers").to_pylist() == months()["passengers"].tolist()


@pytest.mark.parametrize("start", [1871.0, 1949 + 1 / 12])
def test_years_are_read_where_they_have_a_decimal_comma(start: float, tmp_path: Path) -> None:
    steps = 1.0 if start == 1871 else 1 / 12
    table = months().rename(columns={"month": "year"}).assign(year=[start + steps * row for row in range(120)])
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False, sep=";", decimal=",")
    source, guess = guessed(path)
    assert guess.problem == "forecasting"
    stamps = read_part(source, guess, "train").column("year").to_pylist()
    assert (stamps[0].year, len(set(stamps))) == (int(start), 120)


def test_other_series_beside_the_forecast_one_are_asked_about(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = months().assign(**{name: rng.normal(size=120) for name in ("rain", "wind", "sun")})
    path = save(table, tmp_path / "a.csv")
    _, guess = guessed(path, target="passengers")
    assert [question.key for question in guess.questions] == ["problem"]
    _, forecast = guessed(path, target="passengers", answers={"problem": "forecasting"})
    assert (forecast.modality, forecast.with_role("feature")) == ("series", ())
    _, table_guess = guessed(path, target="passengers", answers={"problem": "regression"})
    assert (table_guess.modality, table_guess.policy) == ("tabular", "time")
    assert {column.name for column in table_guess.with_role("feature")} == {"rain", "wind", "sun"}


def test_whole_series_in_columns_become_lists(tmp_path: Path) -> None:
    source, guess = guessed(save(waves(), tmp_path / "a.csv"))
    assert (guess.modality, guess.problem, guess.length) == ("series", "classification", 40)
    read = read_part(source, guess, "train")
    assert read.column_names == ["label", "series"]
    assert read.column("series")[0].as_py() == pytest.approx(waves().iloc[0, :40].tolist(), rel=1e-5)


def test_numbered_features_are_no_series(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, 30)), columns=[f"V{number}" for number in range(30)])
    _, guess = guessed(save(table.assign(label=rng.choice(["a", "b"], 80)), tmp_path / "a.csv"))
    assert (guess.modality, len(guess.with_role("feature"))) == ("tabular", 30)


def test_texts_with_a_label_are_a_data_set_of_texts(tmp_path: Path) -> None:
    _, guess = guessed(save(messages(), tmp_path / "a.csv"))
    assert (guess.modality, guess.target.name, guess.column("text").role) == ("text", "label", "feature")
    short = pd.DataFrame(
        {"name": [f"{a}{b}{c}" for a in "ABCD" for b in "aeiou" for c in "nrlst"], "gender": ["f", "m"] * 50}
    )
    _, names = guessed(save(short, tmp_path / "b.csv"), target="gender")
    assert (names.modality, names.column("name").role) == ("text", "feature")


def test_images_in_a_column(tmp_path: Path) -> None:
    files = sorted(write_images(tmp_path / "images").glob("*/*.png"))
    table = pd.DataFrame(
        {"picture": [file.read_bytes() for file in files], "animal": [file.parent.name for file in files]}
    )
    table.to_parquet(tmp_path / "a.parquet")
    _, guess = guessed(tmp_path / "a.parquet")
    assert (guess.modality, guess.target.name, guess.classes) == ("image", "animal", ("cats", "dogs"))


LEAKS = {
    "coding": lambda table, rng: np.where(table["churned"] == "yes", 1, 0),
    "other words": lambda table, rng: table["churned"].map({"yes": "left", "no": "stays"}),
    "afterwards": lambda table, rng: np.where(
        table["churned"] == "yes", rng.integers(1, 9, len(table)).astype(float), np.nan
    ),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_what_gives_the_target_away_is_left_out(kind: str, tmp_path: Path) -> None:
    table = customers()
    leaky = table.assign(leak=LEAKS[kind](table, np.random.default_rng(0)))[["leak", *table.columns]]
    _, guess = guessed(save(leaky, tmp_path / "a.csv"))
    assert guess.column("leak").role == "ignored"
    assert [finding.columns for finding in guess.findings] == [("leak",)]


def test_parts_and_codings_of_a_number_are_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"casual": rng.integers(0, 90, 200), "member": rng.integers(0, 400, 200), "wind": rng.normal(size=200)}
    )
    table["total"] = table["casual"] + table["member"]
    table.insert(0, "log_total", np.log1p(table["total"]))
    _, guess = guessed(save(table, tmp_path / "a.csv"), target="total")
    assert {column.name for column in guess.with_role("feature")} == {"wind"}
    assert sorted(finding.columns[0] for finding in guess.findings) == ["casual", "log_total", "member"]


def test_a_strong_measurement_stays_and_is_told_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b", "c"], 300)
    width = np.select([label == "a", label == "b"], [0.0, 3.0], 5.0) + rng.normal(0, 0.5, 300)
    table = pd.DataFrame({"width": width, "length": rng.normal(size=300), "species": label})
    _, guess = guessed(save(table, tmp_path / "a.csv"))
    assert guess.column("width").role == "feature"
    assert [(finding.kind, finding.columns) for finding in guess.findings] == [("strong feature", ("width",))]


def test_classes_of_too_few_records_are_left_out(tmp_path: Path) -> None:
    table = customers()
    table.loc[0, "churned"] = "perhaps"
    source, guess = guessed(save(table, tmp_path / "a.csv"))
    assert guess.classes == ("no", "yes")
    assert len(read_part(source, guess, "train")) == 239


def test_what_cannot_be_guessed_or_answered_is_refused(tmp_path: Path) -> None:
    path = save(customers(), tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"no column 'none' \(there are spent, orders, town, size, churned\)"):
        guessed(path, target="none")
    with pytest.raises(UsageError, match=r"problem is 'dreaming': expected classification or regression"):
        guessed(path, answers={"problem": "dreaming"})
    with pytest.raises(UsageError, match=r"holds text where regression needs numbers"):
        guessed(path, target="churned", answers={"problem": "regression"})
    with pytest.raises(UsageError, match=r"role of 'town' is 'target'"):
        guessed(path, target="churned", answers={"column:town": "target"})
    with pytest.raises(UsageError, match=r"no column is left that classification can learn from"):
        guessed(save(customers()[["churned"]].assign(id=range(240)), tmp_path / "b.csv"), target="churned")
    with pytest.raises(UsageError, match=r"can't be predicted, since it is constant"):
        guessed(save(customers().assign(same=1), tmp_path / "c.csv"), target="same")
    one = customers().assign(churned="yes")
    one.loc[0, "churned"] = "no"
    with pytest.raises(UsageError, match=r"has 1 class with 3 records or more, and 1 with fewer"):
        guessed(save(one, tmp_path / "d.csv"), target="churned")
    with pytest.raises(UsageError, match=r"whose target is the class folder: leave out --target"):
        guessed(write_images(tmp_path / "images"), target="x")


@pytest.mark.parametrize("seed", range(6))
def test_any_table_is_guessed_or_refused_in_words_and_always_alike(seed: int, tmp_path: Path) -> None:
    """Columns of any kind, in any order: a guess that the records can be read by, the same twice; never a traceback."""
    rng = np.random.default_rng(seed)
    makers = [
        lambda: rng.normal(size=60),
        lambda: rng.integers(0, 5, 60),
        lambda: rng.choice(["a", "b", None], 60),
        lambda: rng.choice(["low", "high", "medium"], 60),
        lambda: [f"free text of record {row} with words" for row in range(60)],
        lambda: pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d"),
        lambda: np.where(rng.random(60) < 0.5, np.nan, rng.integers(0, 9, 60)),
        lambda: [None] * 60,
        lambda: range(60),
        lambda: rng.choice([True, False], 60),
    ]
    table = pd.DataFrame({f"{name} ä": makers[rng.integers(len(makers))]() for name in "qwertz"})
    path = save(table, tmp_path / "a.csv")
    try:
        source, guess = guessed(path)
    except UsageError:
        return
    while guess.questions:
        assert all(not question.choices or question.default in question.choices for question in guess.questions)
        answers = {question.key: question.default for question in guess.questions}
        _, guess = guessed(path, answers=answers)
    assert guess == guessed(path, answers=answers if "answers" in locals() else {})[1]
    read = read_part(source, guess, "train")
    assert read.column_names == [column.name for column in guess.columns]
    assert guess.with_role("feature") or guess.problem == "forecasting"


def test_a_flag_of_whether_a_number_is_there_and_a_count_of_some_of_it_are_parts_of_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    gifts = np.where(rng.random(300) < 0.4, rng.integers(1, 9, 300), 0)
    table = pd.DataFrame({"wind": rng.normal(size=300), "gave": (gifts > 0).astype(int), "gifts": gifts})
    table.insert(0, "large_gifts", [rng.binomial(count, 0.6) for count in gifts])
    _, guess = guessed(save(table, tmp_path / "a.csv"), target="gifts", answers={"problem": "regression"})
    assert {column.name for column in guess.with_role("feature")} == {"wind"}


def test_a_flag_that_is_set_for_one_class_alone_is_asked_about(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = customers(400)
    table.insert(0, "win_back", ((table["churned"] == "yes") & (rng.random(400) < 0.4)).astype(int))
    _, guess = guessed(save(table, tmp_path / "a.csv"))
    assert guess.column("win_back").role == "ignored"
    assert [question.key for question in guess.questions] == ["column:win_back"]


def test_how_long_an_event_was_waited_for_is_known_with_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = customers().drop(columns="churned").assign(futime=rng.integers(1, 900, 240), status=rng.choice([0, 1], 240))
    _, guess = guessed(save(table, tmp_path / "a.csv"), target="status")
    assert guess.column("futime").role == "ignored"
    assert guess.findings[0].kind == "known only afterwards"


def test_individuals_that_were_measured_several_times_are_a_group_whatever_they_are_called(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"unit": np.repeat(range(1, 41), 6), "dose": rng.normal(size=240), "answer": rng.normal(size=240)}
    )
    _, guess = guessed(save(table.sample(frac=1, random_state=0), tmp_path / "a.csv"), target="answer")
    assert (guess.policy, guess.column("unit").role) == ("group", "group")


def test_none_is_an_answer_where_nothing_else_is_missing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = customers().assign(churned=rng.choice(["None", "Some", "Marked"], 240))
    source, guess = guessed(save(table, tmp_path / "a.csv"), target="churned")
    assert guess.classes == ("None", "Some", "Marked")
    assert read_part(source, guess, "train").column("churned").to_pylist() == table["churned"].tolist()
    gaps = table.assign(churned=table["churned"].where(table.index > 9))
    _, other = guessed(save(gaps, tmp_path / "b.csv"), target="churned")
    assert "None" not in other.classes


def test_beside_x_and_z_a_y_is_a_coordinate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(200, 5)), columns=["carat", "price", "x", "y", "z"])
    _, guess = guessed(save(table, tmp_path / "a.csv"))
    assert guess.target.name == "price"
