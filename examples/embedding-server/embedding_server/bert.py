"""A BERT encoder in numpy: the forward pass, and the mean of the last layer's vectors.

The names of weights, the order of operations and the constants are those of BERT-base as published, with
post-layer normalisation and learned positions; the file's own shapes say how wide and deep it is, but not
how wide a head is: that is MiniLM's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Encoding

Array = NDArray[np.float32]

HEAD_WIDTH = 32
EPSILON = np.float32(1e-12)
FAR_BELOW = np.float32(-1e9)
"""Added to what must get no attention: its share becomes exactly zero."""


class Bert:
    """An encoder.

    Parameters
    ----------
    weights
        By the names of a BERT checkpoint.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self.width: int = weights["embeddings.LayerNorm.bias"].shape[0]
        self._layers = len([name for name in weights if name.endswith("attention.self.query.weight")])

    @classmethod
    def load(cls, weights: Path) -> Self:
        """Read the weights from a safetensors file."""
        return cls(load_file(weights))

    def __call__(self, batch: Sequence[Encoding]) -> Array:
        """Give the mean vector of each text's tokens."""
        longest = max(len(text.ids) for text in batch)
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros((len(batch), longest), dtype=np.float32)
        for row, text in enumerate(batch):
            ids[row, : len(text.ids)] = text.ids
            mask[row, : len(text.ids)] = 1
        hidden = self._embeddings(ids)
        bias = (1 - mask)[:, None, None, :] * FAR_BELOW
        for layer in range(self._layers):
            hidden = self._layer(hidden, bias, f"encoder.layer.{layer}")
        means: Array = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return means

    def _embeddings(self, ids: NDArray[np.int64]) -> Array:
        words = self._weights["embeddings.word_embeddings.weight"][ids]
        positions = self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        segment = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normalised(words + positions + segment, "embeddings.LayerNorm")

    def _layer(self, hidden: Array, bias: Array, name: str) -> Array:
        attended = self._linear(self._attention(hidden, bias, name), f"{name}.attention.output.dense")
        hidden = self._normalised(hidden + attended, f"{name}.attention.output.LayerNorm")
        inner = gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._normalised(
            hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm"
        )

    def _attention(self, hidden: Array, bias: Array, name: str) -> Array:
        query, key, value = (
            self._heads(self._linear(hidden, f"{name}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(HEAD_WIDTH)) + bias
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed: Array = (shares @ value).transpose(0, 2, 1, 3)
        return mixed.reshape(hidden.shape)

    def _heads(self, hidden: Array) -> Array:
        texts, tokens, width = hidden.shape
        return hidden.reshape(texts, tokens, width // HEAD_WIDTH, HEAD_WIDTH).transpose(0, 2, 1, 3)

    def _linear(self, values: Array, name: str) -> Array:
        product: Array = values @ self._weights[f"{name}.weight"].T
        return product + self._weights[f"{name}.bias"]

    def _normalised(self, values: Array, name: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPSILON)
        scaled: Array = centred / spread * self._weights[f"{name}.weight"]
        return scaled + self._weights[f"{name}.bias"]


def gelu(values: Array) -> Array:
    """Give x·Φ(x), Φ being the normal distribution; the error is below that of single precision.

    Numpy has no error function: Abramowitz and Stegun, formula 7.1.26.
    """
    x = np.abs(values) / np.float32(np.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * x)
    series = np.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(coefficient)) * t
    error_function = np.copysign(1 - series * np.exp(-x * x), values)
    product: Array = values * np.float32(0.5) * (1 + error_function)
    return product
