"""What a failed end-to-end test shows: the operator's and the models' pods, their logs, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.kubectl import KubectlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.cluster.kubectl import Kubectl

Section = tuple[str, str]

LOG_LINES = "--tail=400"


def sections(kubectl: Kubectl, namespaces: Iterable[str]) -> Iterator[Section]:
    """Yield headings and texts about the operator and about what is in some namespaces."""
    yield from _of_namespace(kubectl, OPERATOR_NAMESPACE)
    for namespace in namespaces:
        yield _said(kubectl, namespace, "get", "modelinstances,modeltemplates", "--output=wide")
        yield from _of_namespace(kubectl, namespace)


def _of_namespace(kubectl: Kubectl, namespace: str) -> Iterator[Section]:
    yield _said(kubectl, namespace, "get", "all,lease,endpointslices", "--output=wide")
    yield _said(kubectl, namespace, "get", "events", "--sort-by=.metadata.creationTimestamp")
    for pod in _said(kubectl, namespace, "get", "pods", "--output=name")[1].split():
        yield _said(kubectl, namespace, "logs", pod, "--all-containers", LOG_LINES)
        before = _said(kubectl, namespace, "logs", pod, "--all-containers", "--previous", LOG_LINES)
        if "not found" not in before[1]:
            yield before


def _said(kubectl: Kubectl, namespace: str, *words: str) -> Section:
    """Run kubectl, whatever comes of it: the failure to be told of is the test's."""
    try:
        done = kubectl("--namespace", namespace, *words, check=False)
    except KubectlError as error:
        return " ".join(words), str(error)
    return f"kubectl --namespace {namespace} {' '.join(words)}", done.stdout + done.stderr
