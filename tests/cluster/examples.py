"""The examples as a cluster runs them: their manifests, and their images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from hack.build.images import build_image
from tests.cluster.nodes.real import import_image
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.control_plane import ControlPlane


@dataclass(frozen=True)
class Example:
    """A folder of ``examples``.

    Attributes
    ----------
    folder
        Its name.
    """

    folder: str

    @property
    def path(self) -> Path:
        """The folder."""
        return REPOSITORY / "examples" / self.folder

    @property
    def manifests(self) -> str:
        """The folder of its manifests, from the repository's root."""
        return f"examples/{self.folder}/manifests"

    @property
    def image(self) -> str:
        """The image that its templates run, by its full name."""
        bundle = self.template(self.folder)["spec"]["vendor_configuration"]["bundle_config"]
        return f"{bundle['registry']}/{bundle['image']}:{bundle['tag']}"

    def template(self, name: str) -> dict[str, Any]:
        """Read one of its templates.

        Raises
        ------
        LookupError
            When it has no such template.
        """
        for path in sorted((self.path / "manifests").glob("*.yaml")):
            for obj in yaml.safe_load_all(path.read_text()):
                if obj["kind"] == "ModelTemplate" and obj["metadata"]["name"] == name:
                    found: dict[str, Any] = obj
                    return found
        raise LookupError(f"expected a ModelTemplate {name} in {self.manifests}, found none.")

    def ensure_image(self) -> Path:
        """Give the image's archive, building it from the example's Dockerfile first if the cache has none.

        Raises
        ------
        ToolsError
            When it cannot be built.
        """
        return build_image(self.path, self.image)

    def load_image(self, cluster: ControlPlane) -> None:
        """Have the real node of `cluster` know the image."""
        import_image(cluster.directory, self.ensure_image())
