import numpy as np
import pyarrow as pa
import pytest

from lightloop.explanation.sample import draw_of_numbers, draw_sample

CLASSES = ["a", "b", "c"]


def predictions(counts):
    """A table with (right, wrong) records of each class."""
    rows = [
        (name, name if place < right else "b" if name != "b" else "a")
        for name, (right, wrong) in zip(CLASSES, counts, strict=True)
        for place in range(right + wrong)
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    return pa.table({"label": [rows[i][0] for i in order], "prediction": [rows[i][1] for i in order]})


@pytest.mark.parametrize(
    ("counts", "records", "expected"),
    [
        # (right, wrong) drawn of each class
        ([(20, 20), (20, 20), (20, 20)], 12, [(2, 2), (2, 2), (2, 2)]),
        ([(20, 0), (20, 1), (20, 20)], 12, [(4, 0), (3, 1), (2, 2)]),
        ([(0, 9), (1, 9), (9, 9)], 12, [(0, 4), (1, 3), (2, 2)]),
        ([(1, 1), (20, 0), (0, 0)], 12, [(1, 1), (4, 0), (0, 0)]),
        ([(9, 9), (9, 9), (9, 9)], 7, [(2, 1), (1, 1), (1, 1)]),
        ([(9, 9), (9, 9), (9, 9)], 2, [(1, 0), (1, 0), (0, 0)]),
    ],
)
def test_every_class_gets_its_places_and_half_of_them_go_to_mistakes(counts, records, expected):
    table = predictions(counts)
    rows = draw_sample(table, CLASSES, records, seed=3)
    assert len(set(rows.tolist())) == len(rows)
    drawn = table.take(rows).to_pylist()
    found = [
        (
            sum(row["label"] == name == row["prediction"] for row in drawn),
            sum(row["label"] == name != row["prediction"] for row in drawn),
        )
        for name in CLASSES
    ]
    assert found == expected


def test_the_seed_alone_decides():
    table = predictions([(50, 50)] * 3)
    assert draw_sample(table, CLASSES, 30, seed=1).tolist() == draw_sample(table, CLASSES, 30, seed=1).tolist()
    assert draw_sample(table, CLASSES, 30, seed=1).tolist() != draw_sample(table, CLASSES, 30, seed=2).tolist()


def test_half_of_the_numbers_drawn_are_the_worst_answers():
    generator = np.random.default_rng(0)
    labels = generator.normal(size=(50, 3))
    answers = labels + 0.01
    answers[[7, 30]] += [[5.0, 0.0, 0.0], [0.0, 0.0, -9.0]]
    table = pa.table({"label": labels.tolist(), "prediction": answers.tolist()})
    rows = draw_of_numbers(table, 4, seed=0).tolist()
    assert {7, 30} < set(rows)
    assert len(set(rows)) == 4
    assert rows == draw_sample(table, (), 4, seed=0).tolist()
    assert len(draw_of_numbers(table, 99, seed=0)) == 50
