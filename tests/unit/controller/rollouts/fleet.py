"""A fleet: instances of one template in a cluster in memory, what users do to them, and waiting."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from tests.life.fleet import TEMPLATE
from tests.life.moves import judge_moves, resting_faults
from tests.life.profiles import SIMULATED
from tests.life.profiles import TEMPLATE as NAME
from tests.unit.controller.rollouts.cluster import Cluster
from tests.unit.controller.rollouts.operators import Replica

if TYPE_CHECKING:
    from model_operator.kube.client import Object

QUIET_SECONDS = 12.0
LONG_SECONDS = 1200.0
RESTART_SECONDS = 1.0
GOOD = {"MODEL_NAME": "first"}
WRONG = {"MODEL_NAME": "first", "NO_SUCH": 1}


def template(edition: str = "v1", *, rollout: Any = None, **more: Any) -> Object:
    """Return the template, in an edition, with a roll-out in steps."""
    obj = SIMULATED.template(edition, **more)
    if rollout is not None:
        obj["spec"]["rollout"] = rollout
    return obj


def instance(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """Return an instance under a name."""
    obj = SIMULATED.instance(**spec)
    obj["metadata"] = {"name": name, "labels": labels or {}}
    return obj


class Fleet:
    """A cluster with one operator and some instances of one template.

    Parameters
    ----------
    seed
        Where chance comes from.
    kill
        The write at which the first operator is killed; see `Replica`.
    """

    def __init__(self, seed: str, kill: tuple[int, str] | None = None) -> None:
        self.cluster = Cluster(random.Random(seed))
        self.operator = Replica(self.cluster, kill)
        self.restarts = 0

    async def begin(self, obj: Object, instances: list[Object]) -> None:
        """Create a template and instances, and wait until all is quiet."""
        self.cluster.user_applies(obj)
        for each in instances:
            self.cluster.user_applies(each)
        await self.rest()

    def apply(self, obj: Object) -> None:
        """Create or change an object as a user does."""
        self.cluster.user_applies(obj)

    def edit_template(self, edition: str | None = None, **rollout: Any) -> None:
        """Change the edition of the template, or fields of its roll-out; None removes one."""

        def change(obj: Object) -> None:
            if edition is not None:
                fresh = SIMULATED.template(edition.removesuffix("!"), missing=edition.endswith("!"))
                for part in ("vendor_configuration", "pod_template"):
                    obj["spec"][part] = fresh["spec"][part]
            if rollout:
                merged = {**obj["spec"].get("rollout", {}), **rollout}
                obj["spec"]["rollout"] = {key: value for key, value in merged.items() if value is not None}

        self.cluster.edit(TEMPLATE, NAME, change)

    def edit(self, name: str, **spec: Any) -> None:
        """Change fields of an instance's spec; None removes one."""

        def change(obj: Object) -> None:
            merged = {**obj["spec"], **spec}
            obj["spec"] = {key: value for key, value in merged.items() if value is not None}

        self.cluster.edit("ModelInstance", name, change)

    @property
    def template(self) -> Object:
        """The template as it is."""
        found = self.cluster.find(TEMPLATE, NAME)
        assert found is not None
        return found

    @property
    def state(self) -> str:
        """The state of the roll-out."""
        return str(self.template.get("status", {}).get("rollout", {}).get("state"))

    @property
    def latest(self) -> str:
        """The latest revision, as the template's status has it."""
        return str(self.template["status"]["latest_revision"])

    def status(self, name: str) -> Object:
        """Return the status of an instance."""
        found = self.cluster.find("ModelInstance", name)
        assert found is not None
        status: Object = found.get("status", {})
        return status

    def positions(self) -> dict[str, str]:
        """Return the revision of each instance, by its status."""
        return {
            each["metadata"]["name"]: each.get("status", {}).get("template", {}).get("revision", "")
            for each in self.cluster.all("ModelInstance")
        }

    async def wait(self, seconds: float) -> None:
        """Let time pass, and start an operator again that was killed."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, RESTART_SECONDS))
            if self.operator.is_dead:
                self.restart()

    def restart(self) -> None:
        """Start a new operator, after the end of the old one."""
        if not self.operator.is_dead:
            self.operator.kill()
        self.operator = Replica(self.cluster)
        self.restarts += 1

    def take_over(self) -> Replica:
        """Start another operator, though the old one may only be paused; and return that."""
        old, self.operator = self.operator, Replica(self.cluster)
        return old

    async def rest(self, seconds: float = QUIET_SECONDS) -> None:
        """Wait until nothing has been written for a while."""
        end = asyncio.get_running_loop().time() + LONG_SECONDS
        last = -1
        since = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < end:
            await self.wait(1.0)
            count = len(self.cluster.history.versions)
            if count != last:
                last, since = count, asyncio.get_running_loop().time()
            elif asyncio.get_running_loop().time() - since > seconds:
                return
        raise AssertionError("something is written again and again")

    async def wait_for_state(self, state: str, seconds: float = LONG_SECONDS) -> None:
        """Wait until the roll-out of the latest revision has a state."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            status = self.template.get("status", {})
            is_seen = status.get("observedGeneration") == self.template["metadata"]["generation"]
            if is_seen and status.get("rollout", {}).get("state") == state:
                return
            await self.wait(0.25)
        raise AssertionError(f"the roll-out is {self.template['status'].get('rollout')}, not {state}")

    def faults(self) -> list[str]:
        """Return what the judges say of all versions."""
        return judge_moves(self.cluster.history)

    def check(self) -> None:
        """Judge all versions, and what is there now that nothing happens."""
        __tracebackhide__ = True
        assert self.faults() == []
        assert [*resting_faults(self.cluster.history)] == []
