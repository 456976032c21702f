"""The plugin without a cluster: its help, its words for kubectl's completion, and what it does to texts."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from model_operator.cli.main import app as operator_app
from model_operator.cli.plugin.key_parts import Issued
from model_operator.cli.plugin.main import app
from model_operator.cli.plugin.queries import Target, warning_text
from model_operator.cli.terminal import columns
from model_operator.core.gateway.keys import Grant, Key
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = Path(sys.executable).parent
PATHS = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
NAMES = ["status", "why", "wait", "instances", "templates", "diff", "render", "validate", "rollout", "key"]
KEY_NAMES = ["create", "list", "revoke"]
ROLLOUT_NAMES = ["status", "history", "undo", "pause", "resume", "approve"]


def complete(*typed: str) -> list[str]:
    done = subprocess.run(
        [COMMANDS / "kubectl_complete-model", *typed],
        env={**PATHS, "KUBECONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "name",
    [
        *NAMES[:-2],
        *(f"rollout {name}" for name in ROLLOUT_NAMES),
        *(f"key {name}" for name in KEY_NAMES),
    ],
)
def test_help_has_examples(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"]).stdout

    assert "\n  Examples:\n    " in shown
    assert f"kubectl model {name} " in shown
    assert "model-operator" not in shown
    assert "kubectl-model" not in shown


def test_help_of_all() -> None:
    shown = CliRunner().invoke(app, ["--help"], prog_name="kubectl-model").stdout

    assert shown.startswith("Usage: kubectl model [OPTIONS] COMMAND")
    assert [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()] == NAMES


def test_commands_without_a_cluster_are_those_of_the_operator() -> None:
    for words in (["render", "-f", str(SAMPLES)], ["validate", str(SAMPLES)]):
        ours, theirs = (CliRunner().invoke(each, words) for each in (app, operator_app))
        assert (ours.exit_code, ours.stdout) == (theirs.exit_code, theirs.stdout)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ([""], [*NAMES, ":4"]),
        (["w"], ["why", "wait", ":4"]),
        (["wait", "--for", ""], ["ready", "delete", ":4"]),
        (["wait", "--for=de"], ["delete", ":4"]),
        (["instances", "-o", "n"], ["name", ":4"]),
        (["validate", ""], [":0"]),
        (["key", ""], [*KEY_NAMES, ":4"]),
        (["rollout", ""], [*ROLLOUT_NAMES, ":4"]),
        (["rollout", "undo", "encoder", "--to", ""], ["latest", "previous", "stable", ":4"]),
        (["rollout", "undo", "--to", "s"], ["stable", ":4"]),
        (["diff", "encoder", "s"], ["stable", ":4"]),
        (["diff", "encoder", "stable", ""], ["latest", "previous", "stable", ":4"]),
        (["rollout", "approve", "encoder", ""], [":4"]),
        (["key", "list", "-o", ""], ["table", "name", "json", ":4"]),
        (["key", "revoke", ""], [":4"]),
        (["render", "-f", "it's"], [":0"]),
        (["status", ""], [":4"]),
        (["status", "it's $(not) a name"], [":4"]),
        ([], [*NAMES, ":4"]),
    ],
)
def test_completion(typed: Sequence[str], expected: list[str]) -> None:
    assert [line.partition("\t")[0] for line in complete(*typed)] == expected


@pytest.mark.parametrize(
    ("words", "namespace", "context"),
    [
        (["-n", "team-a", "why", "minilm"], "team-a", None),
        (["--namespace=team-a", "--context", "west", "why", "minilm"], "team-a", "west"),
        (["-n", "team-a", "why", "minilm", "-n", "team-b"], "team-b", None),
        (["why", "minilm", "--context", "west"], None, "west"),
    ],
)
def test_options_of_the_cluster_before_the_command(
    monkeypatch: pytest.MonkeyPatch, words: list[str], namespace: str | None, context: str | None
) -> None:
    asked: list[Target] = []

    def run(target: Target, _: object) -> None:
        asked.append(target)
        raise typer.Exit(7)

    monkeypatch.setattr("model_operator.cli.plugin.why.run_query", run)

    found = CliRunner().invoke(app, ["--kubeconfig", "some.yaml", *words])

    assert found.exit_code == 7, found.output
    assert asked == [Target(Path("some.yaml"), context, namespace)]


def test_options_of_the_cluster_before_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Target] = []

    def run(target: Target, _: object) -> None:
        asked.append(target)
        raise typer.Exit(7)

    monkeypatch.setattr("model_operator.cli.plugin.key.run_query", run)

    found = CliRunner().invoke(app, ["-n", "team-a", "key", "revoke", "app"])

    assert found.exit_code == 7, found.output
    assert asked == [Target(None, None, "team-a")]


@pytest.mark.parametrize(("hours", "is_shorter"), [(2160, False), (24, True)])
def test_a_key_is_alone_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, hours: int, *, is_shorter: bool
) -> None:
    asked = datetime.datetime(2027, 2, 28, 12, tzinfo=datetime.UTC)
    expires = asked - datetime.timedelta(hours=2160 - hours)
    issued = Issued(Key("team-a", "app", (Grant("team-a"),), "x"), "a.b.c", expires, asked)
    monkeypatch.setattr("model_operator.cli.plugin.key.run_query", lambda *_: issued)

    found = CliRunner().invoke(app, ["key", "create", "app"])

    assert (found.exit_code, found.stdout) == (0, "a.b.c\n")
    first, *rest = found.stderr.splitlines()
    assert first == f"key app for all models of namespace team-a expires at {expires:%Y-%m-%dT%H:%M:%SZ}"
    assert ["so it is shorter than --expires 90d" in line for line in rest] == [True] * is_shorter


def test_completion_after_options_of_the_cluster() -> None:
    assert [line.partition("\t")[0] for line in complete("-n", "team-a", "w")] == ["why", "wait", ":4"]
    assert complete("-n", "team-a", "validate", "") == [":0"]


def test_descriptions_of_completion_are_in_one_line() -> None:
    *options, _ = complete("status", "--")

    assert [line.partition("\t")[0] for line in options] == [
        "--watch",
        "--namespace",
        "--context",
        "--kubeconfig",
        "--help",
    ]
    assert all(line.partition("\t")[2] for line in options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plaín text…", "plaín text…"),
        ("  └─ Pod", "  └─ Pod"),
        ("two\nlines\r\n of it", "two lines of it"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("\x9b2J", "\\x9b2J"),
    ],
)
def test_what_steers_a_terminal_is_shown(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_columns() -> None:
    assert columns([("A", "B"), ("long", ""), ("x", "y")]) == ["A      B", "long", "x      y"]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ('299 - "all of it"', "all of it"),
        (r'299 - "a \"quoted\" and \\ one" "Mon, 01 Jan 2026 00:00:00 GMT"', 'a "quoted" and \\ one'),
        ("nothing of that form", "nothing of that form"),
    ],
)
def test_warnings_of_the_api_server(header: str, text: str) -> None:
    assert warning_text(header) == text
