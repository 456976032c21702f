"""The request body that creates a template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from model_operator.api import BundleConfig, EndpointConfig, EndpointProtocol, EndpointType
from model_operator.api.rules import Rule
from model_operator.api.values import UsableModelType
from model_operator.core.gateway.rest.entries import BODY, Entry
from model_operator.core.gateway.rest.object_names import object_name
from model_operator.core.gateway.rest.request_models import RequestModel
from model_operator.core.gateway.rest.request_reading import read_named

MAX_TEMPLATE_NAME: Final = 63
"""Maximum length of the name of a template's object."""
_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


class NewBundle(RequestModel, BundleConfig):
    """The platform's ModelBundleConfiguration, and the fields of ours, such as `digest` and `args`."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    tag: Annotated[str, Field(max_length=256)]
    """Tag of the image; it may be empty, or missing, beside a digest."""

    @model_validator(mode="before")
    @classmethod
    def _tag_beside_digest(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("digest") is not None and value.get("tag") is None:
            return {**value, "tag": ""}
        return value


class NewEndpoint(RequestModel, EndpointConfig):
    """The platform's CreateModelEndpointConfig, and the fields of ours, such as `scaling_metrics`.

    Its `endpoint_type` has no effect: that of the template decides.
    """


class NewVendorConfiguration(RequestModel):
    """The platform's LaunchVendorConfiguration."""

    vendor: Literal["LAUNCH"] = "LAUNCH"
    bundle_config: NewBundle
    endpoint_config: NewEndpoint = Field(default_factory=NewEndpoint)


class Parameter(RequestModel):
    """A parameter that a template declares."""

    name: str
    type: Literal["str", "int", "float", "bool"]
    description: str
    required: Annotated[bool, Field(strict=True)]


class ParameterList(RequestModel):
    """The platform's ParameterSchema."""

    parameters: list[Parameter]


class NewTemplate(RequestModel):
    """The platform's request to create a template."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    endpoint_type: EndpointType
    model_type: UsableModelType
    vendor_configuration: NewVendorConfiguration
    account_id: str
    model_creation_parameters_schema: ParameterList | None = None
    model_request_parameters_schema: ParameterList | None = None
    endpoint_protocol: EndpointProtocol | None = None

    @property
    def object_name(self) -> str:
        """Name of the ModelTemplate."""
        return _object_name(self.name) or ""

    def spec(self) -> dict[str, Any]:
        """Return ``spec``, with the defaults of the CRD where the request leaves something out.

        The API server would add them; here they are, so that a repeat is the same as what exists.
        """
        spec = self.sent()
        for key in ("name", "account_id"):
            spec.pop(key)
        bundle = spec["vendor_configuration"]["bundle_config"]
        if not bundle["tag"]:
            del bundle["tag"]
        configuration = spec["vendor_configuration"]
        configuration.setdefault("vendor", self.vendor_configuration.vendor)
        bundle.setdefault("predict_route", self.vendor_configuration.bundle_config.predict_route)
        endpoint = configuration.setdefault("endpoint_config", {})
        for key in ("min_workers", "per_worker"):
            endpoint.setdefault(key, getattr(self.vendor_configuration.endpoint_config, key))
        return spec


def read_new_template(body: bytes) -> NewTemplate:
    """Return the template that a request wants.

    Raises
    ------
    Failure
        INVALID, with all that is wrong with the body.
    """
    return read_named(body, NewTemplate, _object_name, _unsupported)


def _object_name(name: str) -> str | None:
    if len(name) <= MAX_TEMPLATE_NAME and re.fullmatch(_LABEL, name):
        return name
    return object_name(name, MAX_TEMPLATE_NAME, starts_with_letter=False)


def _unsupported(sent: Mapping[str, Any]) -> list[Entry]:
    given = sent.get("vendor_configuration")
    key = "fine_tuning_job_bundle_config"
    if not isinstance(given, Mapping) or given.get(key) is None:
        return []
    message = "fine-tuning is not available; leave it out, and give the weights as a parameter of the model"
    return [Entry((BODY, "vendor_configuration", key), message, "unsupported", given[key])]
