"""The documents of a file, with the line and column of every field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from model_operator.core.offline.nodes import (
    MAX_DEPTH,
    Mapping,
    Node,
    Position,
    Scalar,
    Sequence,
    UnreadableError,
    compose,
)
from model_operator.core.offline.placeholders import cause
from model_operator.core.values.limits import MAX_KEY_CHARACTERS
from model_operator.core.values.violations import Loc
from model_operator.core.values.words import noun
from model_operator.core.values.yaml_dialect import TAG, plain_value

_BOUNDARY: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
# Blanks do not cross lines: otherwise a run of empty lines takes time with the square of its length.
_CONTENT: Final = re.compile(
    r"^(?!---[^\S\n]*(#.*)?$)(?!\.\.\.[^\S\n]*$)(?!%)(?![^\S\n]*#)[^\S\n]*\S", re.MULTILINE
)
MAX_DOCUMENTS: Final = 100_000
"""Maximum number of documents in one file."""
_MAX_ELEMENTS: Final = 200_000
"""Maximum number of values in a document with its aliases expanded; far more than etcd can store."""
_MAX_CHARACTERS: Final = 16 * 1024 * 1024
"""Maximum number of characters in a document with its aliases expanded; the limit of a file in bytes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that makes a document unreadable, or lets parsers read it differently."""

    position: Position
    message: str


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes
    ----------
    source
        Name of the file, for messages.
    value
        Its content as JSON; None when it cannot be read.
    faults
        Mistakes in its YAML, in the order of the text.
    start
        Where it begins.
    node
        Its content as a tree with positions; None when it cannot be read.
    """

    source: str
    value: Any
    faults: tuple[Fault, ...]
    start: Position
    node: Node | None

    def text(self, loc: Loc) -> str:
        """Return the text of a field's value as written; empty if it is a list or an object, or missing."""
        node = self.node
        for part in loc:
            step = None if node is None else _step(node, part)
            if step is None:
                return ""
            _, node = step
        return node.text if isinstance(node, Scalar) else ""

    def position(self, loc: Loc) -> Position:
        """Return the position of a field; for a missing one, that of the object it is missing from."""
        if self.node is None:
            return self.start
        node, found = self.node, self.node.position
        for part in loc:
            step = _step(node, part)
            if step is None:
                break
            key, node = step
            # A fault of a list or an object is reported at its key.
            found = node.position if isinstance(node, Scalar) and node.text else key
        return found


def read_documents(text: str, source: str) -> list[Document]:
    """Return the documents of a YAML stream, unreadable ones included, empty ones omitted.

    Each is read by itself, as kubectl does, so that a mistake in one does not hide the others.

    Parameters
    ----------
    text
        YAML or JSON.
    source
        Name of the file, for messages.
    """
    starts = [0, *(match.start() for match in _BOUNDARY.finditer(text) if match.start())]
    documents: list[Document] = []
    line = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        if _CONTENT.search(part):
            if len(documents) >= MAX_DOCUMENTS:
                message = f"must have at most {MAX_DOCUMENTS} documents in a file, got more; split the file"
                place = Position(line + 1, 1)
                return [*documents, Document(source, None, (Fault(place, message),), place, None)]
            documents += _read(part, source, line)
        line += part.count("\n")
    return documents


def _read(text: str, source: str, first_line: int) -> list[Document]:
    try:
        roots = compose(text, first_line)
    except UnreadableError as error:
        fault = Fault(error.position, str(error))
        return [Document(source, None, (fault,), Position(first_line + 1, 1), None)]
    documents = []
    for root in roots:
        reader = _Reader()
        value = reader.value(root)
        faults = tuple(sorted(reader.faults, key=lambda fault: fault.position))
        # What is in the place of a placeholder would only cause further faults.
        if reader.is_too_large or reader.has_placeholder:
            value = None
        documents.append(Document(source, value, faults, root.position, root))
    return documents


