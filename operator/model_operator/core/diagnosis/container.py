"""What keeps one container of a pod from being ready."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import NOTHING, Diagnosis, Finding, failure, note, with_cause
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.diagnosis.foreign_messages import is_timeout, pull_fault
from model_operator.core.diagnosis.image_messages import names_image
from model_operator.core.diagnosis.image_volumes import (
    lacking_pull_secrets,
    pull_advice,
    unmounted_image,
    unpulled_volume,
    with_secrets,
)
from model_operator.core.diagnosis.kubelet_messages import normalized_message
from model_operator.core.diagnosis.pod_events import (
    Event,
    last_seen,
    moment,
    of_container,
    of_pull,
    with_reason,
)
from model_operator.core.diagnosis.probe_failures import diagnose_running, killed, killing_probe
from model_operator.core.reasons.reasons import Advice, Reason

_PULL_ERRORS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_PERMANENT_PULL_ERRORS = frozenset({"ErrImageNeverPull", "InvalidImageName", "SignatureValidationFailed"})
_CONFIGURATION_ERRORS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError"}
)
_PERMANENT_ERRORS = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""Those of them that are about the container, not about a hook of the node."""
_START_ERRORS = frozenset({"StartError", "ContainerCannotRun"})
_UNKNOWN_ENDS = frozenset({"ContainerStatusUnknown", "Unknown"})
"""Ends that the kubelet has not seen, with a node that was restarted for one: no fault of the container."""
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: \w+: )?')
_PULL_STEPS = re.compile(
    r'^(failed to (pull and unpack image "[^"]*"|resolve reference "[^"]*"|resolve image): )+'
)
_FAILED_PULL = re.compile(r'^Failed to pull image "[^"]*": ')
_FIX_COMMAND = Advice(Actor.TEMPLATE_OWNER, "fix the command or the image.")
_RESTARTS = 2
"""A container that has ended after as many restarts keeps crashing: it was not one unlucky moment."""
_LONG = datetime.timedelta(minutes=10)
"""After this time without a crash the kubelet resets its back-off, too."""


class Role(StrEnum):
    """What a container is in its pod."""

    MAIN = "container"
    INIT = "init container"
    SIDECAR = "sidecar"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod.

    Attributes
    ----------
    pod
        The pod.
    role
        What it is there.
    spec, status
        Its entries in the pod's spec and status; the latter is empty until the kubelet has one.
    """

    pod: Mapping[str, Any]
    role: Role
    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.spec["name"])

    @property
    def state(self) -> Mapping[str, Any]:
        """Its state: one of ``waiting``, ``running``, ``terminated``."""
        return self.status.get("state") or {}

    @property
    def waiting(self) -> str:
        """What it waits for, in the kubelet's word; empty when it does not wait."""
        return str((self.state.get("waiting") or {}).get("reason", ""))

    @property
    def crashed_without_readiness_probe(self) -> bool:
        """Whether it runs again after a crash and has no readiness probe."""
        has_no_probe = self.role is not Role.INIT and not self.spec.get("readinessProbe")
        return has_no_probe and "running" in self.state and _last_end(self) is not None

    def words(self, text: str) -> str:
        """Return a text of the kubelet without the parts that change."""
        return normalized_message(text, self.pod)

    def __str__(self) -> str:
        return f'{self.role} "{self.name}"'


def containers_of(pod: Mapping[str, Any]) -> Iterator[Container]:
    """Yield the containers of a pod in the order in which they start."""
    spec, status = pod["spec"], pod.get("status") or {}
    for key, list_of in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
    ):
        statuses = {each["name"]: each for each in status.get(list_of) or []}
        for each in spec.get(key) or []:
            init = Role.SIDECAR if each.get("restartPolicy") == "Always" else Role.INIT
            role = init if key == "initContainers" else Role.MAIN
            yield Container(pod, role, each, statuses.get(each["name"], {}))


def diagnose_container(container: Container, evidence: Evidence) -> Finding:
    """Return why a container of a pod that is not ready is not ready.

    Parameters
    ----------
    container
        The container.
    evidence
        What was read beside its pod.
    """
    events = evidence.events_of(container.pod)
    own = None if events is None else of_container(events, container.name)
    if container.waiting in _PULL_ERRORS:
        return _unpulled(container, events)
    if container.waiting in _CONFIGURATION_ERRORS:
        return Finding(_uncreated(container))
    # Without a probe a container counts as ready whenever it runs, also between two crashes.
    if container.status.get("ready") and (
        container.role is Role.INIT
        or container.spec.get("readinessProbe")
        or "running" not in container.state
    ):
        return NOTHING
    end = _last_end(container)
    if end is not None and not _has_run_long(container, events):
        found = _crashed(container, end, own)
        # Events may show that it has run for long since then.
        is_open = own is None and bool(container.status.get("started"))
        return found._replace(is_certain=found.is_certain and not is_open)
    if "running" in container.state:
        if container.role is Role.INIT:
            return Finding(note(f"{container} is running"))
        return diagnose_running(container, own, evidence)
    if container.waiting == "ContainerCreating":
        return Finding(note(f"{container} is being created, which includes pulling its image"))
    return NOTHING


