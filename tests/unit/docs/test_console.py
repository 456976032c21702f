"""What counts as the same, when what commands write is compared with what a document shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block
from tests.docs.console import matches, run

TABLE = "NAME     READY   AGE\nminilm   True    9s\n"


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        (TABLE, "NAME     READY   AGE\nminilm   True    1m10s\n"),
        (TABLE, "NAME   READY  AGE\nminilm   True  9s\n"),
        ("minilm   10.96.…   80/TCP   3d\n", "minilm   10.96.235.233   80/TCP   2s\n"),
        ("is invalid:\n* a\n", "is invalid: \n* a\n"),
        ("$ one\n…\nlast\n", "$ one\nfirst\nsecond\nlast\n"),
        ("$ one\n…\nlast\n", "$ one\nlast\n"),
    ],
)
def test_same(shown: str, written: str) -> None:
    assert matches(shown, written)


@pytest.mark.parametrize(
    "written",
    [
        TABLE.replace("True", "False"),
        TABLE.replace("minilm", "other"),
        TABLE.replace("9s", ""),
        TABLE + "other    True    9s\n",
        "",
    ],
)
def test_another(written: str) -> None:
    assert not matches(TABLE, written)


def test_no_line_is_skipped_but_by_an_ellipsis() -> None:
    assert not matches("first\nlast\n", "first\nsecond\nlast\n")
    assert not matches("10.96.…   80/TCP\n", "10.96.1.1\n80/TCP\n")


def test_runs_all_commands_in_one_shell(tmp_path: Path) -> None:
    text = "$ word='it is'\n$ echo \"$word\" \\\n    so\n$ false; echo $?\n"
    expected = "$ word='it is'\n$ echo \"$word\" \\\n    so\nit is so\n$ false; echo $?\n1\n"

    assert run(Block("", "run", text, 0, 0), tmp_path) == expected
