"""The instances of one template as its roll-out should see them, read anew from what was recorded.

It is not the operator's own reading, on purpose: who shares code with what he judges shares its mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tests.life.children import INSTANCE

if TYPE_CHECKING:
    from tests.life.history import History, Object, Version

TEMPLATE = "ModelTemplate"
REVISION = "ModelTemplateRevision"
ANNOTATION = "modeloperator.dev/template-revision"
DEFAULTS = {"max_unavailable": "10%", "max_failures": 0, "soak_seconds": 60}
_CHANNELS = (None, "latest", "stable")


@dataclass(frozen=True)
class Step:
    """One step of a roll-out; the remaining instances, then the followers of stable are in the last two."""

    labels: dict[str, str]
    namespaces: list[str]
    max_unavailable: int | str
    soak_seconds: float
    needs_approval: bool = False

    def budget(self, members: int) -> int:
        """Return how many of so many members may have moved without being Ready."""
        if isinstance(self.max_unavailable, int):
            return self.max_unavailable
        return max(1, members * int(self.max_unavailable[:-1]) // 100)


def steps_of(template: Version) -> list[Step] | None:
    """Return the steps of a template's roll-out; None where edits reach all instances at once."""
    rollout = template.obj["spec"].get("rollout")
    if rollout is None:
        return None
    whole = {**DEFAULTS, **rollout}
    return [
        Step(
            each.get("labels") or {},
            each.get("namespaces") or [],
            each.get("max_unavailable", whole["max_unavailable"]),
            each.get("soak_seconds", whole["soak_seconds"]),
            each.get("needs_approval", False),
        )
        for each in (*rollout.get("steps", ()), {}, {})
    ]


def step_of(instance: Version, steps: list[Step]) -> int:
    """Return the number of the step that an instance is in."""
    if pin_of(instance) == "stable":
        return len(steps) - 1
    labels = instance.obj["metadata"].get("labels") or {}
    namespace = instance.obj["metadata"]["namespace"]
    for number, step in enumerate(steps[:-2]):
        patterns = step.namespaces or ["*"]
        if step.labels.items() <= labels.items() and any(fnmatchcase(namespace, each) for each in patterns):
            return number
    return len(steps) - 2


def pin_of(instance: Version) -> str | None:
    """Return the ``model_template_revision`` of an instance."""
    found: str | None = instance.obj["spec"].get("model_template_revision")
    return found


def is_pinned(instance: Version) -> bool:
    """Return whether an instance follows no channel."""
    return pin_of(instance) not in _CHANNELS


def reported(instance: Version) -> str | None:
    """Return the revision that the status of an instance names."""
    found: str | None = (instance.status.get("template") or {}).get("revision")
    return found


def applied(deployment: Version) -> str | None:
    """Return the revision that a Deployment was last applied of."""
    annotations = deployment.obj["metadata"].get("annotations") or {}
    found: str | None = annotations.get(ANNOTATION)
    return found


def has_failed(instance: Version) -> bool:
    """Return whether an instance counts as failed at its revision, now or within two minutes."""
    return instance.is_true("Stalled") or bool((instance.status.get("template") or {}).get("failing_since"))


def has_arrived(instance: Version, revision: str) -> bool:
    """Return whether an instance is Ready at a revision, by a status about its present generation."""
    return is_about(instance, revision) and instance.is_true("Ready")


def is_about(instance: Version, revision: str) -> bool:
    """Return whether the status of an instance is about its present generation and a revision."""
    return instance.status.get("observedGeneration") == instance.generation and reported(instance) == revision


