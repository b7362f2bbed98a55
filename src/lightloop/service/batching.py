"""Dynamic batching: requests that wait while others are answered are answered together.

Off unless configured: it costs every request a change of threads (docs/benchmarks.md has figures). Requests to a quick
model are answered together without it, see `service.turns`.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lightloop.errors import RefusedError
from lightloop.service.loaded import Loaded
from lightloop.service.schemas import Record
from lightloop.serving.predictions import AnyPrediction

MOST: Final = 64
Waiting = tuple[Loaded, Record, asyncio.Future[AnyPrediction]]


class Batcher:
    """Answers records of several requests at once, as soon as those before are answered: nobody waits for company."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._waiting: list[Waiting] = []
        self._running = False

    async def ask(self, loaded: Loaded, record: Record) -> AnyPrediction:
        """The prediction for a checked record.

        Raises:
            RefusedError: it is not as the bundle's input says.
        """
        future: asyncio.Future[AnyPrediction] = asyncio.get_running_loop().create_future()
        self._waiting.append((loaded, record, future))
        if not self._running:
            self._running = True
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                first = self._waiting[0][0]
                batch = [one for one in self._waiting if one[0] is first][:MOST]
                taken = {id(one[2]) for one in batch}
                self._waiting = [one for one in self._waiting if id(one[2]) not in taken]
                # Who gave up needs no answer.
                batch = [one for one in batch if not one[2].done()]
                answers = await loop.run_in_executor(self._pool, _answers, first, [record for _, record, _ in batch])
                for (_, _, future), answer in zip(batch, answers, strict=True):
                    if future.done():
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._running = False

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _answers(loaded: Loaded, records: list[Record]) -> list[AnyPrediction | Exception]:
    """An answer or a fault for each record: one that is refused spoils no other."""
    if not records:
        return []
    try:
        return list(loaded.predictor.told(loaded.score(records)))
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        if len(records) == 1:
            return [error]
        if not isinstance(error, RefusedError):
            return [error] * len(records)
    return [_answers(loaded, [record])[0] for record in records]
