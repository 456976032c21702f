"""A whole life with real containers: every version of the status and of the children is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.life.profiles import REAL
from tests.life.recorder import Recorder
from tests.life.story import Story
from tests.life.whole_life import live

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("node_operator")
def test_every_version_of_a_whole_life_is_true(node_api: KubeApi) -> None:
    with Recorder(node_api) as recorder:
        live(Story(node_api, REAL, recorder))
