"""The commands behind ``make tools``, ``dev``, ``demo`` and ``demo-real``."""

from __future__ import annotations

import argparse
import sys

from hack.build.browser import ensure_browser
from hack.build.go_toolchain import ToolsError
from hack.build.image_python import image_python
from hack.build.operator_image import ensure_operator_image
from hack.build.toolset import ensure_helm, ensure_tools
from tests.cluster.chat import CHAT
from tests.cluster.demo import demo
from tests.cluster.demo_real import demo_real
from tests.cluster.dev import dev
from tests.cluster.embedding import SERVER
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kubectl import KubectlError
from tests.cluster.nodes.real import ensure_real_node
from tests.cluster.processes import ProcessError
from tests.cluster.shown import DemoError

INTERRUPTED = 130


def tools() -> None:
    """Build what the tests on simulated nodes take."""
    ensure_tools()
    ensure_helm()


def real_node_tools() -> None:
    """Get what the tests with real containers take, or say why they will be skipped."""
    try:
        ensure_real_node()
        SERVER.ensure_image()
        CHAT.ensure_image()
    except ToolsError as error:
        print(f"NO REAL NODE: the tests with real containers will be skipped: {error}", file=sys.stderr)


def operator_image() -> None:
    """Build the operator's image, or say why it cannot be built here."""
    try:
        ensure_real_node()
    except ToolsError as error:
        print(f"NO REAL NODE: the end-to-end tests will be skipped: {error}", file=sys.stderr)
        return
    ensure_operator_image()


def python() -> None:
    """Get the Python of the operator's image, and say where it is."""
    print(image_python())


def browser() -> None:
    """Get Chromium where there is none, and say where it is."""
    print(ensure_browser().program)


def main() -> int:
    """Run one command; give the exit status: 0, 1 after an error that was printed, 130 when interrupted."""
    commands = {
        "tools": tools,
        "real-node-tools": real_node_tools,
        "operator-image": operator_image,
        "image-python": python,
        "browser": browser,
        "dev": dev,
        "demo": demo,
        "demo-real": demo_real,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=commands)
    command = commands[parser.parse_args().command]
    stop_on_signals()
    try:
        command()
    except (DemoError, KubectlError, ProcessError, ToolsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; everything is stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
