"""Applicants: they ask the service that runs over HTTP, and later it becomes known what was right.

A new kind of loan appears, of 480 months, which nobody had asked for before. Those who ask for it and owe more than
most are rejected: no model could learn that from the data before.

`PYTHONPATH=tests python -m rehearsal.traffic ADDRESS COUNT` has so many usual applicants ask a service.
"""

import math
import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow.parquet as pq
from rehearsal.world import DATA, TEMPLATE

CLIENTS = 4
TERM, BURDEN = "term", "obrat"
NEW_TERM = 480.0
SHAKEN = ("netw", "liq")  # nobody is another's exact copy


@dataclass(frozen=True)
class Outcome:
    """What applicants saw: answers, those that were right, and the versions that gave them."""

    answers: int
    right: int
    versions: frozenset[str]

    @property
    def accuracy(self) -> float:
        return self.right / self.answers


def records(seed: int, count: int, new: float) -> Iterator[tuple[dict[str, Any], str]]:
    """Applications with what turns out to be right.

    Args:
        seed: of chance.
        count: how many.
        new: share of them that ask for the new kind of loan.
    """
    table = pq.read_table(TEMPLATE / "data" / DATA / "loans.parquet").to_pylist()
    middle = sorted(row[BURDEN] for row in table)[len(table) // 2]
    chance = random.Random(seed)
    for row in chance.choices(table, k=count):
        found = dict(row)
        for name in SHAKEN:
            if found[name] is not None and not math.isnan(found[name]):
                found[name] = round(found[name] * chance.uniform(0.98, 1.02), 3)
        label = str(row["approve"])
        if chance.random() < new:
            found[TERM] = NEW_TERM
            label = "approved" if row[BURDEN] < middle else "rejected"
        yield found, label


def ask(address: str, seed: int, count: int, *, new: float) -> Outcome:
    """Have applicants ask, and tell the service what was right."""
    with httpx.Client(base_url=address, timeout=60) as client:
        example = client.get("/v1/metadata").raise_for_status().json()["input"]["examples"][0]

        def one(asked: tuple[dict[str, Any], str]) -> tuple[bool, str]:
            row, label = asked
            answer = client.post("/v1/predict", json=_plain(row, example)).raise_for_status().json()
            told = {"prediction_id": answer["prediction_id"], "label": label}
            client.post("/v1/feedback", json=told).raise_for_status()
            return answer["label"] == label, str(answer["model_version"])

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(one, records(seed, count, new)))
    return Outcome(len(answers), sum(right for right, _ in answers), frozenset(version for _, version in answers))


@contextmanager
def asking(address: str, seed: int, *, new: float) -> Iterator[list[Outcome]]:
    """Have applicants ask all the while; what they saw is told afterwards.

    Raises:
        httpx.HTTPError: one of them got no answer.
    """
    done, seen = threading.Event(), list[Outcome]()

    def go_on() -> None:
        turn = seed
        while not done.is_set():
            turn += 1
            seen.append(ask(address, turn, 10, new=new))

    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(go_on)
        try:
            yield seen
        finally:
            done.set()
        told.result()


def _plain(row: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """A row as the service takes it: its columns, categories as text, null where it is missing."""
    found: dict[str, Any] = {}
    for name, shown in example.items():
        value = row[name]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            found[name] = None
        elif isinstance(shown, str):
            found[name] = str(int(value)) if isinstance(value, float) else str(value)
        else:
            found[name] = value
    return found


def main() -> None:
    """Have usual applicants ask the service at an address, and say how many of them got a right answer."""
    address, count = sys.argv[1:]
    outcome = ask(address, 1, int(count), new=0)
    print(f"{outcome.answers} applicants asked {', '.join(outcome.versions)}; {outcome.right} got a right answer")


if __name__ == "__main__":
    main()
