"""The tokenizer: made of the training texts, written as one `tokenizer.json`, and what reads it. No torch.

Normalisation, splitting and vocabulary are the tokenizers library's own, so that the file carries all of them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from json import dumps, loads

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from lightloop.config.text import Normalisation, TextPreprocess, Vocabulary
from lightloop.errors import LightloopError

FILE = "tokenizer.json"
PAD, UNKNOWN = "[PAD]", "[UNK]"  # 0 and 1, which no text can write
MARKS = ("<url>", "<email>", "<number>")

# No repetition is nested or without an end: a text that was made to be slow takes no longer than another.
URL = r"(?i)\b(?:https?://|ftp://|www\.)[^\s<>\"']{1,2000}"
EMAIL = r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
NUMBER = r"\d+(?:[.,]\d+)*"
NORMALIZERS: dict[Normalisation, Callable[[], normalizers.Normalizer]] = {
    "nfkc": normalizers.NFKC,
    "lowercase": normalizers.Lowercase,
    "strip_accents": lambda: normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]),
    "urls": lambda: normalizers.Replace(Regex(URL), " <url> "),
    "emails": lambda: normalizers.Replace(Regex(EMAIL), " <email> "),
    "numbers": lambda: normalizers.Replace(Regex(NUMBER), " <number> "),
    "digits": lambda: normalizers.Replace(Regex(r"\d"), "0"),
}
# Scripts that write no spaces between words: each character is a word.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
PATTERNS: dict[Vocabulary, str] = {
    "word": rf"{'|'.join(MARKS)}|[{UNSPACED}]|[\w&&[^{UNSPACED}]]+|[^\w\s]",
    # The space before a word belongs to it: parts inside of words are told from beginnings.
    "bpe": rf" ?(?:{'|'.join(MARKS)}|[{UNSPACED}]|[\w&&[^{UNSPACED}]]+|[^\w\s])",
    "char": rf"{'|'.join(MARKS)}|.",
}


def train_tokenizer(settings: TextPreprocess, texts: Sequence[str]) -> bytes:
    """The content of `tokenizer.json`, fitted to the texts: the same texts, in whatever order, give the same bytes.

    Examples:
        >>> file = train_tokenizer(TextPreprocess(name="text", min_count=1), ["Buy now!", "See https://x.y now"])
        >>> read_tokenizer(file).encode("buy [PAD] http://z.z").tokens
        ['buy', '[UNK]', '[UNK]', '[UNK]', '<url>']
    """
    tokenizer = Tokenizer(models.BPE() if settings.vocabulary == "bpe" else models.WordLevel())
    steps = [NORMALIZERS[name]() for name in settings.normalise]
    if settings.vocabulary != "word":
        steps.append(normalizers.Replace(Regex(r"\s+"), " "))
    tokenizer.normalizer = normalizers.Sequence(steps)
    pattern = Regex(PATTERNS[settings.vocabulary])
    # "removed" and "invert": what matches is kept, what does not is left out.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern, "removed", invert=True)
    trainer: trainers.Trainer
    if settings.vocabulary == "bpe":
        tokenizer.model = models.BPE(unk_token=UNKNOWN, fuse_unk=True)
        trainer = _bpe_trainer(settings, tokenizer, texts)
    else:
        tokenizer.model = models.WordLevel(unk_token=UNKNOWN)
        trainer = trainers.WordLevelTrainer(
            vocab_size=settings.size,
            min_frequency=settings.min_count,
            special_tokens=[PAD, UNKNOWN],
            show_progress=False,
        )
    tokenizer.train_from_iterator(texts, trainer)
    content = loads(tokenizer.to_str())
    # Tokens that are "added" would be found in raw text: a message could write [PAD].
    content["added_tokens"] = []
    return dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _bpe_trainer(settings: TextPreprocess, tokenizer: Tokenizer, texts: Sequence[str]) -> trainers.BpeTrainer:
    """With an alphabet of our own: the library cuts its alphabet between equally frequent characters by chance."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    room = max(1, (settings.size - 2) // 2)
    common = sorted((-count, letter) for letter, count in counts.items() if count >= settings.min_count)
    alphabet = [letter for _, letter in common[:room]] or [" "]
    return trainers.BpeTrainer(
        vocab_size=settings.size,
        min_frequency=settings.min_count,
        special_tokens=[PAD, UNKNOWN],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )


@lru_cache(maxsize=8)
def read_tokenizer(content: bytes) -> Tokenizer:
    """The tokenizer that `train_tokenizer` wrote; parsed once for the same content.

    Raises:
        LightloopError: it is none.
    """
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # noqa: BLE001 - the library raises Exception itself
        reason = " ".join(str(error).split())
        raise LightloopError(f"{FILE} is not a whole tokenizer ({reason}): run the train stage again") from None
    return tokenizer


def tokenizer_of(files: Mapping[str, bytes], name: str = FILE) -> Tokenizer:
    """The tokenizer among the files of the preprocessing.

    Raises:
        LightloopError: it is missing, or none.
    """
    if name not in files:
        raise LightloopError(f"{name} is missing among the files of the preprocessing: run the train stage again")
    return read_tokenizer(files[name])
