"""Rules for the operator's own objects: whose they are, what they run, and that what serves stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.life.asked import Asked, asked, runs
from tests.life.followed import followed, may_be_followed
from tests.life.rollouts import count, is_complete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.life.history import History, Object, Version

INSTANCE = "modeloperator.dev/instance"
DEPLOYMENT = "modeloperator.dev/deployment"


def child_faults(history: History, before: Version | None, version: Version) -> Iterator[str]:
    """Yield what is wrong with a version of a Deployment or Service, given the one before of that object."""
    instance = _owner(history, version)
    if instance is None:
        yield "no instance that was there then is its controller"
        return
    yield from _identity(version, instance)
    if version.leaving and (before is None or not before.leaving):
        yield from _removal(history, version, instance)
    if version.kind != "Deployment":
        return
    if before is None or (version.generation != before.generation and not version.leaving):
        yield from _content(history, version, instance)
    if before is not None:
        yield from _interruption(history, before, version, instance)


def _owner(history: History, version: Version) -> Version | None:
    """Give the last version of the instance that controls it, gone or not."""
    for name in history.names("ModelInstance"):
        for each in reversed(history.of("ModelInstance", name)):
            if each.revision < version.revision and version.owned_by(each.uid):
                return each
    return None


def _identity(version: Version, instance: Version) -> Iterator[str]:
    labels = {INSTANCE: instance.name, DEPLOYMENT: version.name}
    metadata, spec = version.obj["metadata"], version.obj["spec"]
    if not labels.items() <= metadata["labels"].items():
        yield f"its labels are {metadata['labels']}"
    for part in ("labels", "annotations"):
        if copied := metadata[part].keys() & instance.obj["metadata"].get(part, {}).keys():
            yield f"its {part} {sorted(copied)} are copied from the instance"
    if not all(owner["blockOwnerDeletion"] for owner in metadata["ownerReferences"]):
        yield "its owner reference does not block the owner's deletion"
    selector = spec["selector"]["matchLabels"] if version.kind == "Deployment" else spec["selector"]
    if selector != labels:
        yield f"its selector is {selector}"
    if version.kind == "Service" and [port["targetPort"] for port in spec["ports"]] != ["http"]:
        yield "it does not target the port by its name"


def _removal(history: History, version: Version, instance: Version) -> Iterator[str]:
    """Yield it when an object is removed that is asked for, or whose successor does not serve yet."""
    if version.uid in history.removed or instance.leaving:
        return
    wanted = _asked_before(history, version, instance)
    if wanted.problem is not None:
        yield f"it is removed though {wanted.problem.value}"
    if version.name in wanted.deployments:
        yield "it is removed though it is asked for"
    for name in wanted.deployments:
        follower = history.last("Deployment", name, version.revision)
        if follower is None:
            yield f"it is removed before {name} is there"
        elif _created(follower) > _created(version) and not any(
            each is not None and is_complete(each.obj) for each in history.recent("Deployment", name, version)
        ):
            yield f"it is removed before {name} is rolled out"


def _content(history: History, version: Version, instance: Version) -> Iterator[str]:
    """Yield it when a Deployment runs what nobody asks for."""
    if version.uid in history.removed:
        return
    pairs = _pairs(history, version, instance)
    pods = [pair.deployments[version.name] for pair in pairs if version.name in pair.deployments]
    if not any(each.workers == version.obj["spec"]["replicas"] and runs(version.obj, each) for each in pods):
        yield "nobody has asked for what it runs, or for so many workers"
    told_leaving = [
        each
        for each in history.of("ModelInstance", instance.name)
        if each.uid == instance.uid and each.condition("Ready").get("reason") == "Terminating"
    ]
    if told_leaving and told_leaving[0].revision < version.revision:
        yield "it is changed though its instance is known to be going"


def _interruption(history: History, before: Version, version: Version, instance: Version) -> Iterator[str]:
    """Yield it when the last worker of a model goes that is to have one."""
    if not count(before.obj, "availableReplicas") or _available(version):
        return
    if instance.leaving or version.uid in history.removed:
        return
    others = (
        history.last("Deployment", name, version.revision)
        for name in history.names("Deployment")
        if name != version.name
    )
    if any(other and other.owned_by(instance.uid) and _available(other) for other in others):
        return
    wanted = _asked_before(history, version, instance)
    if wanted.problem or any(pods.workers for pods in wanted.deployments.values()):
        yield "with it goes the model's last worker, though there are to be some"


def _available(version: Version) -> int:
    return 0 if version.gone else count(version.obj, "availableReplicas")


def _asked_before(history: History, version: Version, instance: Version) -> Asked:
    """Give what was asked for just before a version."""
    template = followed(history, instance.obj["spec"]["model_template_id"], version.revision)
    return asked(instance.obj, template.obj if template else None)


def _pairs(history: History, version: Version, instance: Version) -> list[Asked]:
    """Give all that was asked for at some moment shortly before a version."""
    name = instance.obj["spec"]["model_template_id"]
    templates = may_be_followed(history, name, version)
    instances = _specs(history, "ModelInstance", instance.name, version)
    return [asked(each, template) for each in instances for template in templates]


def _specs(history: History, kind: str, name: str, version: Version) -> list[Object]:
    return [each.obj for each in history.recent(kind, name, version) if each is not None]


def _created(version: Version) -> str:
    return str(version.obj["metadata"]["creationTimestamp"])
