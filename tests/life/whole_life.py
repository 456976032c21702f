"""Whole lives of an instance: every step, and the conditions that are true after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.life.profiles import INSTANCE, TEMPLATE

if TYPE_CHECKING:
    from tests.life.story import Story

SERVES = {"Ready", "Available"}
SERVES_STILL = {"Available", "Reconciling"}
STAYS = {"Available", "Stalled"}

Act = Callable[[], object]


def live(story: Story) -> None:
    """Live it: create, break, correct, scale, edit, remove and delete."""
    api, profile = story.api, story.profile

    def template(*arguments: Any, **fields: Any) -> Act:
        return lambda: api.apply(profile.template(*arguments, **fields))

    def parameters(**given: Any) -> Act:
        spec = {"model_creation_parameters": {"MODEL_NAME": "second", **given}}
        return lambda: api.apply(profile.instance(**spec))

    _update_status(
        story,
        [
            ("an instance without a template", lambda: api.apply(profile.instance()), {"Stalled"}),
            ("its template", template(), SERVES),
            ("a wrong image", template(missing=True), SERVES_STILL),
            ("the right image", template(), SERVES),
            ("three workers", lambda: _scale(story, 3), SERVES),
            ("one worker", lambda: _scale(story, 1), SERVES),
            ("another template", template("second"), SERVES),
            ("no template", lambda: api.delete("ModelTemplate", TEMPLATE), STAYS),
            ("other parameters without a template", parameters(), STAYS),
            ("the template again", template("third"), SERVES),
            ("wrong parameters", parameters(BATCH_SIZE="many"), STAYS),
            ("right parameters", parameters(BATCH_SIZE=8), SERVES),
            ("a broken template", template("third", type_of_size="intger"), SERVES),
            ("a template without a fault", template("fourth"), SERVES),
            ("no worker", lambda: _scale(story, 0), {"Ready"}),
            ("a worker again", lambda: _scale(story, 1), SERVES),
        ],
    )
    with story.step("deletion"):
        api.delete("ModelInstance", INSTANCE, propagation="Foreground")
    _update_status(story, [("a namesake", lambda: api.apply(profile.instance()), SERVES)])


def live_in_parts(story: Story) -> None:
    """Live with several deployments: add, rename, rename while nothing can start, and remove."""
    api, profile = story.api, story.profile

    def deployments(*names: str, missing: bool = False) -> Act:
        def act() -> None:
            story.let_a_second_pass()
            api.apply(profile.template(missing=missing))
            api.apply(profile.instance(deployments=[{"name": name} for name in names]))

        return act

    _update_status(
        story,
        [
            ("two deployments", deployments("a", "b"), SERVES),
            ("one renamed", deployments("a", "c"), SERVES),
            ("one renamed, with a wrong image", deployments("a", "d", missing=True), SERVES_STILL),
            ("the right image", deployments("a", "d"), SERVES),
            ("one removed", deployments("d"), SERVES),
            ("none", deployments(), {"Ready"}),
            ("one of the instance's name", lambda: api.apply(profile.instance()), SERVES),
        ],
    )


def _update_status(story: Story, steps: list[tuple[str, Act, set[str]]]) -> None:
    for name, act, expected in steps:
        with story.step(name):
            act()
        assert story.true_conditions() == expected, f"after {name}"


def _scale(story: Story, workers: int) -> None:
    story.api.patch("ModelInstance", INSTANCE, {"spec": {"replicas": workers}}, subresource="scale")
