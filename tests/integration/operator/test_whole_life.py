"""A whole life on simulated nodes: every version of the status and of the children is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.life.profiles import SIMULATED
from tests.life.recorder import Recorder
from tests.life.story import Story
from tests.life.whole_life import live, live_in_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.kube_api import KubeApi


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("life", [live, live_in_parts])
def test_every_version_of_a_whole_life_is_true(api: KubeApi, life: Callable[[Story], None]) -> None:
    with Recorder(api) as recorder:
        life(Story(api, SIMULATED, recorder))
