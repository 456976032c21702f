"""One shared control plane and operator for the whole run, whether pytest-xdist spreads the tests or not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hack.build.toolset import VERSION_VARIABLE
from tests.cluster.shared_run import SharedRun
from tests.marks import is_older, marks

TESTS = Path(__file__).parent
RUN = pytest.StashKey[SharedRun]()

# Other processes may hold the machine up; tests that bound time measure their own.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run, or, in an xdist worker, join the controller's."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        # A shell has what it starts in the background ignore Ctrl-C, and whatever that starts inherits it.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        config.stash[RUN] = SharedRun.begin()
    else:
        config.stash[RUN] = SharedRun(Path(worker["run_directory"]), worker["run_owner"])


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by their folders."""
    for item in items:
        if item.path.is_relative_to(TESTS):
            for mark in marks(item.path.relative_to(TESTS)):
                item.add_marker(mark)
        needed = item.get_closest_marker("kubernetes")
        if needed is not None and is_older(os.environ.get(VERSION_VARIABLE), needed.args[0]):
            item.add_marker(pytest.mark.skip(f"needs Kubernetes {needed.args[0]} or newer"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which run it belongs to."""
    run = node.config.stash[RUN]
    node.workerinput |= {"run_directory": str(run.directory), "run_owner": run.owner}


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run in the process that began it."""
    if not hasattr(config, "workerinput") and RUN in config.stash:
        config.stash[RUN].end()


@pytest.fixture(scope="session")
def shared_run(pytestconfig: pytest.Config) -> SharedRun:
    """Give what all tests of this run share."""
    return pytestconfig.stash[RUN]
