"""Fixtures of the end-to-end tests: the operator's image as pods in a cluster that runs containers.

==================  =====================================================================================
`cluster`           the cluster of the run; see `tests.e2e.place`
`installation`      the operator in it, installed by the first test that asks, removed at the end
`models`            a namespace with a template, a client in a pod, and the model ``minilm``, which serves
`bare_gateway`      the gateway, with a key for the models of that namespace
`gateway`           the same, with the models ``chat`` and ``reranker``
==================  =====================================================================================

The tests of one run share one cluster and one operator, so they run one after the other: ``make e2e``.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.build.go_toolchain import ToolsError
from hack.build.toolset import cached_tools, has_node_tools
from tests.cluster.catalogue.servers import SERVERS, chosen
from tests.cluster.kube_api import KubeApi
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.nodes.real import ensure_real_node
from tests.e2e.gateway import CHAT_MODEL, RERANKER, Gateway, installed, model_objects
from tests.e2e.installation import Installation
from tests.e2e.models import Models, instance, template
from tests.e2e.place import images, named, named_cluster, real_node
from tests.e2e.report import sections

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.cluster.cluster import Cluster
    from tests.e2e.place import Images

SERVING = "minilm"
STARTED = pytest.StashKey["Cluster"]()
TIMEOUT = pytest.mark.timeout(600)
"""Of a test with the fixtures that it is the first to ask for."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give these tests more time than those without containers, and leave heavy servers out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(TIMEOUT)
    left_out = SERVERS.keys() - chosen()
    heavy = [
        item for item in items if (mark := item.get_closest_marker("server")) and mark.args[0] in left_out
    ]
    if heavy:
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if item not in heavy]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show pods, logs and events with a failed test."""
    report = yield
    cluster = item.config.stash.get(STARTED, None)
    if report.failed and cluster is not None:
        values = getattr(item, "funcargs", {}).values()
        namespaces = {value.namespace for value in values if isinstance(value, Models)}
        report.sections.extend(sections(cluster.kubectl, sorted(namespaces)))
    return report


@pytest.fixture(scope="session")
def cluster_images() -> Images:
    """Give the images that the cluster can run."""
    return images()


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """Give the cluster of the run; skips where there is none, and says why."""
    kubeconfig = named()
    if kubeconfig is None:
        if cached_tools() is None or not has_node_tools():
            pytest.skip("NO REAL NODE: its tools are not built yet: run `make real-node-tools`.")
        try:
            ensure_real_node()
        except ToolsError as error:
            pytest.skip(f"NO REAL NODE: {error}")
    with real_node() if kubeconfig is None else named_cluster(kubeconfig) as found:
        pytestconfig.stash[STARTED] = found
        yield found
        del pytestconfig.stash[STARTED]


@pytest.fixture(scope="session")
def cluster_api(cluster: Cluster) -> Iterator[KubeApi]:
    """Give a client as administrator for cluster-scoped objects."""
    api = KubeApi(cluster.kubeconfig)
    yield api
    api.close()


@pytest.fixture(scope="session")
def installation(
    cluster: Cluster, cluster_api: KubeApi, cluster_images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Give the operator in the cluster, with all its replicas ready."""
    operator = Installation(cluster, tmp_path_factory.mktemp("overlay"), cluster_images.operator)
    operator.require_none()
    with contextmanager(fresh_namespace)(cluster_api, "mo-e2e-first") as namespace:
        try:
            operator.install(namespace, [template(cluster_images.model), instance("wrong", BATCH_SIZE=99)])
            yield operator
        finally:
            operator.remove()


@pytest.fixture(scope="session")
def models(
    installation: Installation, cluster: Cluster, cluster_api: KubeApi, cluster_images: Images
) -> Iterator[Models]:
    """Give a namespace with the template, the client's pod, and the model `SERVING`, which is Ready."""
    with contextmanager(fresh_namespace)(cluster_api, "mo-e2e") as namespace:
        found = Models(cluster_api.in_namespace(namespace), cluster.kubectl, cluster_images.model)
        found.apply(template(cluster_images.model), instance(SERVING))
        found.start_client()
        found.wait_until_ready(SERVING)
        yield found


@pytest.fixture(scope="session")
def bare_gateway(
    models: Models, cluster: Cluster, cluster_images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give the gateway with a key for the models that there are."""
    with installed(cluster, tmp_path_factory.mktemp("gateway"), cluster_images.operator, models) as found:
        yield found


@pytest.fixture(scope="session")
def gateway(bare_gateway: Gateway, models: Models, cluster_images: Images) -> Iterator[Gateway]:
    """Give the gateway with real models behind it, which are removed at the end."""
    begin = time.monotonic()
    objects = model_objects(cluster_images)
    models.apply(*objects)
    try:
        for model in (CHAT_MODEL, RERANKER):
            models.wait_until_ready(model)
        print(f"the models behind the gateway were ready after {time.monotonic() - begin:.1f} s")
        yield bare_gateway
    finally:
        for obj in objects[::-1]:
            models.api.delete(obj["kind"], obj["metadata"]["name"])


@pytest.fixture
def whole(installation: Installation) -> Iterator[Installation]:
    """Give the operator with all replicas ready and one that leads; afterwards wait until it is so again."""
    installation.wait_until_whole()
    assert installation.leader() in installation.pod_names()
    yield installation
    installation.wait_until_whole()
