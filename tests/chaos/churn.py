"""The users: they create, edit, scale, delete and recreate, and interfere with children, without a pause."""

from __future__ import annotations

import copy
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from model_operator.core.objects.drift import APPLIED_HASH
from tests.chaos.persist import persist
from tests.chaos.population import (
    FOREIGN,
    NAMESPACES,
    STEPPED,
    TAKEN,
    Name,
    Object,
    Population,
    deployments_of,
    entries,
    instance,
    parameters,
    tag_of,
    templates,
    with_tag,
)
from tests.cluster.kube_api import KubeApi, KubeApiError

if TYPE_CHECKING:
    from pathlib import Path


# How often each is chosen, relative to the others.
OPERATIONS = {
    "edit parameters": 30,
    "edit deployments": 8,
    "scale": 12,
    "delete": 8,
    "recreate": 8,
    "delete a child": 8,
    "change a child": 10,
    "edit a template": 2,
    "recreate a template": 0.3,
}
# What is changed by hand in children, by strategic merge patch.
CHANGES: tuple[tuple[str, Object], ...] = (
    (
        "Deployment",
        {
            "spec": {
                "template": {"spec": {"containers": [{"name": "model", "image": "registry.test/by-hand"}]}}
            }
        },
    ),
    ("Deployment", {"metadata": {"annotations": {APPLIED_HASH: None}}}),
    ("Service", {"spec": {"selector": {"changed": "by-hand"}}}),
)


