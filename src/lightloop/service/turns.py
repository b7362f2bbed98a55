"""Requests that have come by the same turn of the event loop are answered together, in the loop itself.

Nobody waits for company, and no thread is asked: where one request has come it is answered as it would be alone.
Several records cost a quick model less than one after the other, since what the processor has just done it does again
faster.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lightloop.service.loaded import Loaded
from lightloop.service.schemas import Record
from lightloop.serving.predictions import AnyPrediction

if TYPE_CHECKING:
    from lightloop.service.work import Work

# Records at once. With more of them the activations of a network of images leave the processor's own memory, and who
# came last waits longer.
MOST: Final = 8


class Told(NamedTuple):
    """The answer to one record.

    Attributes:
        record: as it was checked.
        prediction: for it.
        pixels: what the model saw of an image, (1, C, H, W); None of other records.
    """

    record: Record
    prediction: AnyPrediction
    pixels: Any


class _Waiting(NamedTuple):
    loaded: Loaded
    record: Callable[[], Record]
    started: float
    future: asyncio.Future[Told]


class Turns:
    """Of one event loop."""

    def __init__(self, work: "Work") -> None:
        self._work = work
        self._waiting: list[_Waiting] = []

    async def ask(self, loaded: Loaded, record: Callable[[], Record], started: float) -> Told:
        """The prediction for a record.

        Args:
            loaded: the release that answers.
            record: reads and checks the record.
            started: when the request came, by `time.perf_counter`.

        Raises:
            RequestError: there is no record in it, or it waited too long for its turn.
            RefusedError: it is not as the bundle's input says.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(loaded, record, started, loop.create_future())
        self._waiting.append(one)
        if len(self._waiting) == 1:
            loop.call_soon(self._answer)
        return await one.future

    def _answer(self) -> None:
        """Answer those who wait; those who come meanwhile are asked for their turn in between."""
        first = self._waiting[0].loaded
        own = [one for one in self._waiting if one.loaded is first][:MOST]
        taken = set(map(id, own))
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        now = time.perf_counter()
        asked: list[tuple[_Waiting, Record]] = []
        for one in own:
            try:
                self._work.in_turn(one.started, now)
                asked.append((one, one.record()))
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                _fail(one, error)
        self._tell(first, asked)

    def _tell(self, loaded: Loaded, asked: list[tuple[_Waiting, Record]]) -> None:
        if not asked:
            return
        records = [record for _, record in asked]
        try:
            predictions: Sequence[AnyPrediction]
            if quick := loaded.several(records):
                predictions, pixels = quick[0], quick[1].get("image")
            else:
                found = loaded.score(records)
                predictions, pixels = loaded.predictor.told(found), found.feeds.get("image")
        except Exception as error:  # noqa: BLE001 - see above
            if len(asked) == 1:
                _fail(asked[0][0], error)
                return
            # One that is refused spoils no other.
            for one in asked:
                self._tell(loaded, [one])
            return
        for row, ((who, record), prediction) in enumerate(zip(asked, predictions, strict=True)):
            if not who.future.done():
                who.future.set_result(Told(record, prediction, None if pixels is None else pixels[row : row + 1]))


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.future.done():
        one.future.set_exception(error)