class Fleet:
    """The instances of one template just before some version.

    Parameters
    ----------
    history
        All versions.
    template
        The template just before.
    when
        The version.
    """

    def __init__(self, history: History, template: Version, when: Version) -> None:
        self._history = history
        self._template = template
        self._when = when

    def instances(self) -> list[Version]:
        """Return those that are there and not being deleted."""
        found = (
            self._history.last("ModelInstance", name, self._when.revision)
            for name in self._history.names("ModelInstance")
        )
        return [
            each
            for each in found
            if each is not None
            and not each.leaving
            and each.obj["spec"]["model_template_id"] == self._template.name
        ]

    def recent(self, instance: Version) -> list[Version | None]:
        """Return what an instance was shortly before; None is absent."""
        return self._history.recent("ModelInstance", instance.name, self._when)

    def deployments(self, instance: Version) -> list[Version]:
        """Return the Deployments of an instance."""
        return deployments_of(self._history, instance, self._when.revision)

    def has_moved(self, instance: Version, revision: str) -> bool:
        """Return whether an instance has a revision, by its status or a Deployment."""
        return reported(instance) == revision or any(
            applied(each) == revision for each in self.deployments(instance)
        )

    def counts(self, instance: Version, revision: str) -> bool:
        """Return whether an instance is proof or failure: neither new nor without workers."""
        started = (self._template.status.get("rollout") or {}).get("started_at", "")
        # Times have whole seconds.
        is_old = not started or instance.obj["metadata"]["creationTimestamp"] < started
        found = self._recent_deployments(instance)
        has_workers = bool(found) and all(each and each.obj["spec"].get("replicas", 1) for each in found)
        is_broken = self._was_broken(instance, revision) or self._has_broken_itself(instance)
        return is_old and has_workers and not is_broken

    def is_in_flight(self, instance: Version, revision: str) -> bool:
        """Return whether an instance has a revision and was never Ready with it shortly before."""
        arrived = any(each is not None and has_arrived(each, revision) for each in self.recent(instance))
        return self.has_moved(instance, revision) and not arrived and self.counts(instance, revision)

    def untolerated(self, instances: list[Version], revision: str) -> list[Version]:
        """Return those that the policy does not tolerate: ``max_failures`` may fail at a revision."""
        failed = [each for each in instances if self._has_failed(each, revision)]
        rollout = self._template.obj["spec"].get("rollout") or {}
        is_tolerated = len(failed) <= rollout.get("max_failures", DEFAULTS["max_failures"])
        return [each for each in instances if not (is_tolerated and each in failed)]

    def _has_failed(self, instance: Version, revision: str) -> bool:
        return any(
            each is not None and has_failed(each) and reported(each) == revision
            for each in self.recent(instance)
        )

    def holds_up(self, instance: Version, revision: str, step: int, steps: list[Step]) -> bool:
        """Return whether an instance was all the time a member of a step before one, and had not arrived."""
        return (
            step_of(instance, steps) < step
            and self.counts(instance, revision)
            and all(
                each is not None
                and not is_pinned(each)
                and step_of(each, steps) < step
                and not has_arrived(each, revision)
                for each in self.recent(instance)
            )
        )

    def _was_broken(self, instance: Version, revision: str) -> bool:
        stable = self._template.status.get("stable_revision")
        return not self.has_moved(instance, revision) and any(
            each is not None and each.is_true("Stalled") and (not stable or reported(each) in (stable, None))
            for each in self.recent(instance)
        )

    def _has_broken_itself(self, instance: Version) -> bool:
        """Return whether an instance was edited since it was Ready at its revision, and has failed since."""
        return any(
            each is not None
            and has_failed(each)
            and each.status["template"].get("arrived_generation") not in (None, each.generation)
            for each in self.recent(instance)
        )

    def _recent_deployments(self, instance: Version) -> list[Version | None]:
        return [
            each
            for deployment in self.deployments(instance)
            for each in self._history.recent("Deployment", deployment.name, self._when)
        ]


def deployments_of(history: History, instance: Version, before: int | None = None) -> list[Version]:
    """Return the Deployments of an instance that follow it, at the end or just before some revision."""
    found = (history.last("Deployment", name, before) for name in history.names("Deployment"))
    apart = names_apart(instance)
    return [
        each for each in found if each is not None and each.owned_by(instance.uid) and each.name not in apart
    ]


def names_apart(instance: Version) -> set[str]:
    """Return the names of the Deployments whose entries name a revision of their own."""
    entries = instance.obj["spec"].get("deployments") or ()
    return {f"{instance.name}-{each['name']}" for each in entries if each.get("model_template_revision")}


def owner_of(history: History, deployment: Version) -> Version | None:
    """Return the instance of a Deployment as it was just before that version; None without one."""
    name = deployment.obj["metadata"]["labels"].get(INSTANCE, "")
    found = history.last("ModelInstance", name, deployment.revision)
    return found if found is not None and deployment.owned_by(found.uid) else None


def specification(history: History, template: str, revision: str) -> Object | None:
    """Return a template in a revision, as far as it says what to run; None where it was never stored."""
    versions = history.of(REVISION, f"{template}-{revision}")
    if not versions:
        return None
    found: Any = versions[-1].obj["spec"]["template_spec"]
    return {"metadata": {"name": template}, "spec": found}
