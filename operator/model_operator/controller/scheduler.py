"""What a reconciler may schedule: another reconcile of an instance or a template."""

from __future__ import annotations

from typing import Protocol

from model_operator.kube.object_cache import Object


class Scheduler(Protocol):
    """Schedules reconciles; :class:`~model_operator.controller.watch.triggers.Triggers` is one."""

    def requeue_after(self, namespace: str, name: str, delay: float) -> None:
        """Reconcile an instance after `delay` seconds, unless it is reconciled earlier."""

    def requeue_behind_waiting(self, namespace: str, name: str) -> bool:
        """Reconcile an instance after all waiting keys; return False, and do nothing, when none waits."""

    def announce(self, template: Object) -> None:
        """Reconcile the instances of a template if it offers them something else than before."""

    def update_template_counts(self, uid: str | None) -> None:
        """Soon count the instances of the template with that uid again, if there is such a template."""

    def requeue_template_after(self, template: Object, delay: float) -> None:
        """Reconcile a template after `delay` seconds, unless it is reconciled earlier."""
