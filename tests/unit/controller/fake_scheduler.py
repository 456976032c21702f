"""A scheduler that notes what it is called with; no key waits."""

from __future__ import annotations

from model_operator.kube.object_cache import Object


class FakeScheduler:
    """Implements :class:`~model_operator.controller.scheduler.Scheduler`.

    Attributes
    ----------
    delayed
        Namespace, name and seconds of each delayed reconcile.
    counted
        The uids of templates whose counts were to be updated.
    announced
        The names of templates whose revisions were announced.
    later
        Name and seconds of each delayed reconcile of a template.
    """

    def __init__(self) -> None:
        self.delayed: list[tuple[str, str, float]] = []
        self.counted: list[str | None] = []
        self.announced: list[str] = []
        self.later: list[tuple[str, float]] = []

    def requeue_after(self, namespace: str, name: str, delay: float) -> None:
        """Note it."""
        self.delayed.append((namespace, name, delay))

    def requeue_behind_waiting(self, namespace: str, name: str) -> bool:
        """Return that no key waits."""
        del namespace, name
        return False

    def announce(self, template: Object) -> None:
        """Note it."""
        self.announced.append(template["metadata"]["name"])

    def update_template_counts(self, uid: str | None) -> None:
        """Note it."""
        self.counted.append(uid)

    def requeue_template_after(self, template: Object, delay: float) -> None:
        """Note it."""
        self.later.append((template["metadata"]["name"], delay))
