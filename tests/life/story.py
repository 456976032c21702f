"""Telling a story to a cluster step by step, and judging every version that comes of it."""

from __future__ import annotations

import datetime
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cluster.waiting import wait_for
from tests.life.judge import judge
from tests.life.profiles import INSTANCE, Profile
from tests.life.quiet import quiet_faults
from tests.life.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi
    from tests.life.history import History

SILENCE_SECONDS = 0.4
STEP_SECONDS = 60.0


class Story:
    """One life of an instance in a namespace of its own.

    Parameters
    ----------
    api
        A client for the namespace.
    profile
        The kind of node.
    recorder
        Writes down what happens there.

    Attributes
    ----------
    steps
        What was done so far.
    """

    def __init__(self, api: KubeApi, profile: Profile, recorder: Recorder) -> None:
        self.api = api
        self.profile = profile
        self.steps: list[str] = []
        self._recorder = recorder
        self._judged = 0

    @contextmanager
    def step(self, name: str) -> Iterator[KubeApi]:
        """Do what the block does, wait until nothing more happens, and judge all versions since.

        Raises
        ------
        AssertionError
            When something was not true, or is not as it is to be in time; with the steps so far.
        """
        __tracebackhide__ = True
        self.steps.append(name)
        yield self.api
        self._settle()

    def remove(self, kind: str, name: str) -> None:
        """Delete a child as somebody who should not."""
        self._recorder.removing(self.api.get(kind, name)["metadata"]["uid"])
        self.api.delete(kind, name)

    def let_a_second_pass(self) -> None:
        """Wait until what is created next is younger than all Deployments, by times that tell seconds."""

        def is_past() -> bool:
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return all(each["metadata"]["creationTimestamp"] < now for each in self.api.list("Deployment"))

        wait_for(is_past, message="all Deployments are of an earlier second")

    def true_conditions(self) -> set[str]:
        """Give the types of the instance's conditions that are true, but for UpToDate: no story pins it."""
        conditions = self.api.get("ModelInstance", INSTANCE)["status"]["conditions"]
        return {each["type"] for each in conditions if each["status"] == "True"} - {"UpToDate"}

    def _settle(self) -> None:
        __tracebackhide__ = True
        history = wait_for(self._is_quiet, STEP_SECONDS, f"it is quiet after {self._told()}")
        faults = judge(history, self._judged)
        self._judged = history.whole_until
        assert not faults, f"not true in the story {self._told()}:\n" + "\n".join(faults)

    def _is_quiet(self) -> History:
        history = self._recorder.history()
        faults = [*quiet_faults(history, INSTANCE)]
        assert not faults, "\n".join(faults)
        silence = self._recorder.silence()
        if silence < SILENCE_SECONDS:
            time.sleep(SILENCE_SECONDS - silence)
            assert self._recorder.silence() >= SILENCE_SECONDS, "something still happens"
        return history

    def _told(self) -> str:
        return " → ".join(self.steps)
