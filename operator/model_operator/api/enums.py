"""The enumerations of the API, spelled as the platform spells them."""

from __future__ import annotations

from enum import StrEnum


class ModelType(StrEnum):
    """What a model does; determines the schemas of its requests and responses."""

    COMPLETION = "COMPLETION"
    CHAT_COMPLETION = "CHAT_COMPLETION"
    AGENT = "AGENT"
    EMBEDDING = "EMBEDDING"
    RERANKING = "RERANKING"
    GENERIC = "GENERIC"
    BUNDLE = "BUNDLE"
    """A value of the platform that every resource rejects."""


class ModelVendor(StrEnum):
    """Who hosts a model."""

    OPENAI = "OPENAI"
    COHERE = "COHERE"
    GOOGLE = "GOOGLE"
    VERTEX_AI = "VERTEX_AI"
    ANTHROPIC = "ANTHROPIC"
    LAUNCH = "LAUNCH"
    LLMENGINE = "LLMENGINE"
    BEDROCK = "BEDROCK"
    FIREWORKS_AI = "FIREWORKS_AI"
    OTHER = "OTHER"

    @property
    def is_external(self) -> bool:
        """Whether an external vendor hosts the model, so that it needs no template."""
        return self not in (ModelVendor.LAUNCH, ModelVendor.LLMENGINE)


class EndpointType(StrEnum):
    """How a model receives work: requests over HTTP, or jobs that it pulls."""

    SYNC = "SYNC"
    STREAMING = "STREAMING"
    ASYNC = "ASYNC"
    BATCH = "BATCH"

    @property
    def serves_http(self) -> bool:
        """Whether the model serves HTTP, and therefore has a Service and a URL."""
        return self in (EndpointType.SYNC, EndpointType.STREAMING)


class EndpointProtocol(StrEnum):
    """The calling convention of the model server."""

    SGP = "SGP"
    """The platform's own execution contract, at `predict_route`."""
    COHERE = "COHERE"
    """Cohere's API: /v2/embed, /v1/rerank and /v2/rerank."""
    VLLM = "VLLM"
    """OpenAI's API; the name that the platform uses for it."""
    OPENAI = "OPENAI"
    """OpenAI's API: /v1/chat/completions, /v1/completions and /v1/embeddings."""
    TEI = "TEI"
    """The API of Text Embeddings Inference: /embed and /rerank."""


class ModelApi(StrEnum):
    """An API under which the gateway registers a deployment of a model."""

    EXECUTE = "EXECUTE"
    """The platform's Execute Model API."""
    TYPED = "TYPED"
    """The platform's API for the type of the model, such as embeddings."""
    CHAT_COMPLETIONS = "CHAT_COMPLETIONS"
    """OpenAI's /v1/chat/completions."""
    COMPLETIONS = "COMPLETIONS"
    """OpenAI's /v1/completions."""
    EMBEDDINGS = "EMBEDDINGS"
    """OpenAI's /v1/embeddings."""
    EMBED = "EMBED"
    """Cohere's /v2/embed."""
    RERANK = "RERANK"
    """Cohere's and Jina's /v1/rerank, and Cohere's /v2/rerank."""


class GpuType(StrEnum):
    """The accelerator types that the platform names; `gpu_type` also takes others."""

    NVIDIA_TESLA_T4 = "nvidia-tesla-t4"
    NVIDIA_AMPERE_A10 = "nvidia-ampere-a10"
    NVIDIA_AMPERE_A100 = "nvidia-ampere-a100"
    NVIDIA_AMPERE_A100E = "nvidia-ampere-a100e"
    NVIDIA_HOPPER_H100 = "nvidia-hopper-h100"
    NVIDIA_HOPPER_H100_1G20GB = "nvidia-hopper-h100-1g20gb"
    NVIDIA_HOPPER_H100_3G40GB = "nvidia-hopper-h100-3g40gb"


class Autoscaler(StrEnum):
    """Who sets the number of workers between the bounds."""

    HPA = "HPA"
    """The HorizontalPodAutoscaler that the operator creates."""
    EXTERNAL = "EXTERNAL"
    """Another autoscaler, such as KEDA; the operator never sets the number."""


class MetricType(StrEnum):
    """Where a metric of the autoscaler comes from."""

    CPU = "CPU"
    PODS = "PODS"
    EXTERNAL = "EXTERNAL"


class IdentifierType(StrEnum):
    """The type of identity that created an object."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"


class UiModelSectionType(StrEnum):
    """The section of the catalogue that lists a base model."""

    PARTNER = "PARTNER"
    OPENSOURCE = "OPENSOURCE"
    CUSTOM = "CUSTOM"


class DeploymentState(StrEnum):
    """The state of one deployment of a model."""

    READY = "READY"
    UPDATE_PENDING = "UPDATE_PENDING"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"


class RolloutState(StrEnum):
    """The state of the roll-out of an edited template over its instances."""

    COMPLETE = "COMPLETE"
    ROLLING_OUT = "ROLLING_OUT"
    SOAKING = "SOAKING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PAUSED = "PAUSED"
    HALTED = "HALTED"


class TemplateKind(StrEnum):
    """The two kinds of template."""

    MODEL_TEMPLATE = "ModelTemplate"
    CLUSTER_MODEL_TEMPLATE = "ClusterModelTemplate"


class NamespacesFrom(StrEnum):
    """With which namespaces a template is shared."""

    SAME = "Same"
    """Its own namespace."""
    ALL = "All"
    """Every namespace."""
    SELECTED = "Selected"
    """Those that names or labels select."""


class SelectorOperator(StrEnum):
    """The operators of a requirement on a label; the values are Kubernetes' own."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"

    @property
    def takes_values(self) -> bool:
        """Whether the operator compares the label with values."""
        return self in (SelectorOperator.IN, SelectorOperator.NOT_IN)


class ImagePullPolicy(StrEnum):
    """When the node pulls a container image; the values are Kubernetes' own."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ServiceType(StrEnum):
    """The types of Service that lead to pods; the values are Kubernetes' own."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class SessionAffinity(StrEnum):
    """How a Service assigns clients to pods; the values are Kubernetes' own."""

    NONE = "None"
    CLIENT_IP = "ClientIP"


class ServiceScheme(StrEnum):
    """The scheme of a model's URL."""

    HTTP = "http"
    HTTPS = "https"
    GRPC = "grpc"


class ConditionStatus(StrEnum):
    """Whether a condition holds; the values are Kubernetes' own."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Actor(StrEnum):
    """Who must act on a problem."""

    USER = "user"
    TEMPLATE_OWNER = "template owner"
    CLUSTER = "cluster administrator"
    OPERATOR = "operator administrator"
