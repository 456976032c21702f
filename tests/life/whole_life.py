"""A whole life of an instance: every step, and the conditions that are true after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.life.profiles import INSTANCE, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.life.story import Story

SERVES = {"Ready", "Available"}
SERVES_STILL = {"Available", "Reconciling"}


def live(story: Story) -> None:
    """Live it: create, break, correct, scale, edit, remove and delete, each judged."""
    api, profile = story.api, story.profile

    def template(*arguments: Any, **fields: Any) -> Callable[[], object]:
        return lambda: api.apply(profile.template(*arguments, **fields))

    def instance(**spec: Any) -> Callable[[], object]:
        return lambda: api.apply(profile.instance(**spec))

    def parameters(**given: Any) -> Callable[[], object]:
        return instance(model_creation_parameters={"MODEL_NAME": "second", **given})

    steps: list[tuple[str, Callable[[], object], set[str]]] = [
        ("an instance without a template", instance(), {"Reconciling"}),
        ("its template", template(), SERVES),
        ("a wrong image", template(missing=True), SERVES_STILL),
        ("the right image", template(), SERVES),
        ("three workers", lambda: _scale(story, 3), SERVES),
        ("one worker", lambda: _scale(story, 1), SERVES),
        ("another template", template("second"), SERVES),
        ("no template", lambda: api.delete("ModelTemplate", TEMPLATE), SERVES_STILL),
        ("other parameters without a template", parameters(), SERVES_STILL),
        ("the template again", template("third"), SERVES),
        ("wrong parameters", parameters(BATCH_SIZE="many"), {"Available", "Stalled"}),
        ("right parameters", parameters(BATCH_SIZE=8), SERVES),
        ("a broken template", template("third", type_of_size="intger"), SERVES_STILL),
        ("a template without a fault", template("fourth"), SERVES),
        ("no worker", lambda: _scale(story, 0), {"Ready"}),
        ("a worker again", lambda: _scale(story, 1), SERVES),
    ]
    for name, act, expected in steps:
        with story.step(name):
            act()
        assert story.true_conditions() == expected, f"after {name}"
    with story.step("deletion"):
        api.delete("ModelInstance", INSTANCE, propagation="Foreground")
    assert not story.has("ModelInstance")
    with story.step("a namesake"):
        api.apply(profile.instance())
    assert story.true_conditions() == SERVES


def _scale(story: Story, workers: int) -> None:
    story.api.patch("ModelInstance", INSTANCE, {"spec": {"replicas": workers}}, subresource="scale")
