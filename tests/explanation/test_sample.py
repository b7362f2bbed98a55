import numpy as np
import pyarrow as pa
import pytest

from lightloop.explanation.sample import draw_of_numbers, draw_sample, margins

CLASSES = ["a", "b", "c"]


def predictions(counts):
    """A table with (right, wrong) records of each class."""
    rows = [
        (name, name if place < right else "b" if name != "b" else "a")
        for name, (right, wrong) in zip(CLASSES, counts, strict=True)
        for place in range(right + wrong)
    ]
    generator = np.random.default_rng(0)
    order = generator.permutation(len(rows))
    p_NK = generator.dirichlet(np.ones(3), size=len(rows))
    answers = [rows[i][1] for i in order]
    for own, answer in zip(p_NK, answers, strict=True):
        own[[CLASSES.index(answer), own.argmax()]] = own[[own.argmax(), CLASSES.index(answer)]]
    columns = {"label": [rows[i][0] for i in order], "prediction": answers, "probabilities": p_NK.tolist()}
    return pa.table(columns)


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
    sample = draw_sample(table, CLASSES, records, seed=3)
    rows = sample.rows
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
    wrong = [row["label"] != row["prediction"] for row in drawn]
    assert wrong == [kind == "wrong" for kind in sample.kinds]


def test_the_doubtful_answers_are_right_and_have_the_smallest_margins_of_their_class():
    table = predictions([(30, 4), (30, 4), (30, 0)])
    sample, margin_N = draw_sample(table, CLASSES, 24, seed=0), margins(table, CLASSES)
    rows = table.to_pylist()
    for name in CLASSES:
        right = [n for n, row in enumerate(rows) if row["label"] == name == row["prediction"]]
        doubtful = [
            n for n, kind in zip(sample.rows, sample.kinds, strict=True)
            if kind == "borderline" and rows[n]["label"] == name
        ]  # fmt: skip
        assert len(doubtful) in (2, 4)
        assert sorted(margin_N[doubtful]) == sorted(margin_N[right])[: len(doubtful)]
        ordered = np.sort(np.array([row["probabilities"] for row in rows]), axis=1)
        assert margin_N[doubtful] == pytest.approx((ordered[:, -1] - ordered[:, -2])[doubtful])


def test_the_seed_alone_decides():
    table = predictions([(50, 50)] * 3)
    assert (
        draw_sample(table, CLASSES, 30, seed=1).rows.tolist() == draw_sample(table, CLASSES, 30, seed=1).rows.tolist()
    )
    assert (
        draw_sample(table, CLASSES, 30, seed=1).rows.tolist() != draw_sample(table, CLASSES, 30, seed=2).rows.tolist()
    )


def test_half_of_the_numbers_drawn_are_the_worst_answers():
    generator = np.random.default_rng(0)
    labels = generator.normal(size=(50, 3))
    answers = labels + 0.01
    answers[[7, 30]] += [[5.0, 0.0, 0.0], [0.0, 0.0, -9.0]]
    table = pa.table({"label": labels.tolist(), "prediction": answers.tolist()})
    sample = draw_of_numbers(table, 4, seed=0)
    rows = sample.rows.tolist()
    assert {7, 30} == {row for row, kind in zip(rows, sample.kinds, strict=True) if kind == "wrong"}
    assert sorted(sample.kinds) == ["correct", "typical", "wrong", "wrong"]
    assert len(set(rows)) == 4
    assert rows == draw_sample(table, (), 4, seed=0).rows.tolist()
    assert len(draw_of_numbers(table, 99, seed=0).rows) == 50
