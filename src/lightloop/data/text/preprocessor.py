"""Preprocessing of texts: a tokenizer that is fitted to the training texts; ids are the network's own business.

Shapes: N records, B batch, T tokens.
"""

import pyarrow as pa
import torch
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.config.text import TextPreprocess
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.text.input import TextInput, texts_of
from lightloop.data.text.tokenizer import FILE, UNKNOWN, tokenizer_of, train_tokenizer
from lightloop.errors import RefusedError
from lightloop.networks._inputs import TextInputs


class TextPreprocessor(Preprocessor):
    """Texts to token ids, by a vocabulary of the training split alone.

    Its state is the file `tokenizer.json`, which holds normalisation, splitting and vocabulary, and which the service
    reads with the same library.

    Args:
        config: of the run; read is `preprocess`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert isinstance(config.preprocess, TextPreprocess)
        self.settings = config.preprocess
        self._files: dict[str, bytes] = {}

    def fit(self, train: pa.Table) -> None:
        """Train the tokenizer.

        Raises:
            RefusedError: a record has no text, or no text has a token that is frequent enough.
        """
        texts = texts_of(train)
        self._files = {FILE: train_tokenizer(self.settings, texts)}
        if self.vocabulary <= 2:
            raise RefusedError(
                f"no token stands {self.settings.min_count} times in the {len(texts)} training texts: "
                "check data.columns, or lower preprocess.min_count"
            )

    @property
    def vocabulary(self) -> int:
        """How many tokens there are, padding and "unknown" included; after `fit` or `load_files`."""
        return tokenizer_of(self._files).get_vocab_size()

    @property
    def input(self) -> TextInput:
        return TextInput(max_length=self.settings.max_length, truncation=self.settings.truncation)

    @property
    def inputs(self) -> TextInputs:
        return TextInputs(self.vocabulary, self.settings.max_length)

    def encode(self, table: pa.Table) -> tuple[Tensor, ...]:
        """Token ids (N, T), int64."""
        return (torch.from_numpy(self.input.encode(table, self._files)["ids"]),)

    def tokens(self, ids: list[int]) -> list[str]:
        """Tokens as they are spelled; those of the vocabularies `bpe` and `char` bring their own spaces."""
        tokenizer = tokenizer_of(self._files)
        return [tokenizer.id_to_token(one) or UNKNOWN for one in ids]

    def example(self) -> tuple[Tensor, ...]:
        """Two texts, one of which is padded."""
        length = max(2, min(16, self.settings.max_length))
        ids_2T = 1 + torch.arange(2 * length).reshape(2, length) % (self.vocabulary - 1)
        ids_2T[1, length // 2 :] = 0
        return (ids_2T,)

    def files(self) -> dict[str, bytes]:
        return dict(self._files)

    def load_files(self, files: dict[str, bytes]) -> None:
        self._files = {FILE: files[FILE]}
