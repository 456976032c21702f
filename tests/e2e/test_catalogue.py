"""Templates of the catalogue with servers of PyPI's wheels: see `tests.cluster.catalogue.servers`.

``make catalogue-real`` runs these tests alone, those of heavy servers, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.catalogue.servers import SERVERS
from tests.cluster.catalogue.serving import serving
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gateway.streams import chat, client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import Object
    from tests.e2e.gateway import Gateway
    from tests.e2e.models import Models


@pytest.fixture
def served(
    request: pytest.FixtureRequest, cluster: Cluster, models: Models, tmp_path: Path
) -> Iterator[Object]:
    """Give the instance of the server that the test's marker names, which is Ready."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("the images are given to the nodes of our own clusters only.")
    (name,) = request.node.get_closest_marker("server").args
    with serving(SERVERS[name], cluster, models.api, tmp_path) as instance:
        yield instance


def product(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the inner product of two vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.server("llama-cpp")
def test_llama_cpp_answers_by_the_gateway(served: Object, bare_gateway: Gateway, models: Models) -> None:
    name = served["metadata"]["name"]
    with client(bare_gateway.url, bare_gateway.key) as given:
        pieces = list(chat(given, name, max_tokens=16, temperature=0))

    assert len(pieces) > 2


@pytest.mark.server("mlserver")
def test_mlserver_answers_by_the_service(served: Object, models: Models) -> None:
    # A small and a large iris, by the Open Inference Protocol, for which the gateway has no API.
    irises = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
    tensor = {"name": "irises", "shape": [2, 4], "datatype": "FP64", "data": irises}

    answer = models.post(served["metadata"]["name"], "/v2/models/model/infer", {"inputs": [tensor]})

    assert answer["outputs"][0]["data"] == [0, 2]


@pytest.mark.server("infinity")
def test_infinity_embeds_by_the_gateway(served: Object, bare_gateway: Gateway, models: Models) -> None:
    name = served["metadata"]["name"]
    texts = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Shares fell after the report."]

    with client(bare_gateway.url, bare_gateway.key) as given:
        answer = given.embeddings.create(model=name, input=texts)
    cat, kitten, shares = ([*each.embedding] for each in answer.data)

    assert len(cat) == 384
    assert product(cat, kitten) > product(cat, shares) + 0.2
    # Its metrics are where the PodMonitor expects them.
    assert "http_requests_total" in models.get(name, "/metrics")