class _Reader:
    """Converts nodes to JSON values and collects faults."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.is_too_large = False
        self.has_placeholder = False
        self._left = _MAX_ELEMENTS
        self._characters_left = _MAX_CHARACTERS
        self._depth = 0

    def value(self, node: Node) -> Any:
        self._left -= 1
        if isinstance(node, Scalar):
            self._characters_left -= len(node.text)
        # An alias inside its own anchor never ends; nested aliases expand exponentially.
        if self._left < 0 or self._characters_left < 0 or self._depth > MAX_DEPTH:
            if not self.is_too_large:
                message = "document is too large or nested too deeply once its aliases are expanded"
                self.faults.append(Fault(node.position, message))
            self.is_too_large = True
            return None
        self._depth += 1
        value = self._value(node)
        self._depth -= 1
        return value

    def _value(self, node: Node) -> Any:
        match node:
            case Scalar():
                return self._scalar(node)
            case Sequence():
                return [self.value(item) for item in node.items]
            case Mapping():
                return self._mapping(node)

    def _scalar(self, node: Scalar) -> Any:
        if node.tag == f"{TAG}str" or (node.tag in (None, "!") and not node.plain):
            return node.text
        try:
            return plain_value(node.text)
        except ValueError as error:
            self.faults.append(Fault(node.position, str(error)))
            return None

    def _mapping(self, node: Mapping) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.pairs:
            if _is_merge(key):
                self._merge(value, merged)
                continue
            name = _key(key)
            if name is None:
                message = "key must be a string, got a list, an object or null"
                if isinstance(key, Mapping) and key.position == _next(node.position):
                    message = f"must be YAML: {cause('{{')}"
                    self.has_placeholder = True
                self.faults.append(Fault(key.position, message))
                continue
            if name in own:
                message = f"key {_shown_key(name)} is repeated; remove one of them"
                self.faults.append(Fault(key.position, message))
            own[name] = self.value(value)
        return {**merged, **own}

    def _merge(self, node: Node, merged: dict[str, Any]) -> None:
        """Add the fields of a ``<<`` merge key: of an object or a list of objects; the first one wins."""
        value = self.value(node)
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, dict):
                message = (
                    f"value of the merge key << must be an object or a list of objects, got {noun(part)}"
                )
                self.faults.append(Fault(node.position, message))
                return
            for name, item in part.items():
                merged.setdefault(name, item)


def _next(position: Position) -> Position:
    return Position(position.line, position.column + 1)


def _is_merge(key: Node) -> bool:
    return isinstance(key, Scalar) and key.plain and key.text == "<<"


def _key(node: Node) -> str | None:
    """Return a key as in JSON: numbers and booleans become strings."""
    if not isinstance(node, Scalar):
        return None
    if not node.plain or node.tag == f"{TAG}str":
        return node.text
    try:
        value = plain_value(node.text)
    except ValueError:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _shown_key(name: str) -> str:
    return repr(name if len(name) <= MAX_KEY_CHARACTERS else f"{name[:MAX_KEY_CHARACTERS]}…")


def _step(node: Node, part: str | int) -> tuple[Position, Node] | None:
    """Return the position of a field or an item of a node, and its node."""
    if isinstance(node, Sequence):
        if isinstance(part, int) and part < len(node.items):
            return node.items[part].position, node.items[part]
        return None
    if not isinstance(node, Mapping) or not isinstance(part, str):
        return None
    return _fields(node).get(part)


def _fields(node: Mapping) -> dict[str, tuple[Position, Node]]:
    """Return the positions of an object's fields; indexed once and reused for each fault of the object."""
    if node.fields is None:
        node.fields = own = {}
        for key, value in node.pairs:
            name = None if _is_merge(key) else _key(key)
            if name is not None:
                own[name] = (key.position, value)
        for key, value in node.pairs:
            if _is_merge(key):
                for source in value.items if isinstance(value, Sequence) else [value]:
                    for name, place in (_fields(source) if isinstance(source, Mapping) else {}).items():
                        own.setdefault(name, place)
    return node.fields
