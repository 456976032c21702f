"""The labels of the namespaces that a set of files defines, by which a template may be shared with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from model_operator.core.offline.collection import objects_in
from model_operator.core.offline.documents import Document

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label with its name that the API server sets on each namespace."""


def namespace_labels(documents: Iterable[Document]) -> dict[str, Mapping[str, str]]:
    """Return the labels of each Namespace in a set of files, by its name.

    Of two with the same name, the first counts. One in a document that is no YAML, or without a name, is left
    out: it is no object of ours, so nothing is reported.

    Parameters
    ----------
    documents
        The documents of all files.
    """
    found: dict[str, Mapping[str, str]] = {}
    for document in documents:
        if document.faults:
            continue
        for _, obj in objects_in(document.value, ()):
            metadata = obj.get("metadata")
            if (obj.get("apiVersion"), obj.get("kind")) != ("v1", "Namespace"):
                continue
            name = metadata.get("name") if isinstance(metadata, Mapping) else None
            if isinstance(metadata, Mapping) and isinstance(name, str) and name:
                found.setdefault(name, {**_labels(metadata.get("labels")), NAME_LABEL: name})
    return found


def _labels(written: object) -> dict[str, str]:
    if not isinstance(written, Mapping):
        return {}
    return {key: value for key, value in written.items() if isinstance(key, str) and isinstance(value, str)}
