"""`lightloop predict`: the same answers whatever the form, nothing dropped in silence, and it goes on where it was."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from serving_world import fresh_world, table_world

from lightloop.batch import predict as module
from lightloop.batch.parts import Parts, rejected_path
from lightloop.batch.predict import predict_file
from lightloop.errors import LightloopError, UsageError
from lightloop.serving.predictor import Predictor

ROWS = 120


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory):
    return table_world(repository, tmp_path_factory.mktemp("batch"))


@pytest.fixture(scope="module")
def records(world):
    columns = ["size", "age", "town", "grade"]
    rows = pa.concat_tables(list(world.splits.values())).slice(0, ROWS).select(columns).to_pylist()
    return [{"id": f"r{number}"} | row for number, row in enumerate(rows)]


def write_input(path, records):
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(records), path, row_group_size=50)
        case ".jsonl":
            path.write_text("".join(json.dumps(one) + "\n" for one in records))
        case ".csv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(records[0]))
                writer.writeheader()
                writer.writerows(records)
    return path


def read_output(path):
    match path.suffix:
        case ".parquet":
            return pq.read_table(path).to_pylist()
        case ".jsonl":
            return [json.loads(line) for line in path.read_text().splitlines()]
        case _:
            rows = list(csv.DictReader(io.StringIO(path.read_text())))
            return [{name: _cell(name, value) for name, value in row.items()} for row in rows]


def _cell(name, value):
    return value if name in ("id", "label") else json.loads(value) if value else None


def rejected(output):
    path = rejected_path(output)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else None


@pytest.mark.parametrize("inner", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("outer", ["parquet", "csv", "jsonl"])
def test_every_form_gives_the_predictors_answers(world, records, tmp_path, inner, outer):
    output = tmp_path / f"out.{outer}"
    counts = predict_file(world.bundle, write_input(tmp_path / f"in.{inner}", records), output, batch=32)
    assert (counts.scored, counts.rejected, counts.resumed, counts.rejects) == (ROWS, 0, 0, None)
    found, predictor = read_output(output), Predictor.load(world.bundle)
    assert [row["row"] for row in found] == list(range(1, ROWS + 1))
    assert [row["id"] for row in found] == [one["id"] for one in records]
    for row, expected in zip(found, predictor.predict(records), strict=True):
        assert row["label"] == expected.label
        assert row["probability"] == pytest.approx(expected.probability, abs=1e-6)
        assert list(row["probabilities"]) == list(predictor.classes)
        assert list(row["probabilities"].values()) == pytest.approx(expected.probabilities, abs=1e-6)
        assert row["possible"] == list(expected.possible)
        assert row["novelty"]["p_value"] == pytest.approx(expected.novelty.p_value, abs=0.05)
        assert row["novelty"]["novel"] == (row["novelty"]["p_value"] <= 0.05)
        assert row["warnings"] == list(expected.warnings)
        assert row["abstains"] is expected.abstains
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in.{inner}", f"out.{outer}"]


def test_what_can_not_be_scored_is_told_and_the_rest_is_answered(world, records, tmp_path):
    lines = [json.dumps(one) for one in records]
    lines[3], lines[40], lines[41], lines[119] = "{", "[1]", '{"id": "x", "age": "old"}', '{"colour": 1}'
    source = tmp_path / "in.jsonl"
    source.write_text("\n\n".join(lines))
    counts = predict_file(world.bundle, source, tmp_path / "out.jsonl", batch=50)
    assert (counts.scored, counts.rejected) == (ROWS - 4, 4)
    told = rejected(tmp_path / "out.jsonl")
    assert [one["row"] for one in told] == [4, 41, 42, 120]
    assert told[0]["reason"].startswith("the line is no JSON (Expecting property name")
    assert told[1]["reason"] == "the line is a list: expected an object"
    assert told[2]["id"] == "x"
    assert told[2]["reason"].startswith("the record has \"old\" in 'age': expected a number")
    assert told[3]["reason"] == "the record has none of the columns size, age, town, grade (it has colour)"
    rows = {row["row"] for row in read_output(tmp_path / "out.jsonl")}
    assert rows | {4, 41, 42, 120} == set(range(1, ROWS + 1))


def test_lines_of_csv_that_do_not_fit_are_told(world, records, tmp_path):
    source = write_input(tmp_path / "in.csv", records)
    lines = source.read_text().splitlines()
    lines[2], lines[5] = "r1,5", lines[5].replace(lines[5].split(",")[2], "old", 1)
    lines[7] = lines[7] + ",1"
    source.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    counts = predict_file(world.bundle, source, tmp_path / "out.csv")
    assert (counts.scored, counts.rejected) == (ROWS - 3, 3)
    assert [(one["row"], one["id"]) for one in rejected(tmp_path / "out.csv")] == [(2, None), (5, "r4"), (7, None)]
    reasons = [one["reason"] for one in rejected(tmp_path / "out.csv")]
    assert reasons[0] == "2 values where the header has 5"
    assert reasons[1] == "column 'age' holds 'old' where a number was expected"


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(world, records, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART", 32)
    many = records * 3
    many[70] = many[70] | {"age": "old"}
    source = write_input(tmp_path / "in.jsonl", many)
    whole = tmp_path / "whole" / "out.parquet"
    predict_file(world.bundle, source, whole, batch=16)
    add, seen = Parts.add, []

    def failing(self, number, rows, table, lost):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(number)
        add(self, number, rows, table, lost)

    output = tmp_path / "again" / "out.parquet"
    monkeypatch.setattr(Parts, "add", failing)
    with pytest.raises(KeyboardInterrupt):
        predict_file(world.bundle, source, output, batch=16)
    monkeypatch.setattr(Parts, "add", add)
    assert not output.exists()
    counts = predict_file(world.bundle, source, output, batch=16)
    assert (counts.resumed, counts.scored, counts.rejected) == (96, 359, 1)
    assert output.read_bytes() == whole.read_bytes()
    assert rejected_path(output).read_bytes() == rejected_path(whole).read_bytes()
    assert sorted(path.name for path in output.parent.iterdir()) == ["out.parquet", "out.parquet.rejected.jsonl"]


def test_parts_of_another_input_are_thrown_away(world, records, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART", 32)
    source, output = write_input(tmp_path / "in.jsonl", records), tmp_path / "out.csv"
    monkeypatch.setattr(Parts, "finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        predict_file(world.bundle, source, output, batch=32)
    monkeypatch.undo()
    write_input(source, records[:40])
    counts = predict_file(world.bundle, source, output, batch=32)
    assert (counts.scored, counts.resumed) == (40, 0)


def test_the_rejects_of_an_earlier_output_do_not_stay(world, records, tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", records[:5]), tmp_path / "out.jsonl"
    rejected_path(output).write_text("old")
    predict_file(world.bundle, source, output)
    assert not rejected_path(output).exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "", "in.csv is empty: expected a header"),
        ("in.csv", "size,age,town\n1,2,3\n", "in.csv: the records have no column 'grade'"),
        ("in.csv", "size,age,town,grade,age\n", "has the column 'age' twice"),
        ("in.parquet", "hello", "in.parquet is not a whole Parquet file"),
        ("in.xlsx", "hello", "is no .parquet, .csv or .jsonl file and no folder"),
        ("missing.csv", None, "missing.csv is missing: give a file of records"),
    ],
)
def test_wrong_inputs_are_one_sentence(world, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        predict_file(world.bundle, tmp_path / name, tmp_path / "out.csv")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.csv.parts").exists()


def test_a_column_of_another_type_is_wrong_use_and_a_list_of_values_is_none(world, records, tmp_path):
    table = pa.Table.from_pylist(records)
    place = table.schema.get_field_index("town")
    pq.write_table(table.set_column(place, "town", table["town"].dictionary_encode()), tmp_path / "in.parquet")
    assert predict_file(world.bundle, tmp_path / "in.parquet", tmp_path / "out.csv").scored == ROWS
    pq.write_table(table.set_column(place, "town", pa.array([{"a": 1}] * ROWS)), tmp_path / "in.parquet")
    with pytest.raises(UsageError, match="column 'town' holds struct<a: int64> where categories were expected"):
        predict_file(world.bundle, tmp_path / "in.parquet", tmp_path / "other.csv")


def test_wrong_outputs_are_one_sentence(world, records, tmp_path):
    source = write_input(tmp_path / "in.jsonl", records[:3])
    for output, message in (
        (tmp_path / "out.xlsx", r"out\.xlsx ends with \.xlsx: name an output of \.parquet, \.csv or \.jsonl"),
        (tmp_path / "out", "out ends with nothing: name an output"),
        (source, "is the input itself: name another output"),
    ):
        with pytest.raises(UsageError, match=message):
            predict_file(world.bundle, source, output, force=True)
    with pytest.raises(UsageError, match="is a folder, but the model takes tabular records"):
        predict_file(world.bundle, tmp_path, tmp_path.parent / "out.csv")
    with pytest.raises(UsageError, match="batch is 0: expected 1 or more"):
        predict_file(world.bundle, source, tmp_path / "out.csv", batch=0)
    output = tmp_path / "out.csv"
    predict_file(world.bundle, source, output)
    with pytest.raises(UsageError, match=r"out\.csv is there already: name another output, or say --force"):
        predict_file(world.bundle, source, output)
    before = output.read_bytes()
    predict_file(world.bundle, source, output, force=True)
    assert output.read_bytes() == before
    predictor = Predictor.load(world.bundle)
    with (
        Parts.open(tmp_path / "other.csv", pa.schema([]), {"digest": predictor.digest}),
        pytest.raises(UsageError, match="another process writes"),
    ):
        predict_file(world.bundle, source, tmp_path / "other.csv")


def test_an_empty_input_is_an_empty_output(world, tmp_path):
    (tmp_path / "in.csv").write_text("size,age,town,grade\n")
    assert predict_file(world.bundle, tmp_path / "in.csv", tmp_path / "out.parquet").scored == 0
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0
    (tmp_path / "in.jsonl").write_text("\n\n")
    assert predict_file(world.bundle, tmp_path / "in.jsonl", tmp_path / "out.jsonl").scored == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_damaged_bundle_scores_nothing(world, records, tmp_path):
    shutil.copytree(world.bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "model.onnx").write_bytes(b"x")
    source = write_input(tmp_path / "in.jsonl", records[:3])
    with pytest.raises(LightloopError, match=r"model\.onnx is changed in the bundle"):
        predict_file(tmp_path / "bundle", source, tmp_path / "out.csv")


@pytest.mark.slow
def test_folders_of_images_and_of_texts(repository, tmp_path):
    world = fresh_world(repository, tmp_path / "images", "fashion", "network.channels=[4,6]")
    folder = tmp_path / "some"
    (folder / "inner").mkdir(parents=True)
    images = world.splits["test"].column("image").to_pylist()[:30]
    for number, image in enumerate(images):
        (folder / ("inner" if number % 2 else ".") / f"{number}.png").write_bytes(image)
    (folder / "broken.jpg").write_bytes(b"hello")
    (folder / "notes.md").write_text("x")
    (folder / ".hidden.png").write_bytes(b"x")
    Image.new("RGB", (200, 3)).save(folder / "wide.png")
    counts = predict_file(world.bundle, folder, tmp_path / "out.jsonl")
    assert (counts.scored, counts.rejected) == (31, 2)
    told = {one["id"]: one["reason"] for one in rejected(tmp_path / "out.jsonl")}
    assert told["broken.jpg"] == "an image of 5 bytes does not decode (no known form of image)"
    assert told["notes.md"].startswith("the file is none of .png, .jpg")
    found = {row["id"]: row for row in read_output(tmp_path / "out.jsonl")}
    (expected,) = Predictor.load(world.bundle).predict([images[5]])
    assert found["inner/5.png"]["label"] == expected.label
    assert found["wide.png"]["warnings"] == [
        "The image has 200 x 3 pixels and was scaled; training images have 28 x 28."
    ]
    texts = fresh_world(repository, tmp_path / "texts", "spam")
    letters = tmp_path / "letters"
    letters.mkdir()
    for number, text in enumerate(texts.splits["test"].column("text").to_pylist()[:20]):
        (letters / f"{number:02d}.txt").write_text(text, encoding="utf-8")
    (letters / "empty.txt").write_bytes(b"")
    (letters / "broken.txt").write_bytes(b"\xff\xfe hello")
    counts = predict_file(texts.bundle, letters, tmp_path / "letters.csv")
    assert (counts.scored, counts.rejected) == (22, 0)
    found = {row["id"]: row for row in read_output(tmp_path / "letters.csv")}
    assert found["empty.txt"]["warnings"] == ["The text is empty."]


@pytest.mark.slow
def test_numbers_and_their_ends_are_written(repository, tmp_path):
    world = fresh_world(repository, tmp_path / "bundle", "co2")
    test, predictor = world.splits["test"].slice(0, 40), Predictor.load(world.bundle)
    rows = [{"series": row["series"], "week": row["week"].isoformat()} for row in test.to_pylist()]
    write_input(tmp_path / "in.parquet", rows)
    for form in ("parquet", "jsonl", "csv"):
        counts = predict_file(world.bundle, tmp_path / "in.parquet", tmp_path / f"out.{form}", batch=16)
        assert (counts.scored, counts.rejected) == (40, 0)
        found = read_output(tmp_path / f"out.{form}") if form != "csv" else []
        for row, expected in zip(found, predictor.predict(test) if found else [], strict=True):
            assert row["values"] == pytest.approx(expected.values, rel=1e-5)
            assert row["intervals"] == [[None, None]] * len(expected.values)


# As a person runs it.


def command(world, source, output, *more):
    return [
        *(sys.executable, "-m", "lightloop", "predict", str(source), str(output), "--bundle", str(world.bundle)),
        *more,
    ]


@pytest.mark.slow
def test_kill_9_at_any_time_costs_no_answer(world, records, tmp_path):
    source = write_input(tmp_path / "in.csv", records * 500)
    whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"
    first = subprocess.run(command(world, source, whole), capture_output=True, text=True, check=True, cwd=tmp_path)
    assert f"{ROWS * 500} records scored in" in first.stdout
    resumed = 0
    for delay in (0.0, 0.02, 0.05):
        process = subprocess.Popen(command(world, source, output), cwd=tmp_path, stdout=subprocess.DEVNULL)
        try:
            parts = tmp_path / "out.csv.parts"
            seen = len(list(parts.glob("*[0-9].json"))) if parts.exists() else 0
            until = time.monotonic() + 60
            # Killed soon after a further part is whole.
            while process.poll() is None and time.monotonic() < until:
                if parts.exists() and len(list(parts.glob("*[0-9].json"))) > seen:
                    break
                time.sleep(0.005)
            time.sleep(delay)
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                resumed += 1
            process.wait()
    assert resumed, "it was done before it could be killed: give it more records"
    if not output.exists():
        last = subprocess.run(command(world, source, output), capture_output=True, text=True, check=True, cwd=tmp_path)
        assert "of them by an earlier run" in last.stdout
    assert output.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "whole.csv", "out.csv"}


MEMORY = """
import resource, sys
import pathlib
from lightloop.batch.predict import predict_file
bundle, source, output = map(pathlib.Path, sys.argv[1:])
assert predict_file(bundle, source, output).scored
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_memory_does_not_grow_with_the_input(world, records, tmp_path, form):
    peaks = []
    for times in (100, 1000):
        source = tmp_path / f"{times}.{form}"
        write_input(source, records * times)
        arguments = [sys.executable, "-c", MEMORY, str(world.bundle), str(source), str(tmp_path / f"{times}out.{form}")]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    # Ten times the rows; the first run warms pools too.
    assert peaks[1] < 1.25 * peaks[0], peaks


@pytest.mark.slow
def test_faults_of_a_person_are_one_sentence_and_a_code(world, records, tmp_path):
    source = write_input(tmp_path / "in.csv", records[:5])
    environment = os.environ | {"COLUMNS": "200"}
    strange = tmp_path / "strange.jsonl"
    strange.write_text('{"colour": 5}\n')
    for arguments, code, words in (
        (command(world, source, tmp_path / "out.txt"), 2, "name an output of .parquet, .csv or .jsonl"),
        (command(world, tmp_path / "no.csv", tmp_path / "out.csv"), 2, "no.csv is missing"),
        ([*command(world, source, tmp_path / "out.csv")[:-1], str(tmp_path / "no")], 1, "no is missing"),
        (command(world, source, tmp_path / "out.csv")[:-2], 2, "is not inside a Lightloop project"),
        (command(world, strange, tmp_path / "out.csv"), 3, "none of the 1 records could be scored"),
    ):
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
