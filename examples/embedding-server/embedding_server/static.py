"""Static embeddings: every token has a fixed vector, and a text's is the mean of its tokens'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Encoding


class Static:
    """The vectors of all tokens.

    Parameters
    ----------
    table
        One row for each token.
    """

    def __init__(self, table: NDArray[np.float16]) -> None:
        self._table = table
        self.width: int = table.shape[1]

    @classmethod
    def load(cls, weights: Path) -> Self:
        """Read the table from a safetensors file."""
        return cls(load_file(weights)["embedding.weight"])

    def __call__(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        """Give the mean vector of each text."""
        last = len(self._table) - 1
        return np.stack(
            [self._table[np.clip(text.ids, 0, last)].mean(axis=0, dtype=np.float32) for text in batch]
        )
