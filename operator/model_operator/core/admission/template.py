"""Whether a template is admitted, and the effect of an edit on the instances that use it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from model_operator.api import LATEST, STABLE, ModelInstance
from model_operator.core.admission.change import Change
from model_operator.core.admission.reach import Reach
from model_operator.core.admission.verdict import ALLOWED, Verdict, invalid, warnings_for
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.plan import Plan, find_problem, make_plan
from model_operator.core.rollouts.advance import advance
from model_operator.core.rollouts.advice import ROLLOUT, rollout_advice
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import policy_of
from model_operator.core.rollouts.reading import read_follower
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import NoRevisions, RevisionLookup, pinned_revision
from model_operator.core.templates.revisions.entry_revisions import Pinned, entry_templates, own_revisions
from model_operator.core.templates.sharing import Sharing, grant_of
from model_operator.core.values.violations import Violation, sort_violations
from model_operator.core.values.words import plural

_NAMED = 5
_REGAINED = "edits of the template and of these instances reach them again"
_WITHDRAWN = "running workers stay, and no change reaches these instances until it is shared with them again"
_STEP = len(("spec", "rollout", "steps", 0))


def review_template(
    change: Change, compiled: CompiledTemplate, settings: RenderSettings | None, *, is_stepped: bool = True
) -> Verdict:
    """Decide on a template: an invalid one is denied to every user, a risky one is allowed with warnings.

    Parameters
    ----------
    change
        The write.
    compiled
        The template, compiled.
    settings
        The cluster's conventions for rendering; None for a caller that may not learn of them.
    is_stepped
        Whether edits of templates of this kind can roll out in steps: not by an operator that stores no
        revisions of them.
    """
    verdict = invalid(change.kind, change.name, compiled.violations) if compiled.violations else ALLOWED
    advice = template_advice(compiled, settings)
    if not is_stepped:
        advice = (*(each for each in advice if each.loc[:2] != ROLLOUT), *_without_steps(compiled))
    return verdict.with_warnings(warnings_for(change.kind, change.name, advice))


def _without_steps(compiled: CompiledTemplate) -> Iterator[Violation]:
    if not compiled.violations and compiled.resource.spec.rollout is not None:
        message = (
            "has no effect in the namespaces of this operator, which stores no revisions of this kind of "
            "template: each edit reaches all instances there at once"
        )
        yield Violation(ROLLOUT, message, "no_effect")


def template_advice(
    compiled: CompiledTemplate, settings: RenderSettings | None, *, is_placed: bool = True
) -> tuple[Violation, ...]:
    """Return the warnings about a template that follow from itself, about its pods and its roll-outs.

    Parameters
    ----------
    compiled, settings
        As for `review_template`.
    is_placed
        Whether the namespace of the template is known.
    """
    return sort_violations([*compiled.advice(settings), *rollout_advice(compiled, is_placed=is_placed)])


class Impact:
    """What an edit of a template means for its instances: who gets it when, and which become invalid.

    Such an edit is allowed: instances and templates change together, in any order, and the workers of an
    invalid instance keep running. An edit replaces the pods of an instance when the rendered pod template
    differs from the one in its status.

    Parameters
    ----------
    old
        The template as it was, with its status.
    new
        The template with the edit, compiled, without violations.
    settings
        The cluster's conventions for rendering.
    revisions
        The stored revisions of the template; None where the operator stores none, so that each edit reaches
        all instances at once.
    """

    def __init__(
        self,
        old: Mapping[str, Any],
        new: CompiledTemplate,
        settings: RenderSettings,
        revisions: RevisionLookup | None = None,
    ) -> None:
        self._old = old
        self._new = new
        self._settings = settings
        self._revisions = revisions
        self._policy = policy_of(None if revisions is None else new.resource.spec.rollout)
        status = old.get("status") or {}
        self._stable = "" if revisions is None else str(status.get("stable_revision") or "")
        self._is_new = new.revision != (status.get("latest_revision") or self._compiled_old.revision)
        self._was_stepped = revisions is not None and (old.get("spec") or {}).get("rollout") is not None
        rollout = status.get("rollout") or {}
        self._started_at = "" if self._is_new else str(rollout.get("started_at") or "")
        self._followers: list[Follower] = []
        self._pinned = 0
        self._ahead = 0
        self._invalid: list[str] = []
        self._restarting: set[FollowerKey] = set()
        self._unchanged: set[FollowerKey] = set()
        self._withdrawn: list[str] = []
        self._regained: list[str] = []

    @cached_property
    def _compiled_old(self) -> CompiledTemplate:
        """The template as it was; most edits make no instance invalid, so this is seldom needed."""
        return parse_template(self._old, self._settings.free_metadata_domains)

    def add(
        self,
        live: LiveInstance,
        deployments: Collection[Mapping[str, Any]] = (),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Take one instance of the template into account.

        Parameters
        ----------
        live
            The instance, without violations.
        deployments
            The Deployments that it controls.
        labels
            Labels of its namespace; None where they are not known.
        """
        instance = live.resource
        if self._changes_sharing(instance, labels):
            return
        pin = pinned_revision(instance)
        if pin is not None or self._policy.is_stepped or instance.spec.model_template_revision == STABLE:
            own = (entry.model_template_revision for _, entry in own_revisions(instance))
            self._ahead += sum(each == LATEST for each in own)
        if pin is not None:
            self._pinned += pin != self._new.revision
            runs = None if self._revisions is None else self._revisions.by_hash(self._new, pin)
            if runs is not None and any(own_revisions(instance)):
                self._add_invalid(instance, runs, runs)
            return
        follower = read_follower(live.raw, deployments, self._new, self._started_at)
        self._followers.append(follower)
        if not self._is_new:
            return  # Pods and validity are the same. A pause or an approval of a thousand instances is quick.
        plan = self._plan(instance, self._new)
        if plan.problem is None:
            if _restarts_pods(instance, plan):
                self._restarting.add(follower.key)
            elif self._is_unchanged(instance, follower, plan):
                self._unchanged.add(follower.key)
            return
        self._add_invalid(instance, self._compiled_old, self._new)

    def warnings(self, now: datetime, *, complete: bool) -> tuple[str, ...]:
        """Return the warnings: how many instances, and the names of up to five invalid ones.

        Parameters
        ----------
        now
            The time.
        complete
            Whether all instances of the template were counted; if not, the numbers are lower bounds.
        """
        resource = self._new.resource
        subject = f"{resource.kind} {resource.metadata.name}"
        bound = "" if complete else "at least "
        warnings = []
        if self._withdrawn:
            users = f"{bound}{plural(len(self._withdrawn), 'instance')}: {_shown(self._withdrawn)}"
            warnings.append(f"{subject}: this change withdraws the template from {users}; {_WITHDRAWN}")
        if self._regained:
            users = f"{bound}{plural(len(self._regained), 'instance')}: {_shown(self._regained)}"
            warnings.append(f"{subject}: this change shares the template again with {users}; {_REGAINED}")
        if self._invalid:
            makes = f"{bound}{plural(len(self._invalid), 'instance')} invalid: {_shown(self._invalid)}"
            warnings.append(f"{subject}: this change makes {makes}; running workers are not changed")
        reach = self._reach(now, complete=complete)
        sentence = reach.sentence()
        if sentence:
            warnings.append(f"{subject}: {sentence}")
        # A step that cannot have an instance, whatever there is, was reported as such.
        known = {each.loc[:_STEP] for each in rollout_advice(self._new)}
        advice = tuple(each for each in reach.advice() if each.loc[:_STEP] not in known)
        return (*warnings, *warnings_for(resource.kind, resource.metadata.name, advice))

    def _reach(self, now: datetime, *, complete: bool) -> Reach:
        target = self._new.revision
        followers = [
            replace(each, revision=target, arrived_at=now) if each.key in self._unchanged else each
            for each in self._followers
        ]
        return Reach(
            self._policy,
            target,
            self._stable,
            self._is_new,
            self._was_stepped,
            followers,
            advance(self._policy, target, self._stable, followers, now),
            self._pinned,
            self._restarting,
            len(self._unchanged),
            self._ahead,
            bool(self._regained),
            complete,
        )

    def _changes_sharing(self, instance: ModelInstance, labels: Mapping[str, str] | None) -> bool:
        """Return whether the edit takes the template from an instance or gives it back; note which it is.

        One that has lost it before, and does not get it back, is none of its instances.
        """
        namespace = instance.metadata.namespace
        name, before = f"{namespace}/{instance.metadata.name}", grant_of(self._old).covers(namespace, labels)
        # Labels that are not known may be soon, as they are watched once a template has a selector.
        after = self._new.grant.covers(namespace, labels)
        if after is Sharing.NOT_SHARED:
            self._withdrawn += [name] if before is Sharing.SHARED else []
            return True
        if (before, after) == (Sharing.NOT_SHARED, Sharing.SHARED):
            self._regained.append(name)
            return True
        return False

    def _add_invalid(
        self, instance: ModelInstance, before: CompiledTemplate, after: CompiledTemplate
    ) -> None:
        """Note an instance that is valid with what it has run, and not with what it is about to run."""
        now, _ = find_problem(instance, after, self._settings, self._entries(instance, self._new))
        if now is None:
            return
        old = self._compiled_old
        was, _ = find_problem(instance, before, self._settings, self._entries(instance, old))
        if was is None:
            self._invalid.append(f"{instance.metadata.namespace}/{instance.metadata.name}")

    def _plan(self, instance: ModelInstance, template: CompiledTemplate) -> Plan:
        pinned = self._entries(instance, self._new)
        return make_plan(instance, template, self._settings, self._new.revision, pinned)

    def _entries(self, instance: ModelInstance, latest: CompiledTemplate) -> Pinned:
        """Return the revisions of the deployments that name their own, where this one is the latest."""
        return entry_templates(instance, latest, self._revisions or NoRevisions(), latest, self._stable)

    def _is_unchanged(self, instance: ModelInstance, follower: Follower, plan: Plan) -> bool:
        """Return whether an instance gets the edit without a step, as its objects are the same with it."""
        policy, revision = self._policy, follower.revision
        if not policy.is_stepped or policy.is_paused or follower.follows_stable or self._revisions is None:
            return False
        if revision in ("", self._new.revision):
            return False
        current = self._revisions.by_hash(self._new, revision)
        before = None if current is None else self._plan(instance, current).rendering
        return (
            before is not None and plan.rendering is not None and (before.children == plan.rendering.children)
        )


