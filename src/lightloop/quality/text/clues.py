"""What of a text must not tell its class alone: one token that is there or not, or how long the text is.

A header name such as `Received:`, a signature or a mark of the source tells where a text was collected, not what it
says.

Shapes: N records, K classes, V tokens.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import LabelBinarizer

from lightloop.config.text import TextSpec
from lightloop.data.records import read_records
from lightloop.quality.leakage import LEAST_OF_CLASS, predictiveness

LENGTHS = ("characters", "words", "letters", "longest", "replaced", "controls")
# A run of letters, digits and hyphens, with the colon of a header's name.
PATTERN = r"[\w-]+:?"
# Characters that are looked at from either end of a text: headers stand at the start, signatures at the end.
REACH = 2_000
SHOWN = 20


def clues(spec: TextSpec, train: pd.DataFrame, root: Path) -> dict[str, float | None]:
    """See `quality.modality.clues_of`; of the tokens the 20 strongest."""
    found = {name: predictiveness(train[name], train["label"], classes=True) for name in LENGTHS}
    read = train[train["characters"].notna()]
    texts = read_records(spec, root, "train").column("text").take(read.index.to_numpy()).to_pylist()
    tokens = token_clues(texts, read["label"])
    strongest = sorted(tokens, key=lambda token: (-tokens[token], token))[:SHOWN]
    return found | {f"the token {token!r}": tokens[token] for token in strongest}


def token_clues(texts: list[str], labels: "pd.Series[str]") -> dict[str, float]:
    """The AUROC of each token's presence, or absence, for the class that it tells best.

    A token is 0 or 1, so that its AUROC is the mean of the shares that it gets right within and outside of a class.

    Examples:
        >>> texts = ["Spam: yes", "hello"] * 10
        >>> token_clues(texts, pd.Series(["spam", "ham"] * 10))
        {'hello': 1.0, 'spam:': 1.0, 'yes': 1.0}
    """
    counts = labels.value_counts()
    names = sorted(counts.index[counts >= LEAST_OF_CLASS])
    if len(names) < 2:
        return {}
    kept_N = labels.isin(names).to_numpy()
    ends = [_ends(text) for text, kept in zip(texts, kept_N, strict=True) if kept]
    vectorizer = CountVectorizer(binary=True, token_pattern=PATTERN, dtype=np.float64)
    try:
        present_NV = vectorizer.fit_transform(ends)
    except ValueError:  # no text has a token
        return {}
    classes = LabelBinarizer().fit(names)
    member_NK = classes.transform(labels[kept_N])
    if len(names) == 2:
        member_NK = np.hstack([1 - member_NK, member_NK])
    inside_KV = (present_NV.T @ member_NK).T / member_NK.sum(0)[:, None]
    outside_KV = (present_NV.T @ (1 - member_NK)).T / (1 - member_NK).sum(0)[:, None]
    auroc_V = 0.5 + np.abs(inside_KV - outside_KV).max(0) / 2
    return dict(zip(vectorizer.get_feature_names_out().tolist(), auroc_V.tolist(), strict=True))


def _ends(text: str) -> str:
    return text if len(text) <= 2 * REACH else f"{text[:REACH]}\n{text[-REACH:]}"
