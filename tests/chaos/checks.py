"""What must hold once all is quiet: exactly the desired children, nothing else, and statuses that are true.

What is desired is taken from the live instances and templates by the operator's own pure core, but from what
the API server has and not from any cache, and compared once more with the record of what users asked for.
"""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from model_operator.api import TemplateKind
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.objects.ownership import (
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGER,
    OwnerKey,
    controller_key,
    controller_of,
    instance_key,
)
from model_operator.core.planning.plan import Plan, make_plan
from model_operator.core.planning.replicas_handover import has_min_workers
from model_operator.core.rollouts.advance import Advance, advance
from model_operator.core.rollouts.policy import policy_of
from model_operator.core.rollouts.reading import read_follower
from model_operator.core.status.assessment import Observation, assess
from model_operator.core.status.instance import instance_status
from model_operator.core.status.rollout_counts import count_instances
from model_operator.core.status.template import template_status
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import assign
from model_operator.core.templates.revisions.objects import read_revision
from model_operator.core.values.merge_patch import merge_patch
from model_operator.kube.resources import CHILD_KIND, MODEL_INSTANCES, REVISION_KINDS, TEMPLATE_KINDS
from tests.chaos.persist import persist
from tests.chaos.population import TAKEN, Name, Object, Population, deployments_of, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_operator.core.templates.compile import CompiledTemplate
    from tests.cluster.kube_api import KubeApi

NOW = "2000-01-01T00:00:00Z"


@dataclass(frozen=True)
class Violation:
    """Something that must not be.

    Attributes
    ----------
    name
        The object.
    text
        What is wrong.
    """

    name: Name
    text: str


