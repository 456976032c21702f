"""Reads manifests from files, directories and standard input."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

from model_operator.api import GROUP
from model_operator.cli.terminal import fail
from model_operator.core.offline.documents import Document, read_documents
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas

STDIN = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def read_inputs(paths: Iterable[str]) -> tuple[list[Document], int]:
    """Return the documents of all files, and the number of files.

    Of a directory, the YAML and JSON files are read in it and below it that mention our API group, but not in
    hidden directories: charts, configurations and values of other programs are no manifests of ours.

    Parameters
    ----------
    paths
        Files, directories, and ``-`` for standard input.
    """
    documents: list[Document] = []
    count = 0
    for name, text in _texts(paths):
        count += 1
        documents += read_documents(text, name)
    return documents, count


def kubernetes_schemas() -> KubernetesSchemas:
    """Return Kubernetes' schemas that come with the package."""
    held = files("model_operator.cli").joinpath("kubernetes-schemas.json.gz").read_bytes()
    return KubernetesSchemas(json.loads(gzip.decompress(held)))


def _texts(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    seen: set[Path] = set()
    for given in paths:
        if given == STDIN:
            yield "<stdin>", _decoded(sys.stdin.buffer.read(), "standard input")
            continue
        path = Path(given)
        if path.is_dir():
            for inner in _files_below(path):
                text = _read(inner)
                if GROUP in text and inner.resolve() not in seen:
                    seen.add(inner.resolve())
                    yield str(inner), text
        elif path.resolve() not in seen:
            seen.add(path.resolve())
            yield given, _read(path)


def _files_below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(directory).parts[:-1])
        if path.suffix in _SUFFIXES and not hidden and path.is_file():
            yield path


def _read(path: Path) -> str:
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        fail(f"{name}: must be text in UTF-8, got byte {error.object[error.start]:#04x} at {error.start}")
