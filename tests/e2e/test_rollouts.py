"""A broken edit halts at the canary, other models are not touched, and no request to any of them fails."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

import openai
import pytest

from tests.cluster.gateway.streams import client
from tests.cluster.waiting import wait_for
from tests.e2e.models import READY_SECONDS, instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import Object
    from tests.e2e.gateway import Gateway
    from tests.e2e.models import Models

TEMPLATE = "stepped"
CANARY, OTHERS = "stepped-canary", ("stepped-first", "stepped-second")
MODELS = (CANARY, *OTHERS)
STARTUP_SECONDS = 45
"""After which a worker that does not start is a failure: the image is on the node already."""
ROLLOUT = {
    "max_unavailable": "10%",
    "max_failures": 0,
    "soak_seconds": 1,
    "steps": [{"name": "canary", "labels": {"tier": "canary"}, "max_unavailable": "100%"}],
}


class Requests:
    """One client for each model that asks it through the gateway without a pause; a context manager."""

    def __init__(self, gateway: Gateway, namespace: str) -> None:
        self.answered = dict.fromkeys(MODELS, 0)
        self.failures: list[str] = []
        self._gateway, self._namespace = gateway, namespace
        self._is_ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(name,)) for name in MODELS]

    def _run(self, name: str) -> None:
        with client(self._gateway.url, self._gateway.key) as given:
            while not self._is_ended.is_set():
                try:
                    answer = given.embeddings.create(model=f"{self._namespace}/{name}", input="a dog")
                    assert len(answer.data[0].embedding) == 256
                    self.answered[name] += 1
                except (openai.OpenAIError, AssertionError) as error:
                    self.failures.append(f"{name}: {error!r}")
                # A few requests a second leave the node's two processors to the workers that start.
                time.sleep(0.1)

    def wait_for_more(self) -> None:
        """Wait until each model has answered again."""
        before = dict(self.answered)
        wait_for(
            lambda: self.failures or all(self.answered[name] > before[name] for name in MODELS),
            60,
            "all have answered",
        )
        assert self.failures == []

    def __enter__(self) -> Self:
        """Start, and wait for the first answers."""
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._is_ended.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def stepped(models: Models) -> Iterator[Models]:
    """Give three models of a template that rolls out in steps, at its stable revision."""
    obj = template(models.image, TEMPLATE)
    obj["spec"]["rollout"] = ROLLOUT
    obj["spec"]["vendor_configuration"]["endpoint_config"] |= {
        "cpus": "50m",
        "memory": "256Mi",
        "startup_timeout_seconds": STARTUP_SECONDS,
    }
    instances = [instance(name, TEMPLATE) for name in MODELS]
    instances[0]["metadata"]["labels"] = {"tier": "canary"}
    models.apply(obj, *instances)
    try:
        for name in MODELS:
            models.wait_until_ready(name)
        wait_for_rollout(models, "COMPLETE")
        yield models
    finally:
        models.kubectl("delete", "modelinstances", *MODELS, "--timeout=60s", timeout=70)
        models.kubectl("delete", "modeltemplates", TEMPLATE, "--timeout=60s", timeout=70)


def wait_for_rollout(models: Models, state: str) -> dict[str, Any]:
    """Wait until the roll-out has a state with the stored latest revision, and return its status."""

    def reached() -> dict[str, Any]:
        obj = models.api.get("ModelTemplate", TEMPLATE)
        status = obj["status"]
        rollout: dict[str, Any] = status["rollout"]
        assert status["observedGeneration"] == obj["metadata"]["generation"]
        assert rollout["revision"] == status["latest_revision"]
        assert rollout["state"] == state, rollout
        return rollout

    return wait_for(reached, READY_SECONDS, f"the roll-out is {state}")


def set_tag(models: Models, tag: str) -> None:
    patch = {"spec": {"vendor_configuration": {"bundle_config": {"tag": tag}}}}
    models.api.patch("ModelTemplate", TEMPLATE, patch)


def test_a_broken_image_halts_at_the_canary(stepped: Models, gateway: Gateway) -> None:
    before = {name: stepped.workers(name) for name in MODELS}
    stable = stepped.api.get("ModelTemplate", TEMPLATE)["status"]["stable_revision"]
    good = stepped.image.rpartition(":")[2]

    with Requests(gateway, stepped.namespace) as requests:
        set_tag(stepped, "no-such-tag")
        halted = wait_for_rollout(stepped, "HALTED")
        requests.wait_for_more()

        assert halted["step"] == "canary"
        counts = {key: halted[key] for key in ("instances", "arrived", "moving", "failed", "waiting")}
        assert counts == {"instances": 3, "arrived": 0, "moving": 0, "failed": 1, "waiting": 2}
        rolled_out = condition_of_template(stepped, "RolledOut")
        assert (rolled_out["status"], rolled_out["reason"]) == ("False", "Halted")
        assert condition_of_template(stepped, "Ready")["status"] == "True"
        canary = stepped.condition(CANARY)
        assert (canary["status"], canary["reason"]) == ("False", "ImagePullFailed")
        assert before[CANARY] < stepped.workers(CANARY), "the previous worker serves beside the new one"
        for name in OTHERS:
            assert stepped.workers(name) == before[name]
            assert stepped.condition(name)["status"] == "True"
            up_to_date = stepped.condition(name, "UpToDate")
            assert (up_to_date["status"], up_to_date["reason"]) == ("False", "RolloutHalted")
            assert revision_of(stepped, name) == stable

        set_tag(stepped, good)
        complete = wait_for_rollout(stepped, "COMPLETE")
        stepped.wait_until_ready(CANARY)
        wait_for(lambda: stepped.workers(CANARY) == before[CANARY], 60, "the failed worker is deleted")
        requests.wait_for_more()

    print(requests.answered)
    assert requests.failures == []
    assert complete["revision"] == stable
    assert {name: stepped.workers(name) for name in MODELS} == before
    assert {stepped.condition(name, "UpToDate")["status"] for name in MODELS} == {"True"}


def condition_of_template(models: Models, condition: str) -> Object:
    found: Object = models.api.condition("ModelTemplate", TEMPLATE, condition)
    return found


def revision_of(models: Models, name: str) -> str:
    revision: str = models.api.get("ModelInstance", name)["status"]["template"]["revision"]
    return revision
