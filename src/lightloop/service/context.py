"""What all routes share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightloop import clock
from lightloop.config.serve import ServeConfig
from lightloop.service.batching import Batcher
from lightloop.service.books import Books
from lightloop.service.keys import KeyRing
from lightloop.service.logs import make_logger, standard_error, writer_of
from lightloop.service.recording import Recorder
from lightloop.service.turns import Turns
from lightloop.service.work import Work

if TYPE_CHECKING:
    from lightloop.service.slots import Slots


@dataclass(frozen=True)
class Context:
    """What all routes share.

    Attributes:
        slots: who answers.
        settings: of the service.
        work: how much is in hand.
        keys: who may ask; None lets everyone in.
        logger: of structlog, with one line a request; None where there are to be none.
        root: folder that paths in the settings are relative to.
        batcher: that answers requests together; None where each is answered alone.
        recorder: of the log; None where there is none.
        books: what is counted and logged of each request.
        turns: that answer quick requests together.
        now: seconds since 1970, which prediction ids begin with.
    """

    slots: "Slots"
    settings: ServeConfig
    work: Work
    keys: KeyRing | None
    logger: Any
    root: Path
    batcher: Batcher | None
    recorder: Recorder | None
    books: Books
    turns: Turns
    now: Callable[[], float]

    @classmethod
    def of(cls, slots: "Slots", settings: ServeConfig, root: Path) -> "Context":
        """Made as the settings say."""
        keys = KeyRing(root / settings.keys) if settings.keys else None
        logger = make_logger(settings)
        recorder = Recorder(settings.log, root, logger) if settings.log.folder else None
        batcher = Batcher() if settings.batching else None
        work = Work(settings)
        books = Books(writer_of(settings), logger, recorder, slots, work)
        return cls(slots, settings, work, keys, logger, root, batcher, recorder, books, Turns(work), clock.now_of())

    def close(self) -> None:
        """Let threads end, and lines be written."""
        self.work.close()
        self.books.close()
        if self.recorder is not None:
            self.recorder.close()
        if self.logger is not None:
            standard_error().flush()
        if self.batcher is not None:
            self.batcher.close()