class Churn:
    """Seeded operations on a population, in a thread while the context is open.

    What is asked for depends on the seed alone. An operation that the API server does not answer is
    repeated until it does: users do so, too.

    Parameters
    ----------
    kubeconfig
        The administrator's.
    seed
        Where chance comes from.
    size
        The number of names of instances.

    Attributes
    ----------
    population
        What is to exist.
    counts
        The operations done.
    """

    def __init__(self, kubeconfig: Path, seed: str, size: int) -> None:
        self.population = Population()
        self.counts: Counter[str] = Counter()
        self._api = KubeApi(kubeconfig, "")
        self._source = random.Random(f"{seed}|churn")
        self._names = [Name(NAMESPACES[number % 2], f"m{number:03}") for number in range(size)]
        self._pause = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._leaving: set[Name] = set()

    def fill(self) -> None:
        """Create namespaces, what belongs to somebody else, the templates and all instances."""
        for namespace in NAMESPACES:
            self._api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            for foreign in yaml.safe_load_all(FOREIGN):
                foreign["metadata"]["namespace"] = namespace
                self._api.create(foreign)
        for template in templates().values():
            self._apply_template(template)
        for name in self._names:
            self._apply(instance(name, self._source))
        for namespace in NAMESPACES:
            for taken in TAKEN:
                whole = instance(Name(namespace, taken), self._source)
                whole["spec"] = {
                    "model_template_id": "web",
                    "model_creation_parameters": {"MODEL_NAME": "taken", "BATCH_SIZE": 1},
                }
                self._apply(whole)

    def start(self, rate: float) -> None:
        """Begin with so many operations a second, at most."""
        self._pause = 1 / rate
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="churn")
        self._thread.start()

    def end(self) -> None:
        """Finish the operation that is under way, and do no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def check(self) -> None:
        """Raise what has ended the operations before their time, if anything has."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause * self._source.uniform(0.5, 1.5)):
                self._one()
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that waits
            self._failure = error

    def _one(self) -> None:
        name = self._source.choice(self._names)
        known = self.population.instances.get(name)
        if known is None:
            if not self._is_leaving(name):
                self.counts["create"] += 1
                self._apply(instance(name, self._source))
            return
        operation = self._source.choices(list(OPERATIONS), list(OPERATIONS.values()))[0]
        self.counts[operation] += 1
        OPERATIONS_BY_NAME[operation](self, copy.deepcopy(known))

    def edit_parameters(self, known: Object) -> None:
        """Give an instance other parameters, which now and then do not fit."""
        known["spec"]["model_creation_parameters"] = parameters(
            self._source, known["spec"]["model_template_id"]
        )
        self._apply(known)

    def edit_deployments(self, known: Object) -> None:
        """Give an instance other entries of ``deployments``, or none."""
        known["spec"].pop("replicas", None)
        known["spec"]["deployments"] = entries(self._source)
        if self._source.random() < 0.3:
            del known["spec"]["deployments"]
        self._apply(known)

    def scale(self, known: Object) -> None:
        """Pin an instance's number of workers, or leave it to the template again."""
        known["spec"].pop("deployments", None)
        known["spec"]["replicas"] = self._source.randint(0, 3)
        if self._source.random() < 0.3:
            del known["spec"]["replicas"]
        self._apply(known)

    def delete(self, known: Object) -> None:
        """Delete an instance, at once or when the garbage collector has removed its children."""
        propagation = self._source.choices(("Background", "Foreground"), (2, 1))[0]
        self._delete_object(known, propagation)
        del self.population.instances[_name(known)]
        if propagation == "Foreground":
            self._leaving.add(_name(known))

    def recreate(self, known: Object) -> None:
        """Delete an instance, and create another one of its name at once."""
        self._delete_object(known, "Background")
        self._apply(instance(_name(known), self._source))

    def delete_child(self, owner: Object) -> None:
        """Delete a child, if there is one of the kind that is chosen."""
        child = self._source.choice(list(deployments_of(owner)))
        kind = self._source.choice(("Deployment", "Service", "PodDisruptionBudget"))
        api = self._api.in_namespace(owner["metadata"]["namespace"])
        persist(lambda: _unless_gone(lambda: api.delete(kind, child)))

    def change_child(self, owner: Object) -> None:
        """Change a child by hand, if there is one of the kind that is chosen."""
        child = self._source.choice(list(deployments_of(owner)))
        kind, patch = self._source.choice(CHANGES)
        api = self._api.in_namespace(owner["metadata"]["namespace"])

        def change() -> None:
            api.patch(kind, child, patch, patch_type="strategic", manager="hand")

        persist(lambda: _unless_gone(change))

    def edit_template(self, _: Object) -> None:
        """Give a template another image tag."""
        template = self._any_template(STEPPED if self._source.random() < 0.5 else "")
        self._apply_template(with_tag(template, f"v{int(tag_of(template)[1:]) + 1}"))

    def recreate_template(self, _: Object) -> None:
        """Delete a template, and create it again."""
        template = self._any_template()
        self._delete_object(template, "Background")
        self._apply_template(template)

    def _any_template(self, name: str = "") -> Object:
        names = [each for each in self.population.templates if name in ("", each.name)]
        return self.population.templates[self._source.choice(names)]

    def _apply(self, wanted: Object) -> None:
        persist(lambda: self._api.apply(wanted))
        self.population.instances[_name(wanted)] = wanted

    def _apply_template(self, wanted: Object) -> None:
        persist(lambda: self._api.apply(wanted))
        self.population.templates[_name(wanted)] = wanted

    def _delete_object(self, obj: Object, propagation: str) -> None:
        """Delete an object; by ``Background``, its name is free at once."""
        name, api = _name(obj), self._api.in_namespace(_name(obj).namespace)
        persist(lambda: _unless_gone(lambda: api.delete(obj["kind"], name.name, propagation=propagation)))

    def _is_leaving(self, name: Name) -> bool:
        """Tell whether an instance of the name waits for the garbage collector, which may be for long.

        It may miss most of what happens while its API server is restarted again and again.
        """
        if name in self._leaving:
            api = self._api.in_namespace(name.namespace)
            if persist(lambda: api.find("ModelInstance", name.name)) is None:
                self._leaving.remove(name)
        return name in self._leaving


OPERATIONS_BY_NAME: Mapping[str, Callable[[Churn, Object], None]] = {
    "edit parameters": Churn.edit_parameters,
    "edit deployments": Churn.edit_deployments,
    "scale": Churn.scale,
    "delete": Churn.delete,
    "recreate": Churn.recreate,
    "delete a child": Churn.delete_child,
    "change a child": Churn.change_child,
    "edit a template": Churn.edit_template,
    "recreate a template": Churn.recreate_template,
}


def _name(obj: Object) -> Name:
    return Name(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _unless_gone(request: Callable[[], Any]) -> None:
    try:
        request()
    except KubeApiError as error:
        if error.code != 404:
            raise
