"""What a command imports, by the names of modules: what it does not need would delay each start."""

from __future__ import annotations

import json
import subprocess
import sys
from inspect import getdoc
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

from model_operator.cli.app import Command, CommandGroup
from model_operator.cli.main import app
from model_operator.cli.plugin.main import app as plugin_app

if TYPE_CHECKING:
    import typer

LARGE = {
    "aiohttp",
    "asyncio",
    "jsonschema",
    "kopf",
    "kubernetes",
    "pydantic",
    "re2",
    "requests",
    "rich",
    "yaml",
}
"""Packages that take long to import."""


def tables() -> list[Command]:
    groups = [app, plugin_app, *(group.typer_instance for group in plugin_app.registered_groups)]
    return [command for group in groups for command in group_of(group).table]


def group_of(found: typer.Typer | None) -> type[CommandGroup]:
    group = found.info.cls if found is not None else None
    assert group is not None
    assert issubclass(group, CommandGroup)
    return group


def imported(program: str, *words: str) -> set[str]:
    """Return the names of the modules that are imported when a command has run."""
    script = (
        "import contextlib, io, json, sys\n"
        f"from {program} import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    app({list(words)!r})\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    return modules(script)


def modules(script: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return set(found)


@pytest.mark.parametrize("command", tables(), ids=lambda command: command.function)
def test_summary_begins_as_the_help_of_the_command(command: Command) -> None:
    first, *_ = (getdoc(resolve_name(command.function)) or "").splitlines()

    assert command.summary.endswith(".")
    assert first.startswith(command.summary[:-1])


@pytest.mark.parametrize("program", ["model_operator.cli.main", "model_operator.cli.plugin.main"])
def test_list_of_commands_imports_none_of_them(program: str) -> None:
    found = imported(program, "--help")

    assert not LARGE & found
    assert not any(name.startswith(("model_operator.api", "model_operator.kube")) for name in found)


@pytest.mark.parametrize("command", ["run", "gateway"])
def test_help_of_a_process_imports_its_settings_only(command: str) -> None:
    found = imported("model_operator.cli.main", command, "--help")

    assert not {"aiohttp", "kopf", "kubernetes", "jsonschema", "rich"} & found
    assert not any(
        name.startswith(("model_operator.controller", "model_operator.core.offline")) for name in found
    )


@pytest.mark.parametrize("command", ["validate", "explain", "revision", "schema"])
def test_commands_for_files_import_no_client(command: str) -> None:
    found = imported("model_operator.cli.main", command, "--help")

    assert not {"aiohttp", "kopf", "kubernetes"} & found
    assert not any(
        name.startswith(("model_operator.controller", "model_operator.cli.plugin.choices")) for name in found
    )


def test_plugin_imports_no_controller() -> None:
    """import-linter sees no module that a table names."""
    functions = [command.function for command in tables() if command.name not in {"run", "gateway"}]
    found = modules(
        "import json, sys\nfrom pkgutil import resolve_name\n"
        f"for function in {functions!r}:\n    resolve_name(function)\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )

    assert "model_operator.cli.plugin.status" in found
    assert not any(name.startswith(("model_operator.controller", "kopf")) for name in found)


def test_operator_imports_nothing_of_other_commands() -> None:
    found = modules(
        "import json, sys\n"
        "import model_operator.cli.run, model_operator.controller.operator\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    own = {name for name in found if name.startswith("model_operator.")}

    assert not {"email.mime", "jinja2", "msgspec", "pykube", "unittest", "sqlite3"} & found
    assert {name for name in own if name.startswith("model_operator.cli.")} == {
        "model_operator.cli.run",
        "model_operator.cli.settings",
        "model_operator.cli.terminal",
    }
    assert not any(
        name.startswith(
            (
                "model_operator.gateway",
                "model_operator.core.gateway",
                "model_operator.core.inspection",
                "model_operator.core.offline",
            )
        )
        for name in own
    )
    # 900 are those of the packages; the models of each Kubernetes kind would be 800 more.
    assert not any(name.startswith("kubernetes.client.models.v1_pod") for name in found)


def test_gateway_imports_nothing_of_the_operator() -> None:
    found = modules(
        "import json, sys\n"
        "import model_operator.cli.gateway, model_operator.gateway.gateway_process\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )

    assert not {"kopf", "rich.live"} & found
    assert not any(
        name.startswith(("model_operator.controller", "model_operator.core.offline")) for name in found
    )
