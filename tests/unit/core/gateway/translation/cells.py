"""The table of cells, and what the tests of translations share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model_operator.api.enums import EndpointProtocol, ModelApi, ModelType
from model_operator.core.gateway.apis import ROUTES, Route, Treatment, treatment
from model_operator.core.gateway.models import Deployment
from model_operator.core.gateway.translation import Stamp, Translation, translation
from model_operator.core.templates.model_apis import apis_of

BODIES = yaml.safe_load((Path(__file__).parent / "bodies.yaml").read_text(encoding="utf-8"))
STAMP = Stamp("0123456789abcdef", 1_700_000_000)
ROUTES_BY_NAME = {route.name: route for route in ROUTES}


@dataclass(frozen=True)
class Cell:
    """A route of clients, and a kind of model."""

    route: Route
    model_type: ModelType
    protocol: EndpointProtocol

    def __str__(self) -> str:
        return f"{self.route.name} {self.model_type} {self.protocol}"

    @property
    def is_translated(self) -> bool:
        has_api = self.route.api in apis_of(self.model_type, self.protocol)
        has_type = self.route.types is None or self.model_type in self.route.types
        treated = treatment(self.route, self.model_type, self.protocol)
        return has_api and has_type and treated is Treatment.TRANSLATE

    @property
    def client(self) -> dict[str, Any]:
        """Body of the client, and what makes it a stream."""
        found: dict[str, Any] = BODIES["clients"][self.route.name]
        return dict(found if "body" in found else found[self.model_type])

    @property
    def request(self) -> bytes:
        return json.dumps(self.client["body"]).encode()

    @property
    def stream_request(self) -> bytes | None:
        changes = self.client.get("stream")
        return json.dumps({**self.client["body"], **changes}).encode() if changes else None

    @property
    def server(self) -> dict[str, Any]:
        """The server's answer and stream, for as many prompts as the client has."""
        has_one_prompt = self.route.name == "platform-completions"
        servers = BODIES["servers"]["ONE_COMPLETION" if has_one_prompt else self.model_type]
        found = servers["OPENAI" if self.protocol is EndpointProtocol.VLLM else self.protocol]
        return dict(found)

    def translation(self, served_name: str | None = "served") -> Translation:
        return translation(self.route, self.deployment(served_name), "team-a/m", STAMP)

    def deployment(self, served_name: str | None = "served") -> Deployment:
        return Deployment(
            namespace="team-a",
            instance="m",
            instance_uid="4c2f2a38-2b0c-4f9b-9d8e-0e9d4a1a0b01",
            name="m",
            entry="",
            model_type=self.model_type,
            protocol=self.protocol,
            served_name=served_name,
            predict_route="/predict",
            streaming_predict_route="/predict_streaming",
            apis=apis_of(self.model_type, self.protocol),
        )


ALL = [Cell(route, kind, protocol) for route in ROUTES for kind in ModelType for protocol in EndpointProtocol]
TRANSLATED = [cell for cell in ALL if cell.is_translated]


def cell(route: str, model_type: str, protocol: str) -> Cell:
    return Cell(ROUTES_BY_NAME[route], ModelType(model_type), EndpointProtocol(protocol))


__all__ = ["ALL", "STAMP", "TRANSLATED", "Cell", "ModelApi", "cell"]
