"""One series to records: every fault in one sentence, and no split that sees another's targets."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from series_world import small, stamps, wave, write

from lightloop.data.series.windows import CLOCK, LEFT_OUT, naive_error, read_steps, read_windows
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError

NAN = float("nan")


def windows(root, values, times=None, **data):
    return read_windows(small(**data).data, write(root, values, times))


def test_a_record_is_what_was_known_and_what_followed(tmp_path):
    values = wave(100)
    splits = windows(tmp_path, values)
    times = stamps(100)
    for table in splits.values():
        for row in table.to_pylist():
            place = int(np.flatnonzero(times == np.datetime64(row["time"], "s"))[0])
            assert row["id"] == str(times[place].astype("datetime64[D]"))
            np.testing.assert_allclose(row["series"], values[place - 11 : place + 1], rtol=1e-6)
            assert row["label"] == values[place + 1 : place + 4].tolist()
    assert CLOCK in splits["train"].schema.metadata


@pytest.mark.parametrize("seed", range(8))
def test_no_target_lies_in_another_splits_time(tmp_path, seed):
    random = np.random.default_rng(seed)
    window, horizon, steps = int(random.integers(1, 15)), int(random.integers(1, 8)), int(random.integers(80, 150))
    spec = small(window=window, horizon=horizon).data
    splits = read_windows(spec, write(tmp_path, wave(steps)))
    week = np.timedelta64(7 * 86_400, "s")
    ranges = []
    for split in ("train", "validation", "test"):
        origins = splits[split].column("time").to_numpy().astype("datetime64[s]")
        ranges.append((origins.min() + week, origins.max() + horizon * week))
    assert ranges[0][1] < ranges[1][0]
    assert ranges[1][1] < ranges[2][0]
    assert ranges[2][1] == stamps(steps)[-1]
    # Between them no step is lost.
    assert ranges[1][0] - ranges[0][1] == ranges[2][0] - ranges[1][1] == week
    first_known = splits["test"].column("time")[0].as_py() - (window - 1) * pd.Timedelta("7D")
    assert window == 1 or first_known < pd.Timestamp(ranges[1][1])  # inputs of the test reach back


def test_shares_dates_and_files_divide_alike(tmp_path):
    values, times = wave(100), stamps(100)
    shares = windows(tmp_path / "a", values)  # the last 15, and 15 % of the 85 before: 13
    dated = windows(tmp_path / "b", values, validation_from=str(times[72])[:10], test_from=str(times[85])[:10])
    for name, part in (("train", slice(0, 72)), ("validation", slice(72, 85)), ("test", slice(85, 100))):
        write(tmp_path / "c", values[part], times[part], f"{name}.parquet")
    spec = small(
        files={part: f"{part}.parquet" for part in ("train", "validation", "test")},
        split={"policy": "time", "test": "predefined", "validation": "predefined"},
    ).data
    for other in (dated, read_windows(spec, tmp_path / "c")):
        assert {name: table.to_pylist() for name, table in other.items()} == {
            name: table.to_pylist() for name, table in shares.items()
        }
    assert read_splits(spec, tmp_path / "c", seed=1)["test"].equals(read_splits(spec, tmp_path / "c", seed=2)["test"])


def test_gaps_stay_gaps_before_and_leave_records_out_after(tmp_path):
    values = wave(100)
    values[[20, 21, 90]] = NAN
    splits = windows(tmp_path, values)
    counts = {name: int(table.schema.metadata[LEFT_OUT]) for name, table in splits.items()}
    assert counts == {"train": 4, "validation": 0, "test": 3}
    series = np.array(splits["train"].column("series").to_pylist(), dtype=float)
    assert np.isnan(series).sum() > 0
    assert not np.isnan(np.array(splits["train"].column("label").to_pylist())).any()


def test_rows_that_are_missing_are_gaps(tmp_path):
    values, times = wave(100), stamps(100)
    holes = values.copy()
    holes[[20, 21, 50]] = NAN
    keep = ~np.isnan(holes)
    first, second = windows(tmp_path / "a", holes), windows(tmp_path / "b", values[keep], times[keep])
    assert [str(row) for row in first["train"].to_pylist()] == [str(row) for row in second["train"].to_pylist()]


def test_resampling_takes_the_means_of_pandas(tmp_path):
    values = wave(300, season=52)
    values[40:46] = NAN  # a month without any
    steps = read_steps(small(resample="MS", season=12).data, write(tmp_path, values))
    expected = pd.Series(values, index=pd.DatetimeIndex(stamps(300))).resample("MS").mean()
    np.testing.assert_allclose(steps.values, expected.to_numpy())
    assert np.isnan(steps.values).sum() == 1
    assert steps.clock.step == "MS"
    assert steps.clock.yearly
    daily = read_steps(small(resample="14D").data, tmp_path)
    assert daily.clock.step == f"{14 * 86_400}s"


def test_the_naive_error_is_of_the_training_steps_alone(tmp_path):
    values = wave(100, noise=0.1)
    first = windows(tmp_path / "a", values)
    values[80:] += 50
    second = windows(tmp_path / "b", values)
    one, other = (splits["test"].column("naive_error")[0].as_py() for splits in (first, second))
    assert one == other == pytest.approx(np.abs(values[4:72] - values[:68]).mean())
    assert naive_error(np.array([1.0, NAN]), 1) == 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v, t: (v, np.concatenate([t[:5], t[4:-1]])), r"has 2000-01-29T00:00:00 twice \(row 6\): sort its rows"),
        (lambda v, t: (v, t[::-1]), r"has 2001-11-17T00:00:00 after 2001-11-24T00:00:00 \(row 2\): sort its rows"),
        (lambda v, t: (v, np.r_[t[:50], t[50:] + np.timedelta64(1, "D")]), "are not regular: most are 7 days"),
        (lambda v, t: (v, np.r_[t[:-1], t[-1:] + 70_000 * np.timedelta64(7, "D")]), "one of its time stamps is wrong"),
        (lambda v, t: (v * NAN, t), "has no value at all"),
        (lambda v, t: (v[:1], t[:1]), "has 1 time steps: at least 2"),
        (lambda v, t: (v[:0], t[:0]), "has 0 time steps: at least 2"),
        (lambda v, t: (v[:14], t[:14]), "data.window=12 and data.horizon=3 do not fit: the train part of mine has"),
        (lambda v, t: (np.where(np.arange(100) % 3, v, NAN), t), "without gaps in the 3 steps that are to be forecast"),
        (lambda v, t: (["a", *map(str, v[1:])], t), r"'value' of type string \('a' in row 1\): expected numbers"),
        (lambda v, t: (v > 300, t), "'value' of type bool: expected numbers"),
        (lambda v, t: (np.where(v > v[7], np.inf, v), t), "an infinity in the column 'value', row"),
        (lambda v, t: (v, ["soon", *map(str, t[1:])]), "has 'soon' in the column 'time', row 1: expected a date"),
        (lambda v, t: (v, [None, *map(str, t[1:])]), "has None in the column 'time', row 1: expected a date"),
        (lambda v, t: (v, np.arange(100)), "time stamps 'time' of type int64: expected dates"),
    ],
)
def test_bad_series_are_refused_in_one_sentence(tmp_path, change, words):
    values, times = change(wave(100), stamps(100))
    with pytest.raises(RefusedError, match=words) as caught:
        windows(tmp_path, values, times)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"horizon": 500}, "data.horizon=500 do not fit: the train part of mine has 72 time steps"),
        ({"horizon": 14}, "do not fit: the validation part of mine has 13 time steps, and a record needs 14 forecast"),
        ({"window": 500}, "data.window=500 and data.horizon=3 do not fit: the train part"),
        ({"test_from": "2050-01-01"}, "training, validation and test of mine have 85, 15 and 0 time steps"),
        ({"validation_from": "1950-01-01"}, "have 0, 85 and 15 time steps: give each some"),
        ({"resample": "100YS"}, "leaves 1 time step: take shorter periods"),
    ],
)
def test_configs_that_do_not_fit_the_data(tmp_path, data, words):
    with pytest.raises(RefusedError, match=words):
        windows(tmp_path, wave(100), **data)


def test_an_unknown_frequency_is_a_wrong_config(tmp_path):
    with pytest.raises(UsageError, match=r"data\.resample is 'fortnight', no frequency of pandas"):
        windows(tmp_path, wave(100), resample="fortnight")


def test_a_missing_file_and_a_missing_column(tmp_path):
    with pytest.raises(LightloopError, match=r"data/mine/train\.parquet is missing"):
        read_windows(small().data, tmp_path)
    write(tmp_path, wave(100))
    with pytest.raises(RefusedError, match=r"has no column 'co2' \(it has time, value\)"):
        read_windows(small(columns={"time": "time", "co2": "target"}).data, tmp_path)


@pytest.mark.parametrize("kind", ["text", "zoned", "date", "csv"])
def test_time_stamps_and_values_of_every_kind_read_the_same(tmp_path, kind):
    values, times = wave(100), stamps(100)
    plain = windows(tmp_path / "plain", values)
    spec = small(files={"train": "train.csv"}) if kind == "csv" else small()
    if kind == "csv":
        folder = tmp_path / "data/mine"
        folder.mkdir(parents=True)
        pd.DataFrame({"time": times, "value": values}).to_csv(folder / "train.csv", index=False)
    else:
        days = times.astype("datetime64[D]")
        given = {
            "text": [f"{day}T00:00:00" for day in days],
            "zoned": [f"{day}T02:00:00+02:00" for day in days],
            "date": pa.array(days, pa.date32()),
        }[kind]
        write(tmp_path, values, given)
    found = read_windows(spec.data, tmp_path)
    assert found["test"].to_pylist() == plain["test"].to_pylist()


def test_a_constant_series_is_a_series(tmp_path):
    splits = windows(tmp_path, np.full(100, 7.0))
    assert splits["test"].column("naive_error")[0].as_py() == 0.0
