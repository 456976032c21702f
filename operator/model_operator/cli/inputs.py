"""Reads manifests from files, directories and standard input."""

from __future__ import annotations

import gzip
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from model_operator.api import GROUP
from model_operator.cli.terminal import fail
from model_operator.core.offline.documents import Document, read_documents
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.offline.recognition import OUR_KINDS, mentions_a_namespace, mentions_us
from model_operator.core.values.words import alternatives, listed, plural

STDIN = "-"
MAX_FILE_MIB = 16
"""Maximum size of a file and of standard input; over ten times the largest object that etcd stores."""
_MAX_FILE_BYTES = MAX_FILE_MIB * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass
class Inputs:
    """What was read.

    Attributes
    ----------
    paths
        The files and directories as given.
    documents
        The documents of all files.
    beside
        The documents of files of directories that hold nothing of ours, but perhaps a Namespace. They count
        as omitted, and nothing is reported of them.
    files
        Number of files that were read.
    omitted
        Number of YAML and JSON files of directories that hold nothing of ours, so that they were not read.
    empty
        Directories, as given, of which no file was read.
    """

    paths: tuple[str, ...] = ()
    documents: list[Document] = field(default_factory=list)
    beside: list[Document] = field(default_factory=list)
    files: int = 0
    omitted: int = 0
    empty: list[str] = field(default_factory=list)

    def omit(self, text: str, name: str) -> None:
        """Leave out a file of a directory that holds nothing of ours, but for its Namespaces."""
        self.omitted += 1
        if mentions_a_namespace(text):
            self.beside += read_documents(text, name)

    def nothing_found(self) -> str:
        """Return the message for inputs without an object of our kinds."""
        places = listed(["standard input" if path == STDIN else path for path in self.paths])
        if self.files:
            reason = f"{plural(self.files, 'file')} read"
        elif self.omitted:
            reason = f"0 of {self.omitted} YAML or JSON files mention {GROUP}"
        else:
            reason = f"no file ends in {alternatives(sorted(_SUFFIXES))}"
        return f"{places}: no {OUR_KINDS} found ({reason}); check the paths, or use --allow-empty"


def read_inputs(paths: Iterable[str], *, only_ours: bool = True) -> Inputs:
    """Read the documents of all files.

    In a directory and below it, YAML and JSON files that mention our API group or kinds are read, except in
    hidden directories; this leaves out charts and values of other programs. Symbolic links to directories are
    not followed, and only regular files are read. An unreadable file, or one larger than `MAX_FILE_MIB`, ends
    the program.

    Parameters
    ----------
    paths
        Files, directories, and ``-`` for standard input.
    only_ours
        Whether to leave out files of directories that mention neither our API group nor our kinds.
    """
    inputs = Inputs(tuple(paths))
    for name, text in _texts(inputs, only_ours=only_ours):
        inputs.files += 1
        inputs.documents += read_documents(text, name)
    return inputs


def kubernetes_schemas() -> KubernetesSchemas:
    """Return Kubernetes' schemas that come with the package."""
    held = files("model_operator.cli").joinpath("kubernetes-schemas.json.gz").read_bytes()
    return KubernetesSchemas(json.loads(gzip.decompress(held)))


def _texts(inputs: Inputs, *, only_ours: bool) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for given in inputs.paths:
        if given == STDIN:
            content = sys.stdin.buffer.read(_MAX_FILE_BYTES + 1)
            yield "<stdin>", _decoded(content, "standard input")
            continue
        # Not by pathlib: in some versions, a loop of links or a too long name raises.
        if "\0" in given:
            fail(f"{given}: must be a file name, got one with a NUL character")
        if os.path.isdir(given):  # noqa: PTH112
            is_empty = True
            for inner in _files_below(Path(given)):
                text = _read(str(inner))
                target = os.path.realpath(inner)
                if only_ours and not mentions_us(text):
                    inputs.omit(text, str(inner))
                    continue
                is_empty = False
                if target not in seen:
                    seen.add(target)
                    yield str(inner), text
            if is_empty:
                inputs.empty.append(given)
        elif (target := os.path.realpath(given)) not in seen:
            seen.add(target)
            yield given, _read(given)


def _files_below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(directory).parts[:-1])
        if path.suffix in _SUFFIXES and not hidden and path.is_file():
            yield path


def _read(path: str) -> str:
    try:
        # Do not block on a FIFO without a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            content = _content(descriptor)
            is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
    if is_pipe and not content:
        fail(f"{path}: must be a file or a pipe with content, got a pipe without a writer")
    return _decoded(content, path)


def _content(descriptor: int) -> bytes:
    """Return the content of an open file, up to just above the limit."""
    content = bytearray()
    while len(content) <= _MAX_FILE_BYTES:
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            os.set_blocking(descriptor, True)
            continue
        if not chunk:
            break
        content += chunk
    return bytes(content)


def _decoded(content: bytes, name: str) -> str:
    if len(content) > _MAX_FILE_BYTES:
        fail(f"{name}: must be at most {MAX_FILE_MIB} MiB, got more; split it, or omit other files")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        fail(f"{name}: must be text in UTF-8, got byte {error.object[error.start]:#04x} at {error.start}")
