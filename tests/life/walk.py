"""A random walk through the lives that instances may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.life.profiles import INSTANCE, SIMULATED, TEMPLATE
from tests.life.recorder import Recorder
from tests.life.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.kube_api import KubeApi
    from tests.cluster.operator_process import OperatorProcess

GONE_WITH_THE_INSTANCE = (
    "Deployment",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ReplicaSet",
    "Pod",
)
EDITIONS = st.sampled_from(["first", "second", "third"])
ENTRIES = st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=2)


class Walk(RuleBasedStateMachine):
    """One walk, in a namespace and with an operator of its own.

    Parameters
    ----------
    cluster_api
        A client as administrator.
    start_operator
        Starts an operator for a namespace.
    """

    def __init__(self, cluster_api: KubeApi, start_operator: Callable[[str], OperatorProcess]) -> None:
        super().__init__()
        self._namespaces = fresh_namespace(cluster_api, "mo-private-walk")
        self._namespace = next(self._namespaces)
        self._start_operator = start_operator
        self._operator = start_operator(self._namespace)
        self._api = cluster_api.in_namespace(self._namespace)
        self._recorder = Recorder(self._api)
        self._story = Story(self._api, SIMULATED, self._recorder)
        self._has_template = self._has_instance = self._has_entries = False

    def teardown(self) -> None:
        """End the life, and see that nothing is left of it."""
        try:
            if self._has_instance:
                with self._story.step("the end"):
                    self._api.delete("ModelInstance", INSTANCE)
            for kind in GONE_WITH_THE_INSTANCE:
                wait_for(lambda: not self._api.list(kind), message=f"no {kind} is left over")  # noqa: B023
        finally:
            self._operator.stop()
            self._recorder.__exit__(None, None, None)
            next(self._namespaces, None)

    @initialize()
    def begin(self) -> None:
        """Begin with what most lives have."""
        with self._story.step("template and instance"):
            self._api.apply(SIMULATED.template())
            self._api.apply(SIMULATED.instance())
        self._has_template = self._has_instance = True

    @precondition(lambda self: not self._has_instance)
    @rule(entries=st.none() | ENTRIES)
    def create_the_instance(self, entries: list[str] | None) -> None:
        """Create the instance, anew or a namesake."""
        more = {} if entries is None else {"deployments": [{"name": name} for name in entries]}
        with self._story.step(f"an instance with {entries}"):
            self._api.create(SIMULATED.instance(**more))
        self._has_instance, self._has_entries = True, entries is not None

    @precondition(lambda self: self._has_instance)
    @rule(propagation=st.sampled_from(["Background", "Foreground"]))
    def delete_the_instance(self, propagation: str) -> None:
        """Delete the instance."""
        with self._story.step(f"deletion in the {propagation.lower()}"):
            self._api.delete("ModelInstance", INSTANCE, propagation=propagation)
        self._has_instance = False

    @precondition(lambda self: self._has_instance)
    @rule(name=st.sampled_from(["first", "second"]), size=st.sampled_from([None, 8, "many"]))
    def edit_the_parameters(self, name: str, size: Any) -> None:
        """Give other parameters, right or wrong ones; None removes one."""
        with self._story.step(f"parameters {name}, {size!r}"):
            self._edit(model_creation_parameters={"MODEL_NAME": name, "BATCH_SIZE": size})

    @rule(edition=EDITIONS, fault=st.sampled_from(["none", "none", "image", "schema"]))
    def apply_the_template(self, edition: str, fault: str) -> None:
        """Edit the template, or bring it back."""
        with self._story.step(f"template {edition}, fault: {fault}"):
            type_of_size = "intger" if fault == "schema" else "integer"
            self._api.apply(SIMULATED.template(edition, missing=fault == "image", type_of_size=type_of_size))
        self._has_template = True

    @precondition(lambda self: self._has_template)
    @rule()
    def delete_the_template(self) -> None:
        """Delete the template."""
        with self._story.step("no template"):
            self._api.delete("ModelTemplate", TEMPLATE)
        self._has_template = False

    @precondition(lambda self: self._has_instance and not self._has_entries)
    @rule(workers=st.integers(0, 3))
    def scale(self, workers: int) -> None:
        """Scale as ``kubectl scale`` does."""
        with self._story.step(f"{workers} workers"):
            spec = {"spec": {"replicas": workers}}
            self._api.patch("ModelInstance", INSTANCE, spec, subresource="scale")

    @precondition(lambda self: self._has_instance)
    @rule(entries=st.none() | ENTRIES, workers=st.integers(1, 2))
    def name_deployments(self, entries: list[str] | None, workers: int) -> None:
        """Add, rename or remove entries of ``deployments``, all of them, or the field."""
        of_workers = {"vendor_configuration": {"min_workers": workers, "max_workers": workers}}
        given = None if entries is None else [{"name": name, **of_workers} for name in entries]
        # Deployments of the same second are neighbours to the operator, none the successor of the other.
        self._story.let_a_second_pass()
        with self._story.step(f"deployments {entries} of {workers}"):
            self._edit(deployments=given, replicas=None)
        self._has_entries = entries is not None

    @rule(data=st.data(), kind=st.sampled_from(["Deployment", "Service"]), harm=st.booleans())
    def disturb_a_child(self, data: st.DataObject, kind: str, harm: bool) -> None:
        """Delete a child, or annotate it."""
        names = sorted(child["metadata"]["name"] for child in self._api.list(kind))
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        with self._story.step(f"{kind} {name} {'deleted' if harm else 'annotated'}"):
            if harm:
                self._story.remove(kind, name)
            else:
                self._api.patch(kind, name, {"metadata": {"annotations": {"example.com/note": "look"}}})

    @precondition(lambda self: self._has_template)
    @rule(edition=EDITIONS)
    def restart_the_operator(self, edition: str) -> None:
        """Restart the operator, with the template edited meanwhile, or applied as it was."""
        with self._story.step(f"restart, template {edition} meanwhile"):
            self._operator.stop()
            self._api.apply(SIMULATED.template(edition))
            self._operator = self._start_operator(self._namespace)

    def _edit(self, **spec: Any) -> None:
        self._api.patch("ModelInstance", INSTANCE, {"spec": spec})