class Snapshot:
    """All that there is, by kind; also where templates and their revisions are looked up.

    Parameters
    ----------
    objects
        Whole objects, of the kinds that matter here.
    """

    def __init__(self, objects: Iterable[Object]) -> None:
        objects = list(objects)
        self.instances = {_name(obj): obj for obj in objects if obj["kind"] == "ModelInstance"}
        kinds = {kind.value for kind in TemplateKind}
        self.templates = [(obj, parse_template(obj)) for obj in objects if obj["kind"] in kinds]
        revisions = {kind.kind for kind in REVISION_KINDS}
        self.revisions = [obj for obj in objects if obj["kind"] in revisions]
        self.children = [obj for obj in objects if obj["kind"] in CHILD_KIND]

    @classmethod
    def take(cls, api: KubeApi) -> Snapshot:
        """List everything, in all namespaces."""
        everywhere = api.in_namespace("")
        kinds = (MODEL_INSTANCES, *TEMPLATE_KINDS, *REVISION_KINDS, *CHILD_KIND.values())
        # Items of a list come without their kind.
        return cls(
            {**obj, "kind": kind.kind, "apiVersion": kind.api_version}
            for kind in kinds
            for obj in persist(partial(everywhere.list, kind.kind))
        )

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Give a template by name."""
        scope = namespace if kind is TemplateKind.MODEL_TEMPLATE else ""
        return self._find(kind=kind.value, namespace=scope, name=name)

    def labels_of(self, namespace: str) -> None:
        del namespace

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Give a template by uid."""
        return self._find(uid=uid)

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Give the revision of a template that is right; here none is left broken."""
        return self.by_hash(template, template.revision)

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        """Give a stored revision of a template."""
        found = (read_revision(obj, template.resource) for obj in self.revisions)
        return next((each for each in found if each is not None and each.revision == revision), None)

    def stable(self, template: CompiledTemplate) -> str:
        """Give the stable revision of a template, as its status says."""
        return template.resource.status.stable_revision or ""

    def _find(self, kind: str | None = None, **metadata: str) -> CompiledTemplate | None:
        for obj, compiled in self.templates:
            found = {key: obj["metadata"].get(key, "") for key in metadata}
            if found == metadata and kind in (None, obj["kind"]):
                return compiled
        return None

    def owned_by(self, instance: Object) -> list[Object]:
        """Give the children that an instance controls."""
        owner = _owner(instance)
        return [child for child in self.children if controller_key(child) == owner]


def violations(snapshot: Snapshot, population: Population) -> list[Violation]:
    """Give all that is wrong."""
    return [
        *_lost(snapshot, population),
        *_orphans(snapshot),
        *_touched(snapshot),
        *itertools.chain.from_iterable(
            _of_instance(obj, snapshot, population) for obj in snapshot.instances.values()
        ),
        *itertools.chain.from_iterable(_of_template(*template, snapshot) for template in snapshot.templates),
    ]


def _lost(snapshot: Snapshot, population: Population) -> Iterator[Violation]:
    for name in population.instances.keys() ^ snapshot.instances.keys():
        wanted = "exists and was deleted" if name in snapshot.instances else "is gone and was not deleted"
        yield Violation(name, f"ModelInstance {wanted}")


def _owner(instance: Object) -> OwnerKey:
    return instance_key(instance["metadata"]["namespace"], instance["metadata"]["uid"])


def _orphans(snapshot: Snapshot) -> Iterator[Violation]:
    living = {_owner(obj) for obj in snapshot.instances.values()}
    seen: Counter[tuple[str, str, str]] = Counter()
    for child in snapshot.children:
        labels = child["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) != MANAGER:
            continue
        controller = controller_of(child)
        if controller_key(child) not in living:
            yield Violation(_name(child), f"{child['kind']} is an orphan: its controller is {controller}")
        selects = (child["kind"], child["metadata"]["namespace"], str(sorted(labels.items())))
        seen[selects] += 1
        if seen[selects] == 2:
            yield Violation(_name(child), f"{child['kind']} is a duplicate: another one has its labels")


def _touched(snapshot: Snapshot) -> Iterator[Violation]:
    for child in snapshot.children:
        metadata = child["metadata"]
        if metadata["name"] not in TAKEN or child["kind"] != TAKEN[metadata["name"]]:
            continue
        managers = [entry.get("manager", "") for entry in metadata.get("managedFields") or []]
        if metadata.get("ownerReferences") or any(name.startswith(MANAGER) for name in managers):
            yield Violation(_name(child), f"{child['kind']} of somebody else was touched")


def _of_instance(obj: Object, snapshot: Snapshot, population: Population) -> Iterator[Violation]:
    name = _name(obj)
    told, generation = obj.get("status", {}).get("observedGeneration"), obj["metadata"]["generation"]
    if told != generation:
        yield Violation(name, f"its status is of generation {told}, it has {generation}")
    for text in _wrong_with(obj, snapshot, population):
        yield Violation(name, text)


def _wrong_with(obj: Object, snapshot: Snapshot, population: Population) -> Iterator[str]:
    name = _name(obj)
    instance = read_instance(obj)
    runs = assign(instance.resource, snapshot, snapshot)
    plan = make_plan(instance.resource, runs.template, RenderSettings(), runs.latest, runs.pinned)
    own = snapshot.owned_by(obj)
    if name.name in TAKEN:
        yield from _unless_ready(obj, "False", "NameConflict")
        return
    if plan.problem is not None:
        # What serves stays as it is, so that nothing can be said of the children.
        yield from _unless_ready(obj, "False", plan.problem.reason.name)
    else:
        yield from _unless_ready(obj, "True")
        yield from _differences(plan, own)
        if name in population.instances:
            yield from _not_as_asked(population.instances[name], own, population)
    yield from _untrue(obj, instance, plan, own)


def _unless_ready(obj: Object, status: str, reason: str = "") -> Iterator[str]:
    """Compare the Ready condition with what it should be."""
    ready = _condition(obj, "Ready")
    if ready.get("status") != status or reason not in ("", ready.get("reason")):
        yield f"expected Ready={status} {reason}, it says {_said(ready)}"


def _differences(plan: Plan, own: list[Object]) -> Iterator[str]:
    """Compare the children with the rendering."""
    rendering = plan.rendering
    wanted = {(child.kind, child.name): child for child in rendering.children} if rendering else {}
    live = {_identity(child): child for child in own}
    for kind, child in sorted(wanted.keys() - live.keys()):
        yield f"{kind} {child} is missing"
    for kind, child in sorted(live.keys() - wanted.keys()):
        yield f"{kind} {child} is not wanted"
    for key in sorted(wanted.keys() & live.keys()):
        if not wanted[key].is_applied(live[key]):
            yield f"{key[0]} {key[1]} differs from what is rendered"
        if not has_min_workers(wanted[key], live[key]):
            yield f"{key[0]} {key[1]} has fewer workers than {wanted[key].min_workers}"


def _not_as_asked(asked: Object, own: list[Object], population: Population) -> Iterator[str]:
    """Compare the Deployments with what the users asked for, without the operator's core."""
    live = {child["metadata"]["name"]: child for child in own if child["kind"] == "Deployment"}
    wanted = deployments_of(asked)
    if wanted.keys() != live.keys():
        yield f"users asked for Deployments {sorted(wanted)}, there are {sorted(live)}"
        return
    tag = tag_of(population.template_of(asked))
    for name, parameters in wanted.items():
        container = live[name]["spec"]["template"]["spec"]["containers"][0]
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        given = {key: str(value) for key, value in parameters.items()}
        if not container["image"].endswith(f":{tag}"):
            yield f"Deployment {name} has the image {container['image']}, not the tag {tag}"
        if {key: variables.get(key) for key in given} != given:
            yield f"Deployment {name} has {variables}, users asked for {given}"
        if asked["spec"].get("replicas", live[name]["spec"]["replicas"]) != live[name]["spec"]["replicas"]:
            yield f"Deployment {name} has {live[name]['spec']['replicas']} workers"


