"""The three kinds of resource as typed models; the CRDs are generated from them."""

from __future__ import annotations

from model_operator.api.enums import (
    ConditionStatus,
    DeploymentState,
    EndpointProtocol,
    EndpointType,
    GpuType,
    IdentifierType,
    ImagePullPolicy,
    ModelType,
    ModelVendor,
    TemplateKind,
    UiModelSectionType,
)
from model_operator.api.instance import (
    BaseModelDetails,
    BaseModelMetadata,
    DeploymentVendorConfiguration,
    InstanceDeployment,
    ModelInstance,
    ModelInstanceSpec,
)
from model_operator.api.meta import (
    API_VERSION,
    GROUP,
    VERSION,
    ApiModel,
    Condition,
    ObjectMeta,
    OwnerReference,
    Resource,
)
from model_operator.api.pods import LocalObjectReference
from model_operator.api.status import (
    DeploymentStatusEntry,
    ModelInstanceStatus,
    ModelTemplateStatus,
    TemplateRef,
    ValidationErrorEntry,
)
from model_operator.api.template import (
    BundleConfig,
    ClusterModelTemplate,
    EndpointConfig,
    ModelTemplate,
    ModelTemplateSpec,
    TemplateVendorConfiguration,
)

__all__ = [
    "API_VERSION",
    "GROUP",
    "VERSION",
    "ApiModel",
    "BaseModelDetails",
    "BaseModelMetadata",
    "BundleConfig",
    "ClusterModelTemplate",
    "Condition",
    "ConditionStatus",
    "DeploymentState",
    "DeploymentStatusEntry",
    "DeploymentVendorConfiguration",
    "EndpointConfig",
    "EndpointProtocol",
    "EndpointType",
    "GpuType",
    "IdentifierType",
    "ImagePullPolicy",
    "InstanceDeployment",
    "LocalObjectReference",
    "ModelInstance",
    "ModelInstanceSpec",
    "ModelInstanceStatus",
    "ModelTemplate",
    "ModelTemplateSpec",
    "ModelTemplateStatus",
    "ModelType",
    "ModelVendor",
    "ObjectMeta",
    "OwnerReference",
    "Resource",
    "TemplateKind",
    "TemplateRef",
    "TemplateVendorConfiguration",
    "UiModelSectionType",
    "ValidationErrorEntry",
]
