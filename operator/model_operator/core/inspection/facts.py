"""One instance with its objects in a cluster, and whether its status is up to date."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_operator.api import LATEST
from model_operator.core.diagnosis.deployment_pods import REVISION, deployment_key, replica_set_key
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.diagnosis.pod_events import Event
from model_operator.core.objects.conditions import UP_TO_DATE, Hold
from model_operator.core.objects.ownership import controller_key, instance_key
from model_operator.core.reasons.reasons import Reason
from model_operator.core.templates.parsing import parse_template

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """One instance with its objects in a cluster, as far as they were read.

    Attributes
    ----------
    instance
        The ModelInstance.
    deployments, replica_sets, pods
        The objects with its label, with any owner. ReplicaSets need only their metadata.
    events
        Events (``v1``) by the pod's uid, for pods whose status does not show why they are not ready.
    claims, claim_events
        PersistentVolumeClaims by name, and their Events, for pods without a node.
    template
        The template with the name and kind of the bound one; None if it does not exist or cannot be read.
    """

    instance: Object
    deployments: Sequence[Object] = ()
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    claims: Mapping[str, Object] = field(default_factory=dict)
    claim_events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    template: Object | None = None

    @property
    def status(self) -> Object:
        """The instance's status."""
        return self.instance.get("status") or {}

    def evidence(self, now: datetime.datetime) -> Evidence:
        """Return what was read beside the pods."""
        return Evidence(now, self.events, self.claims, self.claim_events)

    def own_deployments(self) -> list[Object]:
        """Return the Deployments that the instance controls, in the order of its status, then by name."""
        metadata = self.instance["metadata"]
        owner = instance_key(metadata.get("namespace", ""), metadata["uid"])
        order = [entry["name"] for entry in self.status.get("deployments") or ()]
        own = [each for each in self.deployments if controller_key(each) == owner]
        return sorted(own, key=lambda each: ([*order, name_of(each)].index(name_of(each)), name_of(each)))

    def pods_of(self, deployment: Object) -> Iterator[tuple[Object, bool]]:
        """Yield the pods of a Deployment, those of its current revision first, and whether they are of it."""
        revisions = {
            replica_set_key(each): _revision(each)
            for each in self.replica_sets
            if controller_key(each) == deployment_key(deployment)
        }
        present = _revision(deployment)
        own = [
            (pod, revisions[owner] == present)
            for pod in self.pods
            if (owner := controller_key(pod)) in revisions
        ]
        yield from sorted(
            own, key=lambda pair: (not pair[1], pair[0]["metadata"]["creationTimestamp"], name_of(pair[0]))
        )


def name_of(obj: Object) -> str:
    """Return the name of an object."""
    return str(obj["metadata"]["name"])


def template_name(instance: Object) -> str:
    """Return the name of an instance's template, after its namespace and a slash if that is another one.

    That is the bound template or, before there is one, what the specification names; empty without either.
    """
    spec, bound = instance["spec"], (instance.get("status") or {}).get("template") or {}
    name = bound.get("name") or spec.get("model_template_id") or ""
    home = bound.get("namespace") if bound else spec.get("model_template_namespace")
    own = instance["metadata"].get("namespace", "")
    return f"{home}/{name}" if name and home and home != own else str(name)


def bound_template(instance: Object) -> str:
    """Return kind and name of the bound template, in full if it is in another namespace; empty without."""
    bound = (instance.get("status") or {}).get("template")
    return f"{bound['kind']} {template_name(instance)}" if bound else ""


def condition_of(obj: Object, kind: str) -> Object:
    """Return a condition of an object, empty when it has none of that type."""
    conditions: Sequence[Object] = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), {})


def is_true(obj: Object, kind: str) -> bool:
    """Return whether a condition of an object is True."""
    return bool(condition_of(obj, kind).get("status") == "True")


def is_observed(instance: Object) -> bool:
    """Return whether an instance's status is about its current generation."""
    observed = (instance.get("status") or {}).get("observedGeneration", -1)
    return bool(observed >= instance["metadata"].get("generation", 0))


def hold_of(instance: Object) -> Hold | None:
    """Return why an instance that follows its template stays at another revision; None if it does not."""
    reason = not_up_to_date(instance).get("reason")
    return Hold(reason) if reason in frozenset(Hold) else None


def not_up_to_date(instance: Object) -> Object:
    """Return the condition that an instance does not have the latest revision; empty when it has."""
    update = condition_of(instance, UP_TO_DATE)
    return update if update.get("status") == "False" else {}


def is_template_newer(instance: Object, template: Object | None) -> bool:
    """Return whether an instance's status is about another template, or an earlier revision than it will run.

    That includes a deployment that names the latest revision, whatever the instance itself runs.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        The template with the name and kind of the bound one; None if it is not known.
    """
    bound = (instance.get("status") or {}).get("template") or {}
    if template is None or not bound:
        return False
    if condition_of(instance, "Ready").get("reason") == Reason.TemplateNotShared.name:
        return False  # No edit of the template concerns it until it is shared again.
    metadata = template["metadata"]
    if bound["uid"] != metadata["uid"] or any(_is_older(each, template) for each in _canaries(instance)):
        return True
    if instance["spec"].get("model_template_revision") not in (None, LATEST):
        return False  # No edit of the template concerns it, or not at once.
    if hold_of(instance) is not None:
        return False  # The operator knows of the edit, whose roll-out has not reached the instance yet.
    recorded = bound.get("revision")
    if recorded is None:
        return bool(bound["generation"] < metadata["generation"])
    return _is_older(recorded, template)


def _is_older(revision: Any, template: Object) -> bool:
    """Return whether a revision is not the latest one of a template, or may not be it soon."""
    if revision == parse_template(template).revision:
        return False
    status = template.get("status") or {}
    is_current = status.get("observedGeneration", -1) >= template["metadata"]["generation"]
    return not is_current or status.get("latest_revision") != revision


def _canaries(instance: Object) -> Iterator[str]:
    """Yield the reported revisions of the deployments of an instance that name the latest one."""
    entries = instance["spec"].get("deployments") or ()
    names = {
        f"{name_of(instance)}-{each['name']}"
        for each in entries
        if each.get("model_template_revision") == LATEST
    }
    for entry in (instance.get("status") or {}).get("deployments") or ():
        if entry["name"] in names and entry.get("template_revision"):
            yield entry["template_revision"]


def _revision(obj: Object) -> str | None:
    revision: str | None = (obj["metadata"].get("annotations") or {}).get(REVISION)
    return revision
