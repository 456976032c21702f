"""Request bodies about the deployments of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StrictBool, ValidationError

from model_operator.api import DeploymentVendorConfiguration
from model_operator.api.revision import RevisionPin
from model_operator.core.gateway.failures import invalid
from model_operator.core.gateway.rest.entries import BODY, Entry
from model_operator.core.gateway.rest.object_names import object_name
from model_operator.core.gateway.rest.request_models import RequestModel
from model_operator.core.gateway.rest.request_reading import entries_of, read_named, read_object

MAX_ENTRY_NAME: Final = 22
"""Maximum length of the name of an entry of ``spec.deployments``."""

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_ENGINE: Final = "LLMENGINE"
_ENGINE_FIELDS: Final = (
    "cpus",
    "memory",
    "storage",
    "gpus",
    "gpu_type",
    "high_priority",
    "num_shards",
    "checkpoint_path",
    "model_name",
    "base_model_name",
    "inference_framework_image_tag",
)
"""Fields of the platform's other vendor; here the template sets what they would."""


class Workers(RequestModel, DeploymentVendorConfiguration):
    """The platform's LaunchDeploymentVendorConfiguration, and `autoscaler`, which is ours."""

    vendor: Literal["LAUNCH", "LLMENGINE"] = "LAUNCH"
    """Vendor that runs the deployment."""

    def overrides(self) -> dict[str, Any]:
        """Return what overrides the worker settings of model and template, as in ``spec``."""
        return {key: value for key, value in self.sent().items() if key != "vendor"}


class NewDeployment(RequestModel):
    """The platform's request to create a deployment, and two fields of ours.

    These are `traffic_weight` and `model_template_revision`.
    """

    name: Annotated[str, Field(min_length=1)]
    """Name of the deployment; its entry in ``spec.deployments`` has a form of it."""
    account_id: str | None = None
    """Account of the model; another one is refused."""
    model_creation_parameters: dict[str, Any] | None = None
    """Parameters of this deployment; each key overrides that of the model."""
    vendor_configuration: Workers | None = None
    """Worker settings."""
    deployment_metadata: dict[str, Any] | None = None
    """Free-form metadata."""
    traffic_weight: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    """Share of the requests that name the model alone."""
    model_template_revision: RevisionPin | None = None
    """Revision of the template for this deployment: latest, stable or a hash. Default: the model's."""
    wait_for_ready: StrictBool = False
    """Whether to answer once the deployment is READY. Without it the answer is immediate: clients give up
    after a minute, and send the request again."""

    @property
    def entry_name(self) -> str:
        """Name of the entry in ``spec.deployments``."""
        return entry_name(self.name) or ""

    def entry(self) -> dict[str, Any]:
        """Return the entry of ``spec.deployments``."""
        entry: dict[str, Any] = {"name": self.entry_name}
        if self.model_creation_parameters is not None:
            entry["model_creation_parameters"] = self.model_creation_parameters
        if self.vendor_configuration is not None and (workers := self.vendor_configuration.overrides()):
            entry["vendor_configuration"] = workers
        if self.deployment_metadata is not None:
            entry["deployment_metadata"] = self.deployment_metadata
        if self.traffic_weight is not None:
            entry["traffic_weight"] = self.traffic_weight
        if self.model_template_revision is not None:
            entry["model_template_revision"] = self.model_template_revision
        return entry


class _Patch(RequestModel):
    """The fields of a deployment that may change; a null here is a value."""

    keeps_nulls: ClassVar[bool] = True

    name: str = ""
    model_creation_parameters: dict[str, Any] | None = None
    vendor_configuration: Workers | None = None
    deployment_metadata: dict[str, Any] | None = None
    traffic_weight: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    model_template_revision: RevisionPin | None = None
    wait_for_ready: StrictBool | None = None


def entry_name(name: str) -> str | None:
    """Return the name of the entry of ``spec.deployments`` for a name of a deployment; None if none is.

    Parameters
    ----------
    name
        Any text, such as ``Blue (GPU)``.
    """
    if len(name) <= MAX_ENTRY_NAME and re.fullmatch(_LABEL, name):
        return name
    return object_name(name, MAX_ENTRY_NAME, starts_with_letter=False)


def read_new_deployment(body: bytes) -> NewDeployment:
    """Return the deployment that a request wants.

    Raises
    ------
    Failure
        INVALID, with all that is wrong with the body.
    """
    return read_named(body, NewDeployment, entry_name, _unsupported)


def read_deployment_patch(body: bytes) -> dict[str, Any]:
    """Return the fields that a request sets; None removes one.

    Returns
    -------
    dict
        The keys that were sent, of ``name``, ``model_creation_parameters``, ``vendor_configuration`` (what it
        has in ``spec``), ``deployment_metadata``, ``traffic_weight``, ``model_template_revision`` and
        ``wait_for_ready``.

    Raises
    ------
    Failure
        INVALID, with all that is wrong with the body.
    """
    sent = read_object(body)
    entries = _unsupported(sent)
    try:
        patch = _Patch.model_validate(sent)
    except ValidationError as error:
        raise invalid(*entries_of(error), *entries) from None
    if entries:
        raise invalid(*entries)
    fields = patch.sent()
    if patch.vendor_configuration is not None:
        fields["vendor_configuration"] = patch.vendor_configuration.overrides()
    return fields


def _unsupported(sent: Mapping[str, Any]) -> list[Entry]:
    """Return what a body wants of the vendor that this cluster does not have."""
    given = sent.get("vendor_configuration")
    if not isinstance(given, Mapping):
        return []
    loc = (BODY, "vendor_configuration")
    found = []
    if given.get("vendor") == _ENGINE:
        message = f"{_ENGINE} is not available; use LAUNCH, which runs the model's template in this cluster"
        found.append(Entry((*loc, "vendor"), message, "unsupported", _ENGINE))
    message = "cannot be set for a deployment; the template of the model sets it, or a parameter of it"
    found += [
        Entry((*loc, key), message, "unsupported", given[key])
        for key in _ENGINE_FIELDS
        if given.get(key) is not None
    ]
    return found