def deletion_warnings(
    template: Mapping[str, Any], users: Sequence[ModelInstance], *, complete: bool
) -> tuple[str, ...]:
    """Return the warning about the delete of a template: how many instances use it, and up to five names.

    Parameters
    ----------
    template
        The template.
    users
        The instances that use it.
    complete
        Whether these are all; if not, the number is a lower bound.
    """
    if not users:
        return ()
    subject = f"{template['kind']} {template['metadata']['name']}"
    bound = "" if complete else "at least "
    use = "uses" if len(users) == 1 else "use"
    shown = _shown([f"{each.metadata.namespace}/{each.metadata.name}" for each in users])
    effect = "running workers stay, and no change of these instances has an effect until a template exists"
    return (f"{subject}: {bound}{plural(len(users), 'instance')} {use} this template: {shown}; {effect}",)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(sorted(names)[:_NAMED])}{more}"


def _restarts_pods(instance: ModelInstance, plan: Plan) -> bool:
    """Return whether a Deployment with workers gets another pod template."""
    bound, template = instance.status.template, plan.template
    has_it = bound is not None and template is not None and bound.revision == template.revision
    reported = {entry.name: entry for entry in instance.status.deployments if entry.replicas}
    for rendered in plan.rendering.deployments if plan.rendering else ():
        entry = reported.get(rendered.name)
        if entry is None:
            continue
        # Pods of the same revision stay, also if the operator would render others.
        own = rendered.own_revision
        is_same = has_it if own is None else entry.template_revision == own
        if not is_same and entry.pod_revision not in (None, rendered.deployment.pod_revision):
            return True
    return False
