"""How far an edit of a template reaches its instances: at once, in steps, later or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from model_operator.api import RolloutState
from model_operator.core.rollouts.advance import Advance
from model_operator.core.rollouts.advice import budget_advice, empty_step_advice
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import Policy
from model_operator.core.values.violations import Violation
from model_operator.core.values.words import plural

_THIS = "this change"
_LATEST = "the latest one"


@dataclass(frozen=True, slots=True)
class Reach:
    """The instances of a template, and what its roll-out does next with an edit.

    Attributes
    ----------
    policy
        What the edited template says about its roll-outs.
    target
        Hash of its revision.
    stable
        Hash of the stable revision; empty while there is none.
    is_new
        Whether the edit makes another revision the latest; if not, nothing about models is edited.
    was_stepped
        Whether edits rolled out in steps before this one.
    followers
        The instances that are not pinned.
    progress
        What the roll-out does next.
    pinned
        Number of instances that are pinned to another revision.
    restarting
        Those of the followers whose pods change with the revision.
    unchanged
        Number of the followers that run another revision and have the same objects with this one: they need
        no step. They are counted as followers that run this one.
    ahead
        Number of the deployments that name the latest revision, of instances that do not get it at once.
    is_regained
        Whether there are other instances, with which the edit shares the template again; they get the latest
        revision as new ones do.
    is_complete
        Whether these are all instances; if not, numbers are lower bounds.
    """

    policy: Policy
    target: str
    stable: str
    is_new: bool
    was_stepped: bool
    followers: Sequence[Follower]
    progress: Advance
    pinned: int = 0
    restarting: Collection[FollowerKey] = field(default_factory=frozenset)
    unchanged: int = 0
    ahead: int = 0
    is_regained: bool = False
    is_complete: bool = True

    def sentence(self) -> str:
        """Return how many instances get the edit, and when; empty where there is nothing to say.

        That is where there are no instances, and where an edit reaches them at once without new pods.
        """
        if not self.followers and not self.pinned:
            return ""
        waiting = [each for each in self.followers if each.revision != self.target]
        if not self.is_new:
            # Those that are about to get the latest revision at once do so whatever the edit is.
            if not waiting or not (self.policy.is_stepped or self.was_stepped):
                return f"{_THIS} makes no new revision, so no {self._instance} changes"
            return f"{_THIS} makes no new revision; {self._of(_LATEST, waiting)}{self._later(waiting)}"
        if not waiting:
            return f"{self._unstepped()}{self._pins()}" if self.unchanged else self._unreached()
        if self.policy.is_stepped or (self.was_stepped and self._is_return):
            return f"{self._of(_THIS, waiting)}{self._later(waiting)}{self._beside(waiting)}"
        return self._at_once(waiting)

    def advice(self) -> Iterator[Violation]:
        """Yield the warnings about the template's ``rollout`` that follow from its instances."""
        if self.followers and self.is_complete:
            yield from empty_step_advice(self.policy, self.progress.empty_steps)
            yield from budget_advice(self.policy, self._members())

    @property
    def _instance(self) -> str:
        return "other instance" if self.is_regained else "instance"

    @property
    def _is_return(self) -> bool:
        return self.target == self.stable

    @property
    def _is_held(self) -> bool:
        return not self.progress.admits_new

    def _members(self) -> list[int]:
        members = [0] * len(self.policy.steps)
        for each in self.followers:
            members[self._step_of(each)] += 1
        return members

    def _step_of(self, follower: Follower) -> int:
        return self.policy.step_of(
            follower.key.namespace, follower.labels, follows_stable=follower.follows_stable
        )

    def _of(self, what: str, waiting: Sequence[Follower]) -> str:
        """Return when those that wait get the revision."""
        state, step = self.progress.state, self.progress.step
        if state is RolloutState.PAUSED:
            return f"no instance gets {what} while spec.rollout.paused is true: {self._wait(waiting)}"
        if state is RolloutState.HALTED:
            verb = "has" if self.progress.failed == 1 else "have"
            failed = f"{self._number(self.progress.failed)} {verb} failed at it"
            return f"no instance gets {what}: halted, as {failed}; {self._wait(waiting)}"
        if self._is_return:
            return f"{self._get(len(waiting), what)} at once, without steps, as it is the stable revision"
        if not self.policy.is_stepped:
            return f"{self._get(len(_leading(waiting)), what)} at once"
        if state is RolloutState.AWAITING_APPROVAL:
            return f"step {step} needs the approval of {what}; {self._wait(waiting)}"
        if state is RolloutState.SOAKING:
            return f"{what} soaks in step {step}; {self._wait(waiting)}"
        place = f"now in step {step}"
        members = [each.key for each in self.followers if self.policy.steps[self._step_of(each)].name == step]
        first = len(self.progress.grants.intersection(members))
        if self.is_new and first:
            place = f"first {first} of {len(members)} in step {step}"
        return f"{self._get(len(_leading(waiting)), what)} in steps, {place}"

    def _unreached(self) -> str:
        if self.followers:
            return f"{_THIS} changes no {self._instance}, as all that are not pinned run its revision already"
        verb = "is" if self.pinned == 1 else "are"
        pins = f"{self._number(self.pinned)} {verb} pinned to another revision{self._own()}"
        return f"{_THIS} reaches no instance: {pins}"

    def _at_once(self, waiting: Sequence[Follower]) -> str:
        """Return how many instances restart at once, and which others get the edit later or not."""
        leading = waiting if self._is_return else _leading(waiting)
        now = [each for each in leading if each.key in self.restarting]
        restarts = f"{_THIS} restarts the pods of {self._number(len(now))}" if now else ""
        later = self._later(waiting)
        if not now and not later:
            return ""
        return f"{restarts or f'{_THIS} restarts no pods now'}{later}{self._pins()}"

    def _later(self, waiting: Sequence[Follower]) -> str:
        count = sum(each.follows_stable for each in waiting)
        if not count or self._is_return or self._is_held:
            return ""
        verb, follow = ("gets", "follows") if count == 1 else ("get", "follow")
        return f"; {self._number(count)} that {follow} the stable revision {verb} it last"

    def _beside(self, waiting: Sequence[Follower]) -> str:
        """Return whose pods restart in their turn, and who gets the edit at once or not at all."""
        restarting = 0 if self._is_held else sum(each.key in self.restarting for each in waiting)
        restarts = f"; it restarts the pods of {self._number(restarting)}" if restarting else ""
        unstepped = f"; {self._unstepped()}" if self.unchanged else ""
        return f"{restarts}{unstepped}{self._pins()}"

    def _unstepped(self) -> str:
        whose = "its" if self.unchanged == 1 else "their"
        return f"{self._get(self.unchanged, _THIS)} at once, as {whose} objects stay the same"

    def _pins(self) -> str:
        verb = "does" if self.pinned == 1 else "do"
        pins = f"; {self._number(self.pinned)} pinned to another revision {verb} not get it"
        return f"{pins if self.pinned else ''}{self._own()}"

    def _own(self) -> str:
        verb, name = ("gets", "names") if self.ahead == 1 else ("get", "name")
        count = self._number(self.ahead, "deployment")
        return f"; {count} that {name} latest {verb} it at once" if self.ahead else ""

    def _get(self, count: int, what: str) -> str:
        return f"{self._number(count)} {'gets' if count == 1 else 'get'} {what}"

    def _wait(self, waiting: Sequence[Follower]) -> str:
        return f"{self._number(len(waiting))} {'waits' if len(waiting) == 1 else 'wait'}"

    def _number(self, count: int, noun: str = "instance") -> str:
        return f"{'' if self.is_complete else 'at least '}{plural(count, noun)}"


def _leading(waiting: Sequence[Follower]) -> list[Follower]:
    """Return those that follow the latest revision."""
    return [each for each in waiting if not each.follows_stable]
