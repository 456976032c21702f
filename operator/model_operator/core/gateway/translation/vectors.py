"""Embeddings and rerankings in a form of their own, between the client's API and the server's."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.translation.fields import Given
from model_operator.core.gateway.translation.server_answers import broken, expect_count, path_of
from model_operator.core.values.words import plural


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to embed.

    Attributes
    ----------
    texts
        At least one.
    bindings
        Values of the parameters that the template declares for requests.
    dimensions
        Length of the vectors; None for the model's own.
    truncate
        Which end of a long text to cut: ``NONE``, ``START`` or ``END``; None for the server's default.
    as_base64, as_floats
        In which forms the client takes the vectors; OpenAI's clients take one.
    """

    texts: tuple[str, ...]
    bindings: Mapping[str, Given] = field(default_factory=dict)
    dimensions: Given | None = None
    truncate: Given | None = None
    as_base64: bool = False
    as_floats: bool = True


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of the texts in the order of the request, and the tokens read; 0 if not counted."""

    vectors: Sequence[Sequence[float]]
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """Documents to score.

    Attributes
    ----------
    query, documents
        The texts.
    bindings
        Values of the parameters that the template declares for requests.
    instruction
        What the model must look at; None for nothing.
    top_n
        Number of results; None for all.
    returned
        The documents as the client wrote them, if the answer must repeat them.
    """

    query: str
    documents: tuple[str, ...]
    bindings: Mapping[str, Given] = field(default_factory=dict)
    instruction: Given | None = None
    top_n: int | None = None
    returned: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of the documents in the order of the request, and the tokens read; 0 if not counted."""

    scores: Sequence[float]
    tokens: int = 0


def checked_embeddings(
    vectors: Sequence[Sequence[float]],
    tokens: int,
    request: EmbeddingRequest,
    where: str,
    protocol: EndpointProtocol,
) -> Embeddings:
    """Return a server's vectors, of which there must be one for each text, of the requested length.

    Raises
    ------
    Failure
        WORKER_FAILED.
    """
    expect_count(vectors, len(request.texts), where, protocol)
    if request.dimensions is not None:
        length = request.dimensions.value
        for index, vector in enumerate(vectors):
            if len(vector) != length:
                problem = (
                    f"expected {plural(length, 'number')}, got {len(vector)} - at `{path_of(where)}[{index}]`"
                )
                raise broken(protocol, problem)
    return Embeddings(vectors, max(tokens, 0))


def ordered_scores(
    found: Sequence[tuple[int, float]],
    tokens: int,
    request: RerankRequest,
    where: str,
    protocol: EndpointProtocol,
) -> Scores:
    """Return the scores of a server's ranking, pairs of index and score, in the order of the documents.

    Raises
    ------
    Failure
        WORKER_FAILED unless each document has one score.
    """
    expect_count(found, len(request.documents), where, protocol)
    scores = dict(found)
    if len(scores) != len(found) or not all(0 <= index < len(found) for index in scores):
        last = len(found) - 1
        raise broken(
            protocol, f"expected each index from 0 to {last} once - at `{path_of(where)}[...].index`"
        )
    return Scores([scores[index] for index in range(len(found))], max(tokens, 0))


def base64_of(vectors: Sequence[Sequence[float]], protocol: EndpointProtocol) -> list[str]:
    """Return vectors as OpenAI and Cohere write them in base64: numbers of 32 bits, little endian.

    Raises
    ------
    Failure
        WORKER_FAILED for a number that has no such form.
    """
    try:
        return [
            base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii") for vector in vectors
        ]
    except OverflowError:
        raise broken(protocol, "expected numbers of 32 bits") from None
