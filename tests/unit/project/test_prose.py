"""No decision of the product reads the text of a message: what a program needs is a field with a type.

The names of variables, attributes and keys that hold texts for people are found in comparisons, in ``in``, in
calls of text methods, and in regular expressions. Modules that must parse other programs' texts are listed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import model_operator

PRODUCT = Path(model_operator.__file__).parent
TEXTS = frozenset({"message", "messages", "detail", "details", "note", "notes", "msg", "refusal", "sentence"})
METHODS = frozenset(
    {
        "startswith",
        "endswith",
        "removeprefix",
        "removesuffix",
        "replace",
        "split",
        "partition",
        "find",
        "index",
    }
)
PATTERNS = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
OTHERS = {
    "cli/plugin/cluster.py": "the API server's refusals",
    "core/planning/dry_run.py": "the API server's refusals",
    "core/diagnosis/kubelet_messages.py": "kubelet and scheduler",
    "core/diagnosis/container.py": "kubelet Events",
    "core/diagnosis/foreign_messages.py": "kubelet, scheduler, controllers and admission",
    "core/diagnosis/image_messages.py": "kubelet and container runtimes",
    "core/reasons/refusals.py": "the API server's refusals",
    "core/objects/rollout.py": "the ReplicaSet controller's refusals",
}
"""Modules that parse texts of Kubernetes itself, which has no typed field there, and whose."""


def is_text(node: ast.AST) -> bool:
    """Tell whether an expression is the text of a message by its name, or a part or a form of one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=name)):
            return name in TEXTS
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=name), *_]):
            return name in TEXTS
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            return is_text(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "strip" | "rstrip" | "casefold")):
            return is_text(inner)
        case ast.BoolOp(values=values):
            return any(map(is_text, values))
    return False


def reads(tree: ast.AST) -> Iterator[int]:
    """Yield the lines in which a decision or a change depends on the words of a message."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=right):
                words = [each for each in (left, *right) if is_text(each)]
                is_presence = all(isinstance(op, ast.Is | ast.IsNot) for op in ops)
                if words and not is_presence and not any(_is_nothing(each) for each in (left, *right)):
                    yield node.lineno
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=args):
                if (name in METHODS and is_text(value)) or (name in PATTERNS and any(map(is_text, args))):
                    yield node.lineno
            case ast.Match(subject=subject) if is_text(subject):
                yield node.lineno


def _is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def found_in(source: str) -> list[int]:
    return sorted(reads(ast.parse(source)))


@pytest.mark.parametrize(
    "path", sorted(PRODUCT.rglob("*.py")), ids=lambda path: str(path.relative_to(PRODUCT))
)
def test_product(path: Path) -> None:
    is_listed = path.relative_to(PRODUCT).as_posix() in OTHERS

    assert is_listed or found_in(path.read_text(encoding="utf-8")) == []


def test_what_is_listed_exists() -> None:
    assert [name for name in OTHERS if not (PRODUCT / name).is_file()] == []


@pytest.mark.parametrize(
    "source",
    [
        'condition.message == "Instances can be made from the template."',
        'f"Insufficient {device}" in cause.detail',
        "detail in told",
        'result.note.replace("It was not tried", "not held")',
        'detail.removeprefix("Deployment demo: ")',
        'entry["message"].startswith("Deployment")',
        '(entry.get("message") or "").endswith("acts.")',
        "PATTERN.match(message)",
        're.sub("a", "b", str(problem.detail))',
        'match ready["message"]:\n    case "x":\n        pass',
        'each.msg.lower() != "gone"',
    ],
)
def test_a_reader_of_prose_is_found(source: str) -> None:
    assert found_in(source) == [1]


@pytest.mark.parametrize(
    "source",
    [
        'ready["reason"] == "Deploying"',
        "if detail:\n    pass",
        "message is None",
        'note != ""',
        'f"{subject}: {detail}"',
        'status.get("message", "")',
    ],
)
def test_a_writer_of_prose_is_not(source: str) -> None:
    assert found_in(source) == []
