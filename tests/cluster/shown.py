"""Commands that a demonstration shows before it runs them, and what it says in between."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.cluster.kubectl import Kubectl

STEP_SECONDS = 300.0
WAIT_SECONDS = 120


class DemoError(Exception):
    """A step of the demo did not come out as it should."""


def say(text: str) -> None:
    """Print what comes next, as a comment."""
    print(f"\n# {text.replace(chr(10), chr(10) + '# ')}", flush=True)


def run_shown(kubectl: Kubectl, *arguments: str, documents: Sequence[Mapping[str, Any]] = ()) -> None:
    """Show a command line, then run it with its output shown.

    Parameters
    ----------
    kubectl
        Of the cluster.
    arguments
        As on the command line.
    documents
        Objects that it reads on standard input, as for ``apply -f -``.

    Raises
    ------
    DemoError
        When it fails or takes longer than `STEP_SECONDS`.
    """
    shown = f"kubectl {shlex.join(arguments)}"
    print(f"\n$ {shown}", flush=True)
    if documents:
        given = ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in documents)
        print(f"# On standard input: {given}", flush=True)
    try:
        done = subprocess.run(
            [kubectl.binary, *arguments],
            cwd=REPOSITORY,
            env=kubectl.environment,
            input=yaml.safe_dump_all(documents, sort_keys=False),
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DemoError(f"`{shown}` did not end within {STEP_SECONDS:g} s.") from None
    if done.returncode != 0:
        raise DemoError(f"`{shown}` ended with status {done.returncode}.")


def get(kubectl: Kubectl, *arguments: str) -> dict[str, Any]:
    """Give what ``kubectl get`` finds, without showing it."""
    answer: dict[str, Any] = json.loads(kubectl("get", *arguments, "--output=json").stdout)
    return answer


def items_of(kubectl: Kubectl, *arguments: str) -> list[dict[str, Any]]:
    """Give the objects that ``kubectl get`` finds, without showing them."""
    items: list[dict[str, Any]] = get(kubectl, *arguments)["items"]
    return items


def patch(kubectl: Kubectl, target: str, spec: dict[str, Any]) -> None:
    """Merge fields into the ``spec`` of an object."""
    run_shown(kubectl, "patch", target, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def wait(kubectl: Kubectl, *arguments: str) -> None:
    """Wait by ``kubectl wait``."""
    run_shown(kubectl, "wait", *arguments, f"--timeout={WAIT_SECONDS}s")


def shown_key(kubectl: Kubectl, name: str, *arguments: str) -> str:
    """Show how a key for the gateway is created, create it, and give it without showing it.

    Raises
    ------
    DemoError
        When kubectl fails, or its standard output is no key.
    """
    print(f"\n$ KEY=$(kubectl {shlex.join(('model', 'key', 'create', name, *arguments))})", flush=True)
    key, notes = create_key(kubectl, name, *arguments)
    print(notes, flush=True)
    return key


def create_key(kubectl: Kubectl, name: str, *arguments: str) -> tuple[str, str]:
    """Create a key for the gateway by the kubectl plugin, and give it and what the plugin notes about it.

    Raises
    ------
    DemoError
        When kubectl fails, or its standard output is no key.
    """
    words = ["model", "key", "create", name, *arguments]
    environment = kubectl.environment
    # kubectl finds its plugins on PATH.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    done = subprocess.run(
        [kubectl.binary, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    key = done.stdout.strip()
    if done.returncode != 0 or len(key.split()) != 1:
        raise DemoError(
            f"`kubectl {shlex.join(words)}` gave no key, and status {done.returncode}: {done.stderr.strip()}"
        )
    return key, done.stderr.strip()