def _uncreated(container: Container) -> Diagnosis:
    waiting = container.state["waiting"]
    unmounted = unmounted_image(container.pod, container.spec, waiting.get("message") or "")
    if unmounted is not None:
        return unmounted
    said = container.words(waiting.get("message") or container.waiting)
    is_permanent = container.waiting in _PERMANENT_ERRORS and not is_timeout(said)
    text = f"{container} cannot be created: {said}"
    return failure(Reason.ContainerConfigError, text, is_permanent=is_permanent)


def _unpulled(container: Container, events: Sequence[Event] | None) -> Finding:
    said = container.words(container.state["waiting"].get("message") or "")
    named, cause = said, _BACK_OFF.sub("", said)
    is_known = bool(cause) and cause != container.waiting
    # The back-off message of older kubelets does not have the error; an Event does.
    if not is_known and events is not None:
        pulled = with_reason(of_pull(events, container.name), "Failed")
        failed = [event.get("message") or "" for event in pulled]
        pulls = [container.words(text) for text in failed if _FAILED_PULL.match(text)]
        cause, is_known = _FAILED_PULL.sub("", pulls[-1]) if pulls else "", True
        named = f"{said} {pulls[-1] if pulls else ''}"
    is_permanent = container.waiting in _PERMANENT_PULL_ERRORS or pull_fault(cause) is not None
    cause = _PULL_STEPS.sub("", cause)
    image = str(container.spec.get("image"))
    # The kubelet reports an image volume as if it were the image of the container that mounts it.
    volume = None if names_image(named, image) else unpulled_volume(container.pod, container.spec, named)
    what = f'image "{image}" of {container}' if volume is None else volume
    lacking = lacking_pull_secrets(container.pod, events)
    if lacking is None:
        # Of a Secret that does not exist, only an Event knows.
        is_known, lacking = False, []
    advice = pull_advice(container.waiting, lacking, is_volume=volume is not None)
    text = with_secrets(with_cause(f"{what} cannot be pulled", cause), lacking)
    return Finding(failure(Reason.ImagePullFailed, text, advice, is_permanent=is_permanent), is_known)


def _last_end(container: Container) -> Mapping[str, Any] | None:
    """Return the last termination of a container, unless it was expected or is not known."""
    ended: Mapping[str, Any] | None = container.state.get("terminated")
    if ended is not None and container.role is Role.INIT and ended.get("exitCode") == 0:
        return None
    ended = ended or (container.status.get("lastState") or {}).get("terminated")
    return None if ended is None or ended.get("reason") in _UNKNOWN_ENDS else ended


def _crashed(container: Container, end: Mapping[str, Any], events: list[Event] | None) -> Finding:
    """Judge a container that has terminated, until it is ready again."""
    reason, code = end.get("reason"), end.get("exitCode")
    keeps = container.status.get("restartCount", 0) >= _RESTARTS
    if reason == "OOMKilled":
        limit = ((container.spec.get("resources") or {}).get("limits") or {}).get("memory")
        why = f"it exceeded its memory limit of {limit}" if limit else "the node ran out of memory"
        # On another node, or once others need less, it may run.
        is_own = keeps and bool(limit)
        return Finding(failure(Reason.OOMKilled, f"{container} was OOM-killed: {why}", is_permanent=is_own))
    if reason in _START_ERRORS:
        said = container.words(end.get("message") or "")
        # The steps of the runtime before the error are always the same.
        said = said[said.find("exec: ") :] if "exec: " in said else said
        text = with_cause(f"{container} cannot be started (exit code {code})", said)
        return Finding(failure(Reason.CrashLooping, text, _FIX_COMMAND, is_permanent=True))
    is_probed = any(container.spec.get(probe) for probe in ("startupProbe", "livenessProbe"))
    if is_probed and events is not None:
        probe = killing_probe(end, events)
        if probe:
            return killed(container, probe, events)
    is_success = code == 0 and container.role is not Role.INIT
    how = (
        "keeps exiting (exit code 0), but must keep running"
        if is_success
        else f"keeps crashing (exit code {code})"
    )
    return Finding(failure(Reason.CrashLooping, f"{container} {how}", is_permanent=keeps), not is_probed)


def _has_run_long(container: Container, events: Sequence[Event] | None) -> bool:
    """Return whether a container has run for long since its last crash, by the newest Event of its pod."""
    since = (container.state.get("running") or {}).get("startedAt")
    if since is None or not container.status.get("started") or not events:
        return False
    return max(map(last_seen, events)) - moment(since) >= _LONG
