"""A text as a raw record.

Shapes: N records, T tokens.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.inputs import Feeds, RecordInput
from lightloop.data.text.tokenizer import FILE, tokenizer_of
from lightloop.errors import RefusedError

PADDING, UNKNOWN = 0, 1
# Characters that are looked at for each token that can be kept: a text of a megabyte costs no more than a long one.
REACH = 64
# Texts that are tokenised together, by all cores.
CHUNK = 1024


class TextInput(RecordInput):
    """What the graph takes: token ids (N, T), int64; T is the longest of the records, 0 fills up the others.

    A text without any token (empty, or blank) is the one token "unknown", so that no record is all padding. A character
    or word that the training texts did not have is "unknown" too.

    Attributes:
        kind: of record.
        max_length: tokens that are kept of a longer text; of such a text no more than 64 characters for each of them
            are looked at, counted from the end that is kept.
        truncation: which end is kept; `both` keeps half of the tokens from each, the odd one from the head.
        tokenizer: the file of the preprocessing that holds the tokenizer.
    """

    kind: Literal["text"] = "text"
    max_length: int
    truncation: Literal["head", "tail", "both"] = "head"
    tokenizer: str = FILE

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        return {"ids": ("int64", (None, None))}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        return self.encode_told(table, files)[0]

    def encode_told(self, table: pa.Table, files: Mapping[str, bytes]) -> tuple[Feeds, NDArray[np.bool_]]:
        """As `encode`, with whether each text (N,) is longer than what is read of it."""
        texts = texts_of(table)
        rows: list[list[int]] = []
        longer_N = np.zeros(len(texts), dtype=np.bool_)
        for row, ids in enumerate(self.token_ids(texts, files)):
            longer_N[row] = len(ids) > self.max_length or self.reach(texts[row]) != texts[row]
            rows.append(self.cut(ids))
        ids_NT = np.full((len(rows), max(map(len, rows), default=1)), PADDING, dtype=np.int64)
        for row, ids in enumerate(rows):
            ids_NT[row, : len(ids)] = ids
        return {"ids": ids_NT}, longer_N

    def token_ids(self, texts: list[str], files: Mapping[str, bytes]) -> Iterator[list[int]]:
        """All tokens of each text, not cut; at least one."""
        tokenizer = tokenizer_of(files, self.tokenizer)
        for start in range(0, len(texts), CHUNK):
            chunk = [self.reach(text) for text in texts[start : start + CHUNK]]
            yield from (found.ids or [UNKNOWN] for found in tokenizer.encode_batch_fast(chunk))

    def reach(self, text: str) -> str:
        """What of a text is looked at."""
        most = REACH * self.max_length
        match self.truncation:
            case "head":
                return text[:most]
            case "tail":
                return text[-most:]
            case "both":
                return text if len(text) <= 2 * most else f"{text[:most]} {text[-most:]}"

    def cut(self, ids: list[int]) -> list[int]:
        """At most `max_length` of a text's tokens.

        Examples:
            >>> [TextInput(max_length=3, truncation=end).cut([5, 6, 7, 8, 9]) for end in ("head", "tail", "both")]
            [[5, 6, 7], [7, 8, 9], [5, 6, 9]]
        """
        if len(ids) <= self.max_length:
            return ids
        match self.truncation:
            case "head":
                return ids[: self.max_length]
            case "tail":
                return ids[-self.max_length :]
            case "both":
                tail = self.max_length // 2
                return ids[: self.max_length - tail] + ids[len(ids) - tail :]


def texts_of(table: pa.Table) -> list[str]:
    """The texts of records.

    Raises:
        RefusedError: a record has none.
    """
    column = table.column("text")
    texts: list[str] = column.to_pylist()
    if column.null_count:
        row = texts.index(None)  # type: ignore[arg-type]
        name = table.column("id")[row].as_py() if "id" in table.column_names else f"number {row + 1}"
        raise RefusedError(f"record {name} has no text: leave it out, or give it one (an empty text is one too)")
    return texts
