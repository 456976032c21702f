"""What goes wrong with pods is told, word for word; the model beside them serves on.

All that can go wrong is brought about by ``tests/integration/real_node/test_failures.py``. These few need no
other image than the embedding server's, so that they can be tried on any cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import SERVING
from tests.e2e.models import READY_SECONDS, instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.models import Models

Fault = dict[str, dict[str, Any]]

FAULTS: dict[str, Fault] = {
    "no-image": {"bundle_config": {"tag": "no-such-tag"}},
    "crashing": {"bundle_config": {"env": {"PORT": "http"}}},
    "small-memory": {"endpoint_config": {"memory": "40Mi"}},
    "wrong-route": {"bundle_config": {"healthcheck_route": "/no-such-route"}},
    "too-large": {"endpoint_config": {"cpus": 1000}},
    "no-secret": {},
}
NO_SECRET = {
    "containers": [
        {
            "name": "model",
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "none", "key": "token"}}}],
        }
    ]
}
TOLD = {
    "no-image": ("ImagePullFailed", "x"),
    "crashing": ("CrashLooping", "x"),
    "small-memory": ("OOMKilled", "x"),
    "wrong-route": ("ProbeFailing", "x"),
    "too-large": ("Unschedulable", "x"),
    "no-secret": ("ContainerConfigError", "x"),
}


@pytest.fixture
def faulty(models: Models) -> Iterator[Models]:
    """Give the models with an instance for each fault."""
    for name, fault in FAULTS.items():
        broken = template(models.image, name)
        configuration = broken["spec"]["vendor_configuration"]
        # Too little for all of them beside the model is not what these are to show.
        configuration["endpoint_config"] |= {"cpus": "50m"}
        for part, fields in fault.items():
            configuration[part] |= fields
        if name == "no-secret":
            broken["spec"]["pod_template"] = {"spec": NO_SECRET}
        models.apply(broken, instance(name, name))
    yield models
    models.kubectl("delete", "modelinstances,modeltemplates", *FAULTS, "--timeout=60s", timeout=70)


def test_failures_of_pods_are_told(faulty: Models) -> None:
    for name, (reason, message) in TOLD.items():
        obj = faulty.api.wait_for_condition(
            "ModelInstance", name, "Ready", "False", reason=reason, deadline=READY_SECONDS
        )
        (said,) = [each["message"] for each in obj["status"]["conditions"] if each["type"] == "Ready"]
        print(repr(said))
    assert "256 dimensions" in faulty.ask(SERVING)
    assert faulty.condition(SERVING)["status"] == "True"
