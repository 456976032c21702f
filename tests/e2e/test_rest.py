"""The whole life of a real model by the platform's own client, as ``docs/rest-api.md`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.session import run_walk

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.e2e.gateway import Gateway
    from tests.e2e.models import Models
    from tests.e2e.place import Images


def test_the_walk(gateway: Gateway, models: Models, cluster: Cluster, cluster_images: Images) -> None:
    path, _, tag = cluster_images.chat.rpartition(":")
    registry, _, image = path.rpartition("/")
    replaced = {
        '"docker.io/modeloperator"': f'"{registry}"',
        '"chat-server"': f'"{image}"',
        '"0.1.0"': f'"{tag}"',
    }

    done = run_walk(cluster.kubectl, models.namespace, gateway.url, replaced)

    print(done.stdout)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert "Paris" in lines["execute"]
    assert "Paris" in lines["stream"]
    assert lines["changed"] == "A talker {'MAX_TOKENS': 30}"
    assert lines["deleted"] == "1 1"
    models.api.wait_until_gone("Deployment", "talker-1")
