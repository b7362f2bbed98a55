"""Each warning with a planted fault that it finds, and a clean case in which it keeps silent."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from adoption_cases import customers, guessed, messages, months, save, warned, waves, write_images, write_texts
from PIL import Image

from lightloop.adoption.warnings import find_warnings

Plant = Callable[[pd.DataFrame], pd.DataFrame]
RNG = np.random.default_rng(0)


def with_value(name: str, values: object) -> Plant:
    return lambda table: table.assign(**{name: values})[[name, *table.columns]]


def rare(table: pd.DataFrame) -> pd.DataFrame:
    some = table[table["churned"] == "no"]
    return pd.concat([some, table[table["churned"] == "yes"].head(5)])


def in_cell(name: str, text: str) -> Plant:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        values = table[name].astype(str).astype(object)
        values.iloc[[3, 5]] = text
        return table.assign(**{name: values})

    return change


PLANTED: dict[str, tuple[str, Plant]] = {
    "leak": ("leak", lambda table: with_value("gone", np.where(table["churned"] == "yes", 1, 0))(table)),
    "afterwards by its gaps": (
        "known only afterwards",
        lambda table: with_value("refund", np.where(table["churned"] == "yes", 3.5, np.nan))(table),
    ),
    "afterwards by its name": ("known only afterwards", with_value("final_rating", RNG.normal(size=240))),
    "strong feature": (
        "strong feature",
        lambda table: with_value("clue", (table["churned"] == "yes") * 2.2 + RNG.normal(0, 0.6, len(table)))(table),
    ),
    "identifier": ("identifier", with_value("customer_id", range(240))),
    "duplicates": ("duplicates", lambda table: pd.concat([table, table.head(9)])),
    "doubtful targets": (
        "doubtful targets",
        lambda table: pd.concat(
            [table, table.head(9).assign(churned=table["churned"].head(9).map({"yes": "no", "no": "yes"}))]
        ),
    ),
    "rare class": ("rare class", rare),
    "class left out": ("rare class", lambda table: pd.concat([table, table.head(1).assign(churned="perhaps")])),
    "mixed types": ("mixed types", in_cell("orders", "oops")),
    "missing markers": ("missing markers", in_cell("orders", "-999")),
    "missing words": ("missing markers", in_cell("orders", "?")),
    "encoding": ("encoding", in_cell("town", "KÃ¶ln")),
    "lost characters": ("encoding", in_cell("town", "K\N{REPLACEMENT CHARACTER}ln")),
    "dates as text": (
        "dates as text",
        with_value("joined", pd.date_range("2020-01-01", periods=240).strftime("%d.%m.%Y")),
    ),
    "constant": ("constant", with_value("version", 3)),
    "empty": ("empty", with_value("notes", None)),
    "mostly missing": (
        "mostly missing",
        with_value("height", np.where(RNG.random(240) < 0.8, np.nan, RNG.normal(size=240))),
    ),
    "protected trait": ("protected trait", with_value("gender", RNG.choice(["f", "m"], 240))),
    "protected feature": ("protected trait", with_value("age", RNG.integers(18, 80, 240))),
    "many values": ("many values", with_value("street", [f"s{row % 105}" for row in range(240)])),
    "few records": ("few records", lambda table: table.head(60)),
    "missing targets": ("missing targets", lambda table: table.assign(churned=table["churned"].where(table.index > 9))),
    "classes written twice": ("classes written twice", in_cell("churned", "Yes ")),
    "names": ("names", lambda table: table.rename(columns={"spent": ""})),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_fault_is_found(case: str, tmp_path: Path) -> None:
    kind, plant = PLANTED[case]
    table = customers()
    if case == "classes written twice":
        table = table.assign(churned=table["churned"].str.title())
        table.loc[table.index[:5], "churned"] = "yes"
        found = warned(save(table, tmp_path / "a.csv"), kind)
    else:
        found = warned(save(plant(table), tmp_path / "a.csv"), kind, target="churned")
    assert found
    assert all(finding.text and finding.advice for finding in found)


def test_a_clean_table_is_not_warned_of(tmp_path: Path) -> None:
    source, guess = guessed(save(customers(), tmp_path / "a.csv"))
    assert find_warnings(source, guess) == ()


def test_clean_data_of_other_modalities_are_not_warned_of(tmp_path: Path) -> None:
    expected: list[tuple[Path, set[str]]] = [
        (save(months(240), tmp_path / "months.csv"), {"dates as text"}),
        (save(waves(240, seed=2), tmp_path / "waves.csv"), set()),
        (save(messages(240), tmp_path / "messages.csv"), set()),
        (write_images(tmp_path / "images", each=105), set()),
        (write_texts(tmp_path / "texts"), {"few records"}),
    ]
    for path, kinds in expected:
        source, guess = guessed(path)
        found = {finding.kind for finding in find_warnings(source, guess)}
        # Waves of one speed are alike when they are shifted alike, which is what the test set's making says.
        assert found - {"near-duplicates"} == kinds if path.stem == "waves" else found == kinds, path


def test_records_on_both_sides_of_a_division(tmp_path: Path) -> None:
    from lightloop.adoption.guess import make_guess
    from lightloop.adoption.source import open_source

    table = customers()
    save(table[:150], tmp_path / "a.csv")
    save(pd.concat([table[150:], table[:4]]), tmp_path / "b.csv")
    source = open_source([f"train={tmp_path / 'a.csv'}", f"test={tmp_path / 'b.csv'}"])
    found = [one for one in find_warnings(source, make_guess(source)) if one.kind == "duplicates"]
    assert [one.severity for one in found] == ["critical", "warning"]
    assert "4 different records stand both" in found[0].text


def test_images_that_are_damaged_of_odd_sizes_or_colours(tmp_path: Path) -> None:
    write_images(tmp_path)
    whole = (tmp_path / "cats" / "1.png").read_bytes()
    (tmp_path / "cats" / "1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dogs" / "bad.jpg").write_bytes(b"no image")
    Image.new("L", (60, 20)).save(tmp_path / "dogs" / "wide.png")
    assert warned(tmp_path, "corrupt file")[0].records == ("cats/1.png", "dogs/bad.jpg")
    assert warned(tmp_path, "image sizes")[0].severity == "warning"
    assert "1 of 26 images are grey" in warned(tmp_path, "image colours")[0].text


def test_images_that_are_the_same_or_nearly(tmp_path: Path) -> None:
    write_images(tmp_path)
    assert not warned(tmp_path, "duplicates")
    assert not warned(tmp_path, "near-duplicates")
    (tmp_path / "cats" / "copy.png").write_bytes((tmp_path / "cats" / "0.png").read_bytes())
    image = Image.open(tmp_path / "dogs" / "0.png")
    image.putpixel((0, 0), (0, 0, 0))
    image.save(tmp_path / "dogs" / "near.png")
    assert "1 of 26 records say the same" in warned(tmp_path, "duplicates")[0].text
    assert "1 of 26 records that were compared are nearly" in warned(tmp_path, "near-duplicates")[0].text


def test_texts_that_are_empty_or_of_another_encoding(tmp_path: Path) -> None:
    write_texts(tmp_path)
    (tmp_path / "ham" / "empty.txt").write_text(" \n")
    (tmp_path / "ham" / "other.txt").write_bytes("größer als alles".encode("cp1252"))
    (tmp_path / "ham" / "twice.txt").write_text("Die GrÃ¶ÃŸe")
    (tmp_path / "ham" / "fine.txt").write_text("Die Größe à côté")
    assert warned(tmp_path, "corrupt file")[0].records == ("ham/empty.txt",)
    assert [finding.records for finding in warned(tmp_path, "encoding")] == [("ham/other.txt",), ("ham/twice.txt",)]


def test_near_copies_of_texts(tmp_path: Path) -> None:
    table = messages()
    long = [f"{text} " * 3 for text in table["text"]]
    near = pd.DataFrame({"label": ["ham"], "text": [long[0] + "indeed"]})
    path = save(pd.concat([table.assign(text=long), near]), tmp_path / "a.csv")
    assert "1 of 121 records" in warned(path, "near-duplicates")[0].text


def test_files_of_a_folder_that_are_left_out(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "notes.pdf").write_bytes(b"x")
    Image.new("RGB", (8, 8)).save(tmp_path / "loose.png")
    assert warned(tmp_path, "other files")[0].records == ("notes.pdf",)
    assert warned(tmp_path, "files without a class")[0].records == ("loose.png",)


def test_a_class_that_the_training_records_lack(tmp_path: Path) -> None:
    write_images(tmp_path / "train")
    write_images(tmp_path / "test", ("cats", "dogs", "owls"))
    assert "'owls'" in warned(tmp_path, "unknown class")[0].text
