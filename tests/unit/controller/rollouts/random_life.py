"""The life of a fleet to which things happen by chance: edits, faults, restarts, and what else users do."""

from __future__ import annotations

import asyncio
import copy
import random
from typing import TYPE_CHECKING

from tests.life.fleet import TEMPLATE
from tests.life.profiles import TEMPLATE as NAME
from tests.unit.controller.rollouts.cluster import NAMESPACE
from tests.unit.controller.rollouts.fleet import GOOD, WRONG, Fleet, instance, template

if TYPE_CHECKING:
    from model_operator.kube.client import Object


class RandomLife:
    """A fleet to which things happen by chance.

    Parameters
    ----------
    seed
        The same seed gives the same life.
    """

    def __init__(self, seed: str) -> None:
        self.source = random.Random(f"{seed}|events")
        self.fleet = Fleet(seed)
        self.story: list[str] = []
        self.names = [f"m{number}" for number in range(self.source.randint(3, 8))]
        self.edition = 1

    async def live(self, events: int) -> None:
        """Begin, let events happen, and end with everything mended."""
        await self.fleet.begin(
            template(rollout=self._rollout()), [self._instance(name) for name in self.names]
        )
        for _ in range(events):
            name = self.source.choice(EVENTS)
            await getattr(self, f"_{name}")()
            await self.fleet.wait(self.source.choice((0.1, 0.5, 2.0, 10.0, 30.0, 90.0)))
        await self._end()

    async def _end(self) -> None:
        fleet, cluster = self.fleet, self.fleet.cluster
        self.story.append("the end")
        for name in sorted(cluster.crashing):
            cluster.heal(name)
        for obj in cluster.all("ModelInstance"):
            fleet.edit(obj["metadata"]["name"], model_template_revision=None, model_creation_parameters=GOOD)
        fleet.edit_template(f"v{self.edition}", paused=None, max_failures=None)
        await fleet.rest()
        fleet.edit_template(approved=fleet.latest)
        await fleet.rest(100)

    def _rollout(self) -> Object:
        chance = self.source
        rollout: Object = {
            "max_unavailable": chance.choice((1, 1, 2, 3, "10%", "34%", "100%")),
            "soak_seconds": chance.choice((0, 0, 5, 30)),
            "steps": [],
        }
        if chance.random() < 0.3:
            rollout["max_failures"] = chance.randint(0, 2)
        for tier in chance.sample(("canary", "early"), chance.randint(0, 2)):
            step: Object = {"name": tier, "labels": {"tier": tier}}
            if chance.random() < 0.4:
                step["max_unavailable"] = chance.choice((1, "100%"))
            if chance.random() < 0.3:
                step["soak_seconds"] = chance.choice((0, 20))
            if chance.random() < 0.3:
                step["needs_approval"] = True
            rollout["steps"].append(step)
        return rollout

    def _instance(self, name: str) -> Object:
        tier = self.source.choice(("canary", "early", "rest", "rest"))
        more: Object = {}
        if self.source.random() < 0.15:
            more["model_template_revision"] = "stable"
        if self.source.random() < 0.1:
            more["replicas"] = 0
        return instance(name, labels={"tier": tier}, **more)

    def _any(self) -> str | None:
        found = sorted(each["metadata"]["name"] for each in self.fleet.cluster.all("ModelInstance"))
        return self.source.choice(found) if found else None

    def _note(self, text: str) -> None:
        self.story.append(f"{asyncio.get_running_loop().time():.1f} {text}")

    async def _edit(self) -> None:
        self.edition += 1
        self._note(f"edition v{self.edition}")
        self.fleet.edit_template(f"v{self.edition}")

    async def _bad_edit(self) -> None:
        self.edition += 1
        self._note(f"edition v{self.edition} with a missing image")
        self.fleet.edit_template(f"v{self.edition}!")

    async def _back(self) -> None:
        self.edition = max(1, self.edition - 1)
        self._note(f"back to edition v{self.edition}")
        self.fleet.edit_template(f"v{self.edition}")

    async def _pause(self) -> None:
        self._note("pause")
        self.fleet.edit_template(paused=True)

    async def _resume(self) -> None:
        self._note("resume")
        self.fleet.edit_template(paused=None)

    async def _approve(self) -> None:
        self._note(f"approve {self.fleet.latest}")
        self.fleet.edit_template(approved=self.fleet.latest)

    async def _policy(self) -> None:
        rollout = self._rollout()
        self._note(f"policy {rollout}")
        self.fleet.edit_template(**rollout)

    async def _crash(self) -> None:
        found = sorted(each["metadata"]["name"] for each in self.fleet.cluster.all("Deployment"))
        if found:
            name = self.source.choice(found)
            self._note(f"{name} crashes")
            self.fleet.cluster.crash(name)

    async def _heal(self) -> None:
        for name in sorted(self.fleet.cluster.crashing):
            self._note(f"{name} heals")
            self.fleet.cluster.heal(name)

    async def _create(self) -> None:
        name = f"m{self.source.randint(0, 9)}"
        if self.fleet.cluster.find("ModelInstance", name) is None:
            obj = self._instance(name)
            self._note(f"new {name} {obj['metadata']['labels']} {obj['spec'].get('model_template_revision')}")
            self.fleet.apply(obj)

    async def _delete(self) -> None:
        if name := self._any():
            self._note(f"{name} is deleted")
            self.fleet.cluster.user_deletes("ModelInstance", name)

    async def _scale(self) -> None:
        if name := self._any():
            workers = self.source.choice((0, 1, 2))
            obj = self.fleet.cluster.find("ModelInstance", name)
            if obj is None or "deployments" in obj["spec"]:
                return
            self._note(f"{name} has {workers} workers")
            self.fleet.edit(name, replicas=workers)

    async def _parameters(self) -> None:
        if name := self._any():
            given = self.source.choice((GOOD, WRONG, {"MODEL_NAME": "other"}))
            self._note(f"{name} has parameters {given}")
            self.fleet.edit(name, model_creation_parameters=given)

    async def _pin(self) -> None:
        if name := self._any():
            pin = self.source.choice((None, "latest", "stable", self.fleet.latest))
            self._note(f"{name} is pinned to {pin}")
            self.fleet.edit(name, model_template_revision=pin)

    async def _relabel(self) -> None:
        if name := self._any():
            tier = self.source.choice(("canary", "early", "rest"))
            self._note(f"{name} is in tier {tier}")
            self.fleet.cluster.edit(
                "ModelInstance", name, lambda obj: obj["metadata"].update(labels={"tier": tier})
            )

    async def _drift(self) -> None:
        found = sorted(each["metadata"]["name"] for each in self.fleet.cluster.all("Deployment"))
        if found:
            name = self.source.choice(found)
            self._note(f"Deployment {name} is changed by hand")

            def change(obj: Object) -> None:
                obj["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.test/by-hand:v1"

            self.fleet.cluster.edit("Deployment", name, change)

    async def _lose(self) -> None:
        found = sorted(each["metadata"]["name"] for each in self.fleet.cluster.all("Deployment"))
        if found:
            name = self.source.choice(found)
            self._note(f"Deployment {name} is deleted by hand")
            self.fleet.cluster.user_deletes("Deployment", name)

    async def _restart(self) -> None:
        self._note("restart of the operator")
        self.fleet.restart()

    async def _entries(self) -> None:
        if name := self._any():
            pin = self.source.choice(("latest", "stable", self.fleet.latest))
            entries = self.source.choice(
                (None, [{"name": "a"}], [{"name": "a"}, {"name": "b", "model_template_revision": pin}])
            )
            self._note(f"{name} has the deployments {entries}")
            self.fleet.edit(name, deployments=entries, replicas=None)

    async def _take_over(self) -> None:
        self._note("another operator takes over from one that is paused")
        self.fleet.operator.pause()
        old = self.fleet.take_over()
        await self.fleet.wait(self.source.choice((0.1, 1.0, 5.0, 30.0)))
        old.resume()

    async def _without_steps(self) -> None:
        self._note("edits reach all at once")
        self.fleet.cluster.edit(TEMPLATE, NAME, lambda obj: obj["spec"].pop("rollout", None))

    async def _reapply(self) -> None:
        self._note("template deleted and applied again")
        obj = copy.deepcopy(self.fleet.template)
        self.fleet.cluster.user_deletes(TEMPLATE, NAME)
        await self.fleet.wait(self.source.choice((0.0, 0.05, 5.0)))
        metadata = {"name": NAME, "namespace": NAMESPACE}
        self.fleet.apply(
            {"apiVersion": obj["apiVersion"], "kind": TEMPLATE, "metadata": metadata, "spec": obj["spec"]}
        )
        await self.fleet.rest()

    async def _restore(self) -> None:
        self._note("statuses are emptied")
        for obj in (*self.fleet.cluster.all("ModelInstance"), *self.fleet.cluster.all(TEMPLATE)):
            self.fleet.cluster.edit(obj["kind"], obj["metadata"]["name"], lambda obj: obj.pop("status", None))
        self.fleet.restart()


EVENTS = (
    *("edit",) * 6,
    *("bad_edit",) * 2,
    *("back",) * 2,
    *("approve",) * 3,
    *("resume",) * 2,
    *("heal",) * 2,
    "pause",
    "policy",
    "crash",
    "create",
    "create",
    "delete",
    "scale",
    "scale",
    "parameters",
    "pin",
    "relabel",
    "drift",
    "lose",
    "reapply",
    "restore",
    "entries",
    "entries",
    "take_over",
    "without_steps",
    "restart",
    "restart",
)
