"""What of an image an instance may choose: a part of its name, and its tag."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.rendering.render import render
from model_operator.core.templates.compile import CompiledTemplate, compile_template

FREE = {"type": "string"}


def template(
    image: str = "team/server", schema: Any = None, *, sidecar: str | None = None, **bundle: Any
) -> CompiledTemplate:
    containers = [] if sidecar is None else [{"name": "side", "image": sidecar}]
    return compile_template(
        ModelTemplate.model_validate(
            {
                "metadata": {"name": "t", "namespace": "ml"},
                "spec": {
                    "model_type": "GENERIC",
                    "vendor_configuration": {
                        "bundle_config": {"registry": "docker.io", "image": image, "tag": "1", **bundle}
                    },
                    "model_creation_parameters_schema": {
                        "properties": {"X": schema or FREE, "Z": schema or FREE},
                        "required": ["X", "Z"],
                    },
                    "pod_template": {"spec": {"containers": containers}},
                },
            }
        )
    )


def images(compiled: CompiledTemplate, value: str) -> list[str] | list[tuple[Any, ...]]:
    """Give the images of a pod by container, or where its instance is refused."""
    instance = ModelInstance.model_validate(
        {
            "metadata": {"name": "one", "namespace": "ml"},
            "spec": {
                "model_template_id": "t",
                "account_id": value or "a",
                "model_creation_parameters": {"X": value, "Z": "y"},
            },
        }
    )
    rendering = render(compiled, instance)
    if rendering.violations:
        assert {violation.type for violation in rendering.violations} == {"image"}
        return [violation.loc for violation in rendering.violations]
    containers = rendering.deployments[0].deployment.manifest["spec"]["template"]["spec"]["containers"]
    return [container["image"] for container in containers]


@pytest.mark.parametrize(
    "image",
    [
        "$(parameters.X)",
        "$(parameters.X)$(parameters.Z)",
        "$(parameters.X)/server",
        "team-$(parameters.X)/server",
        "team/$(parameters.X)/server",
        "$(instance.name)",
        "$(instance.account_id)/server",
    ],
)
def test_a_bundle_s_image_is_not_chosen_as_a_whole_nor_by_its_owner(image: str) -> None:
    assert {fault.type for fault in template(image).violations} == {"closed_values"}


@pytest.mark.parametrize(
    "image",
    [
        "$(parameters.X)",
        "$(parameters.X):1",
        "$(parameters.X)/team/server:1",
        "ghcr.io$(parameters.X)/team/server:1",
        "ghcr.io:$(parameters.X)/team/server:1",
        "ghcr.io/$(parameters.X)",
        "ghcr.io/$(parameters.X)/server@sha256:" + "0" * 64,
        "localhost/$(parameters.X):1",
        "Registry/$(parameters.X):1",
        "$(parameters.X).example.com/team/server",
        "$(instance.name)/server:1",
    ],
)
def test_a_sidecar_s_registry_is_not_chosen(image: str) -> None:
    (violation,) = template(sidecar=image).violations

    assert violation.type == "closed_values"
    assert violation.loc[-2:] == (0, "image")


@pytest.mark.parametrize(
    "image", ["team/$(parameters.X)", "server-$(parameters.X)", "a/b/$(parameters.X)-gpu"]
)
def test_a_part_of_the_last_component_is_free(image: str) -> None:
    compiled = template(image)

    assert compiled.violations == ()
    assert images(compiled, "small") == [f"docker.io/{image.replace('$(parameters.X)', 'small')}:1"]


@pytest.mark.parametrize(
    "value", ["evil/x", "/x", "x/", "x:2", ":2", "x@sha256:" + "0" * 64, "evil.com:5000/x", ""]
)
def test_a_value_stays_within_its_part(value: str) -> None:
    where = ("spec", "model_creation_parameters", "X")

    assert images(template("team/$(parameters.X)"), value) == [where]
    assert images(template("team/server", tag="$(parameters.X)"), value) == [where]
    assert images(template(sidecar="ghcr.io/team/$(parameters.X)"), value) == [where]
    assert images(template(sidecar="ghcr.io/team/server:$(parameters.X)"), value) == [where]


def test_a_value_between_two_parts_moves_neither() -> None:
    """The whole would be a valid image in each case, only another one than the template means."""
    for image, value in (
        ("ghcr.io/team/a$(parameters.X)", "/b"),
        ("ghcr.io/team/a$(parameters.X)", ":2"),
        ("ghcr.io/team/a-$(parameters.X):1", "b/c"),
        ("team/a$(parameters.X)", "/b"),
    ):
        assert images(template(sidecar=image), value) == [("spec", "model_creation_parameters", "X")]


def test_an_account_stays_within_its_part_too() -> None:
    assert images(template("team/$(instance.account_id)"), "evil/x") == [("spec", "account_id")]
    assert images(template("team/$(instance.account_id)"), "acme") == ["docker.io/team/acme:1"]


@pytest.mark.parametrize("value", ["quay.io/team/server:2", "team/server"])
def test_what_the_template_lists_may_be_any_image(value: str) -> None:
    listed = {"enum": ["quay.io/team/server:2", "team/server"]}

    compiled = template(schema=listed, sidecar="$(parameters.X)")

    assert compiled.violations == ()
    instance = ModelInstance.model_validate(
        {
            "metadata": {"name": "one", "namespace": "ml"},
            "spec": {
                "model_template_id": "t",
                "model_creation_parameters": {"X": value, "Z": "team/server"},
            },
        }
    )
    (deployment,) = render(compiled, instance).deployments
    containers = deployment.deployment.manifest["spec"]["template"]["spec"]["containers"]
    assert containers[1]["image"] == value


def test_a_listed_path_has_its_slashes_in_a_bundle() -> None:
    compiled = template("$(parameters.X)", {"enum": ["team/server", "y"]})

    assert images(compiled, "team/server") == ["docker.io/team/server:1"]