def _untrue(obj: Object, instance: LiveInstance, plan: Plan, own: list[Object]) -> Iterator[str]:
    """Compare the status with the live children."""
    deployments = {child["metadata"]["name"]: child for child in own if child["kind"] == "Deployment"}
    services = [child["metadata"]["name"] for child in own if child["kind"] == "Service"]
    current: Any = obj.get("status", {})
    counts = {
        "deployment_count": len(deployments),
        "replicas": _sum(deployments, "replicas"),
        "ready_replicas": _sum(deployments, "readyReplicas"),
    }
    for key, count in counts.items():
        if current.get(key) != count:
            yield f"status.{key} is {current.get(key)}, there are {count}"
    autoscalers = {
        child["metadata"]["name"]: child for child in own if child["kind"] == "HorizontalPodAutoscaler"
    }
    seen = Observation(instance, plan, deployments, services, autoscalers=autoscalers)
    true = instance_status(assess(seen), NOW)
    if difference := merge_patch(current, true):
        yield f"its status should be different: {difference}"


def _of_template(obj: Object, template: CompiledTemplate, snapshot: Snapshot) -> Iterator[Violation]:
    """Compare the status with the instances, and with nothing being held against the template.

    One that could not be tried on the API server under the faults says so until it is tried again.
    """
    counted = count_instances(snapshot.instances.values(), template.version)
    current = obj.get("status", {})
    if _condition(obj, "Ready").get("status") != "True":
        yield Violation(_name(obj), f"{obj['kind']} says {_said(_condition(obj, 'Ready'))}")
    latest = snapshot.latest(template)
    if latest is None:
        yield Violation(_name(obj), f"its revision {template.revision} is not stored")
    true = template_status(
        template,
        current,
        counted,
        NOW,
        latest=template.revision,
        progress=None if latest is None else progress_of(obj, latest, snapshot),
        started_at=current.get("rollout", {}).get("started_at", ""),
    )
    if difference := merge_patch(current, true):
        yield Violation(_name(obj), f"its status should be different: {difference}, it is {current}")


def progress_of(obj: Object, latest: CompiledTemplate, snapshot: Snapshot) -> Advance:
    """Decide on the roll-out of a template, of which no grant is known."""
    status, name = obj.get("status", {}), _name(obj)
    followers = (
        read_follower(
            each, _deployments(each, snapshot), latest, status.get("rollout", {}).get("started_at", "")
        )
        for each in snapshot.instances.values()
        if each["spec"]["model_template_id"] == name.name
        and name.namespace in ("", each["metadata"]["namespace"])
    )
    policy = policy_of(parse_template(obj).resource.spec.rollout)
    now = datetime.datetime.now(datetime.UTC)
    return advance(policy, latest.revision, status.get("stable_revision", ""), followers, now)


def _deployments(instance: Object, snapshot: Snapshot) -> list[Object]:
    return [each for each in snapshot.owned_by(instance) if each["kind"] == "Deployment"]


def names_of(violation: Violation, snapshot: Snapshot) -> set[str]:
    """Give the names under which the history of a violation is to be looked up."""
    names = {violation.name.name}
    for child in snapshot.children:
        labels = child["metadata"].get("labels") or {}
        if child["metadata"]["namespace"] == violation.name.namespace:
            if labels.get(INSTANCE_LABEL) == violation.name.name:
                names.add(child["metadata"]["name"])
            if child["metadata"]["name"] == violation.name.name and INSTANCE_LABEL in labels:
                names.add(labels[INSTANCE_LABEL])
    return names


def _name(obj: Object) -> Name:
    return Name(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _identity(child: Any) -> tuple[str, str]:
    return child["kind"], child["metadata"]["name"]


def _sum(deployments: dict[str, Object], count: str) -> int:
    return sum(child.get("status", {}).get(count, 0) for child in deployments.values())


def _condition(obj: Object, kind: str) -> Object:
    conditions: list[Object] = obj.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def _said(condition: Object) -> str:
    return f"{condition.get('status')} ({condition.get('reason')}): {condition.get('message')}"
