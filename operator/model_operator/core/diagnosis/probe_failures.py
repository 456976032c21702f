"""What the probes of a container report, and what to do about it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import NOTHING, Finding, failure, note, with_cause
from model_operator.core.diagnosis.evidence import GRACE, Evidence
from model_operator.core.diagnosis.foreign_messages import (
    ProbeFault,
    ProbeResult,
    killed_by_probe,
    probe_result,
)
from model_operator.core.diagnosis.pod_events import Event, last_seen, moment, with_reason
from model_operator.core.reasons.reasons import Advice, Reason

if TYPE_CHECKING:
    from model_operator.core.diagnosis.container import Container

_MODEL_CONTAINER = "model"
_SIGNALLED = frozenset({137, 143})
"""Exit codes of a process that was terminated by a signal, as the kubelet does it."""
_LOADING = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers of model servers, and of proxies before them, while a model loads; 400 is Triton's."""
_NEVER_BY_ITSELF = frozenset({ProbeFault.SCHEME, ProbeFault.NO_GRPC_HEALTH, ProbeFault.ERRORED})
_LOADING_SHARE = 6
"""A server may open its port only when its model is loaded; after this part of the time that the startup
probe allows, that counts as a failure."""
_WAIT = "wait while the model loads"


def diagnose_running(container: Container, events: Sequence[Event] | None, evidence: Evidence) -> Finding:
    """Return why a container that runs is not ready.

    Parameters
    ----------
    container
        A container with probes that is no init container.
    events
        Its events; None when they were not read.
    evidence
        What else was read.
    """
    startup, readiness = container.spec.get("startupProbe"), container.spec.get("readinessProbe")
    is_starting = bool(startup) and not container.status.get("started")
    probe, name = (startup, "startup") if is_starting else (readiness, "readiness")
    if not probe:
        return NOTHING
    port = _missing_port(container, probe)
    if port is not None:
        text = f'the {name} probe of {container} names the port "{port}", which the container does not have'
        return Finding(failure(Reason.ProbeFailing, text, _NAME_A_PORT))
    result = last_result(events or [], name)
    if is_starting:
        return _starting(container, probe, result, evidence, is_read=events is not None)
    if result is None:
        return Finding(note(f"{container} runs but is not ready yet"), events is not None)
    text = with_cause(f"{container} runs but fails its readiness probe", _in_words(container, probe, result))
    return Finding(failure(Reason.ProbeFailing, text, _advice(container, probe, result)))


def _starting(
    container: Container,
    probe: Mapping[str, Any],
    result: ProbeResult | None,
    evidence: Evidence,
    *,
    is_read: bool,
) -> Finding:
    """Judge a container whose startup probe has not passed: while a model loads, it is expected to fail."""
    text = f"{container} runs but has not passed its startup probe yet"
    since = (container.state.get("running") or {}).get("startedAt")
    if result is None or not evidence.has_lasted(since):
        said = None if result is None else _in_words(container, probe, result)
        return Finding(note(with_cause(text, said)), is_read)
    text = with_cause(text, _in_words(container, probe, result))
    advice = _advice(container, probe, result)
    is_wrong = result.fault is ProbeFault.STATUS and result.code not in _LOADING
    if is_wrong or result.fault in _NEVER_BY_ITSELF or _other_ports(container, probe, result):
        return Finding(failure(Reason.ProbeFailing, text, advice))
    if result.fault is not ProbeFault.STATUS and evidence.has_lasted(since, _time_to_load(probe)):
        return Finding(failure(Reason.ProbeFailing, text, advice))
    otherwise = f"{_WAIT}; otherwise {advice.next_step}" if advice else f"{_WAIT}, or check its logs."
    return Finding(note(text, Advice(Actor.TEMPLATE_OWNER, otherwise)))


def _time_to_load(probe: Mapping[str, Any]) -> datetime.timedelta:
    allowed = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    seconds = (probe.get("initialDelaySeconds", 0) + allowed) / _LOADING_SHARE
    return max(GRACE, datetime.timedelta(seconds=seconds))


def killing_probe(end: Mapping[str, Any], events: Sequence[Event]) -> str | None:
    """Return the probe because of which the kubelet killed a container; None when it exited by itself.

    Parameters
    ----------
    end
        The ``terminated`` of its state.
    events
        Its events.
    """
    for event in reversed(with_reason(events, "Killing")):
        probe = killed_by_probe(event.get("message") or "")
        if probe is None:
            continue
        started = end.get("startedAt")
        # The kubelet limits its events, so the last one may be about an earlier kill by the same probe.
        if end.get("exitCode") in _SIGNALLED or not started or last_seen(event) >= moment(started):
            return probe
    return None


def killed(container: Container, probe: str, events: Sequence[Event]) -> Finding:
    """Return the cause of a container that the kubelet keeps restarting because its `probe` fails."""
    spec, result = container.spec.get(f"{probe}Probe") or {}, last_result(events, probe)
    text = f"{container} keeps being restarted because its {probe} probe fails"
    if result is None:
        return Finding(failure(Reason.ProbeFailing, text))
    return Finding(
        failure(
            Reason.ProbeFailing,
            with_cause(text, _in_words(container, spec, result)),
            _advice(container, spec, result),
        )
    )


