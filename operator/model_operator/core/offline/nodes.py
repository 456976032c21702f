"""YAML as a tree of nodes with positions, built from a parser's events without recursion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from model_operator.core.offline.placeholders import cause, tab_column

MAX_DEPTH: Final = 100
"""Maximum nesting of lists and objects that is kept. Each field bounds its own nesting, far below this, and
so reports what is deeper as the webhooks do."""
MAX_PARSED_DEPTH: Final = 1000
"""Maximum nesting of a text: the parser's work grows with its square."""
MAX_NODES: Final = 500_000
"""Maximum number of keys and values in a document as written; each takes some hundred bytes of memory."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text; lines and columns count from 1."""

    line: int
    column: int


class UnreadableError(ValueError):
    """A text is not YAML; the message says why.

    Attributes
    ----------
    position
        Position of the fault.
    """

    def __init__(self, message: str, position: Position) -> None:
        self.position = position
        super().__init__(message)


@dataclass(eq=False, slots=True)
class Scalar:
    """A single value: `plain` if unquoted, with its explicit `tag` if it has one."""

    position: Position
    text: str
    plain: bool
    tag: str | None


@dataclass(eq=False, slots=True)
class Sequence:
    """A list."""

    position: Position
    items: list[Node] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Mapping:
    """An object: its pairs in the order written, repeated keys included; `fields` is an index, made late."""

    position: Position
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    fields: dict[str, tuple[Position, Node]] | None = None


Node = Scalar | Sequence | Mapping


def compose(text: str, first_line: int) -> list[Node]:
    """Return the roots of a YAML text; an alias is the same node as its anchor.

    Parameters
    ----------
    text
        YAML or JSON.
    first_line
        Number of lines before the text in its file.

    Raises
    ------
    UnreadableError
        When it is not YAML, or nested too deeply for the parser.
    """
    try:
        return list(_compose(text, first_line))
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, text, first_line) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        position = Position(first_line + before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise UnreadableError("must be YAML: this character is not allowed", position) from error


def _unreadable(error: yaml.MarkedYAMLError, text: str, first_line: int) -> UnreadableError:
    """Return the error of a text that is not YAML, with the usual causes by name."""
    lines = text.split("\n")
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
    for mark in marks:
        column = tab_column(lines[mark.line]) if mark.line < len(lines) else None
        if column is not None:
            message = "must be YAML: a tab cannot indent a line, got one; use spaces"
            return UnreadableError(message, Position(first_line + mark.line + 1, column + 1))
    # A fault may be noticed on the line after its cause.
    numbers = [number for mark in marks for number in (mark.line, mark.line - 1)]
    known = cause(*(lines[number] for number in numbers if 0 <= number < len(lines)))
    message = known or error.problem or error.context or "it cannot be read"
    return UnreadableError(f"must be YAML: {message}", _position(marks[0], first_line))


def _compose(text: str, first_line: int) -> Iterator[Node]:
    anchors: dict[str, Node] = {}
    open_nodes: list[Sequence | Mapping] = []
    keys: list[Node | None] = []
    for event in _events(text, first_line):
        match event:
            case yaml.DocumentStartEvent():
                anchors.clear()
                continue
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                open_nodes.pop()
                keys.pop()
                continue
            case yaml.NodeEvent():
                node = _node(event, anchors, first_line)
            case _:
                continue
        if not open_nodes:
            yield node
        elif isinstance(parent := open_nodes[-1], Sequence):
            parent.items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            parent.pairs.append((key, node))
            keys[-1] = None
        if isinstance(event, yaml.CollectionStartEvent) and not isinstance(node, Scalar):
            open_nodes.append(node)
            keys.append(None)


def _events(text: str, first_line: int) -> Iterator[yaml.Event]:
    """Yield the events of the parser, up to `MAX_NODES` nodes; not those below `MAX_DEPTH` levels."""
    left, level = MAX_NODES, 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        left -= isinstance(event, yaml.NodeEvent)
        if left < 0:
            message = f"must have at most {MAX_NODES} keys and values in a document, got more"
            raise UnreadableError(message, _position(event.start_mark, first_line))
        level += isinstance(event, yaml.CollectionStartEvent)
        if level > MAX_PARSED_DEPTH:
            message = f"must have at most {MAX_PARSED_DEPTH} levels of lists and objects, got more"
            raise UnreadableError(message, _position(event.start_mark, first_line))
        is_border = isinstance(event, yaml.CollectionStartEvent | yaml.CollectionEndEvent)
        if level <= MAX_DEPTH or (is_border and level == MAX_DEPTH + 1):
            yield event
        level -= isinstance(event, yaml.CollectionEndEvent)


def _node(event: Any, anchors: dict[str, Node], first_line: int) -> Node:
    position = _position(event.start_mark, first_line)
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise UnreadableError(f"must be YAML: anchor {event.anchor!r} is not defined", position)
        return anchors[event.anchor]
    if isinstance(event, yaml.ScalarEvent):
        node: Node = Scalar(position, event.value, bool(event.implicit[0]), event.tag)
    else:
        node = Sequence(position) if isinstance(event, yaml.SequenceStartEvent) else Mapping(position)
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _position(mark: Any, first_line: int) -> Position:
    return Position(first_line + mark.line + 1, mark.column + 1)
