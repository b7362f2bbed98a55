"""Requests that come at once are answered together, as each would be alone; what is wrong with one spoils no other."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from http_world import example
from tiny_bundles import KINDS, PLAIN, image_record, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.errors import RefusedError
from lightloop.service.app import build_app
from lightloop.service.faults import RequestError
from lightloop.service.loaded import FEWEST, Loaded
from lightloop.service.slots import Slots
from lightloop.service.turns import MOST, Told, Turns
from lightloop.service.work import Work

PREDICT = "/v1/predict"


def ask_at_once(loaded: Loaded, root: Path, bodies: list[Any]) -> list[httpx.Response]:
    app = build_app(Slots(loaded), ServeConfig(logs="none"), root)

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            return await asyncio.gather(*(client.post(PREDICT, json=body) for body in bodies))

    return asyncio.run(ask())


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each question to a model held."""
    found: list[int] = []
    score = Loaded.score

    def counting(self: Loaded, records: list[dict[str, Any]]) -> Any:
        found.append(len(records))
        return score(self, records)

    monkeypatch.setattr(Loaded, "several", lambda *_: None)  # the general way
    monkeypatch.setattr(Loaded, "score", counting)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_together_as_alone(releases: dict[str, Loaded], tmp_path: Path, counted: list[int], kind: str) -> None:
    loaded = releases[kind]
    records = (list(loaded.models.examples) * 12)[:12]
    alone = [ask_at_once(loaded, tmp_path, [record])[0].json() for record in records]
    counted.clear()
    together = [done.json() for done in ask_at_once(loaded, tmp_path, records)]
    assert max(counted) == MOST
    for one, other in zip(alone, together, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - {"prediction_id", "probability", "probabilities", "values", "intervals"}:
            assert one[name] == other[name]
        if "probabilities" in one:
            assert list(one["probabilities"].values()) == pytest.approx(list(other["probabilities"].values()), abs=1e-6)
        if "values" in one:
            np.testing.assert_allclose(one["values"], other["values"], atol=1e-5)
    assert len({one["prediction_id"] for one in together}) == len(records)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_are_answered_as_the_general_way_does(releases: dict[str, Loaded], kind: str) -> None:
    loaded = releases[kind]
    records = (list(loaded.models.examples) * 4)[: FEWEST + 1]
    assert loaded.several(records) is None
    found = loaded.several(records[:FEWEST])
    if loaded.predictor.manifest.answer == "probabilities" and kind in ("image", "tabular"):
        assert found is not None
        assert found[0] == loaded.predictor.told(loaded.score(records[:FEWEST]))
    else:
        assert found is None


# of feature: image
def test_one_that_is_refused_spoils_no_other(releases: dict[str, Loaded], tmp_path: Path) -> None:
    wrong: list[tuple[Any, int]] = [({"image": "bm8gaW1hZ2U="}, 422), ({"picture": 1}, 422), ({"image": "?"}, 422)]
    bodies = [(image_record(level), 200) for level in (10, 90, 200)]
    asked = [bodies[0], wrong[0], bodies[1], wrong[1], bodies[2], wrong[2]]
    answers = ask_at_once(releases["image"], tmp_path, [body for body, _ in asked])
    assert [done.status_code for done in answers] == [status for _, status in asked]
    assert answers[1].json()["error"].startswith("an image of 8 bytes does not decode")
    alone = [ask_at_once(releases["image"], tmp_path, [body])[0].json()["probability"] for body, _ in bodies]
    assert [answers[place].json()["probability"] for place in (0, 2, 4)] == pytest.approx(alone, abs=1e-6)


# end
def gathered(asks: Callable[[Turns], list[Any]], settings: ServeConfig) -> list[Told | BaseException]:
    async def ask() -> list[Told | BaseException]:
        return await asyncio.gather(*asks(Turns(Work(settings))), return_exceptions=True)

    return asyncio.run(ask())


def test_each_release_answers_its_own(tmp_path: Path) -> None:
    releases = [Loaded.open(tiny_bundle(PLAIN, tmp_path / str(bias), bias=bias), str(bias)) for bias in (-99.0, 99.0)]
    record = example(releases[0])
    order = [releases[number % 2] for number in range(MOST + 3)]
    now = time.perf_counter()
    found = gathered(lambda turns: [turns.ask(one, lambda: record, now) for one in order], ServeConfig())
    labels = [one.predictor.predict([record])[0].label for one in order]  # type: ignore[union-attr]
    assert [told.prediction.label for told in found] == labels  # type: ignore[union-attr]
    assert len(set(labels)) == 2


def test_who_waited_too_long_is_told(releases: dict[str, Loaded]) -> None:
    loaded = releases[PLAIN]
    record, now = example(loaded), time.perf_counter()
    begun = [now, now - 60, now]
    late = gathered(lambda turns: [turns.ask(loaded, lambda: record, one) for one in begun], ServeConfig(deadline=5))
    assert [isinstance(one, Told) for one in late] == [True, False, True]
    assert isinstance(late[1], RequestError)
    assert late[1].status == 503


def test_faults_go_to_who_asked(releases: dict[str, Loaded]) -> None:
    loaded = releases[PLAIN]
    now = time.perf_counter()

    def broken() -> dict[str, Any]:
        raise RefusedError("no record")

    asks: list[Callable[[], dict[str, Any]]] = [broken, lambda: example(loaded)]
    first, second = gathered(lambda turns: [turns.ask(loaded, one, now) for one in asks], ServeConfig())
    assert isinstance(first, RefusedError)
    assert isinstance(second, Told)