def last_result(events: Sequence[Event], probe: str) -> ProbeResult | None:
    """Return how a probe has last failed; None when it has not."""
    for event in reversed(with_reason(events, "Unhealthy")):
        result = probe_result(event.get("message") or "")
        if result is not None and result.probe == probe:
            return result
    return None


def _in_words(container: Container, probe: Mapping[str, Any], result: ProbeResult) -> str | None:
    """Return in words how a probe failed; None when the kubelet gave no reason."""
    asked, port = _request(probe), _port(container, probe)
    match result.fault:
        case ProbeFault.STATUS:
            return f"{asked} answers {result.code}"
        case ProbeFault.REFUSED if port:
            others = _other_ports(container, probe, result)
            also = f"; the container also has the port {others[0]}" if others else ""
            return f"nothing listens on port {port} (connection refused){also}"
        case ProbeFault.SILENT:
            return f"{asked} has no answer within {probe.get('timeoutSeconds', 1)} s"
        case ProbeFault.NO_GRPC_HEALTH:
            return f"the server on port {port} does not implement grpc.health.v1.Health"
        case ProbeFault.SCHEME:
            scheme = _scheme(probe)
            return f"the server on port {port} does not answer {scheme}: {container.words(result.said)}"
    return container.words(result.said) or None


_NAME_A_PORT = Advice(
    Actor.TEMPLATE_OWNER,
    "give the port of the container that name, or fix the port of the probe in pod_template.",
)


def _advice(container: Container, probe: Mapping[str, Any], result: ProbeResult) -> Advice | None:
    """Return what to do about a failing probe; None for what the reason says."""
    port, is_http = _port(container, probe), "httpGet" in probe
    if container.name != _MODEL_CONTAINER:
        step = None if result.fault is ProbeFault.OTHER else f"fix the probes of {container} in pod_template."
        return Advice(Actor.TEMPLATE_OWNER, step) if step else None
    step = None
    match result.fault:
        case ProbeFault.STATUS if result.code in _LOADING or result.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            step = (
                "check the container's logs; if it serves, set healthcheck_route to a path that answers 200."
            )
        case ProbeFault.STATUS if result.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            step = "set healthcheck_route to a path that answers 200 without credentials."
        case ProbeFault.STATUS:
            step = "set healthcheck_route to a path that answers 200."
        case ProbeFault.REFUSED if port:
            step = (
                "set port to the port on which the server listens, or let it listen on "
                f"port {port} of all addresses (0.0.0.0)."
            )
        case ProbeFault.SILENT:
            step = "check the container's logs, or raise timeoutSeconds of the probes in pod_template."
        case ProbeFault.SCHEME if is_http:
            other = "HTTP" if _scheme(probe) == "HTTPS" else "HTTPS"
            step = f"set httpGet.scheme of the probes in pod_template to {other}."
        case ProbeFault.NO_GRPC_HEALTH:
            step = "replace the grpc probes in pod_template by httpGet, tcpSocket or exec."
    return Advice(Actor.TEMPLATE_OWNER, step) if step else None


def _request(probe: Mapping[str, Any]) -> str:
    if "httpGet" in probe:
        return f"GET {probe['httpGet'].get('path') or '/'}"
    kinds = {"tcpSocket": "a connection", "grpc": "the health check of gRPC", "exec": "the command"}
    return next((words for kind, words in kinds.items() if kind in probe), "the probe")


def _scheme(probe: Mapping[str, Any]) -> str:
    return str((probe.get("httpGet") or {}).get("scheme") or "HTTP")


def _stated_port(probe: Mapping[str, Any]) -> Any:
    return next(
        (probe[kind].get("port") for kind in ("httpGet", "tcpSocket", "grpc") if probe.get(kind)), None
    )


def _port(container: Container, probe: Mapping[str, Any]) -> int | None:
    """Return the number of the port that a probe uses; None when it uses none, or one without a number."""
    stated = _stated_port(probe)
    if isinstance(stated, str):
        named = [port for port in container.spec.get("ports") or [] if port.get("name") == stated]
        number = named[0].get("containerPort") if named else stated
        return int(number) if str(number).isdecimal() else None
    return stated if isinstance(stated, int) else None


def _missing_port(container: Container, probe: Mapping[str, Any]) -> str | None:
    """Return the name of a probe's port that is none of the container's."""
    stated = _stated_port(probe)
    return stated if isinstance(stated, str) and _port(container, probe) is None else None


def _other_ports(container: Container, probe: Mapping[str, Any], result: ProbeResult) -> list[int]:
    """Return the container's ports, where nothing listens on that of the probe: the server may use them."""
    if result.fault is not ProbeFault.REFUSED:
        return []
    own = _port(container, probe)
    ports = container.spec.get("ports") or []
    return [
        port["containerPort"]
        for port in ports
        if port.get("containerPort") != own and (port.get("protocol") or "TCP") == "TCP"
    ]
