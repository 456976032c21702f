"""The templates of the catalogue are valid, and render for their examples what upstream documents.

``UPDATE_GOLDEN=1 pytest tests/unit/catalogue`` writes the rendered pods anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from model_operator.api.enums import EndpointProtocol
from model_operator.cli.main import app
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from tests.cluster.processes import REPOSITORY

HERE = Path(__file__).parent
FOLDER = REPOSITORY / "manifests" / "catalogue"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
NAMES = [path.stem for path in FILES]
PODS = HERE / "pods.yaml"
DOCUMENT = REPOSITORY / "docs" / "catalogue.md"
WEIGHTS = "catalogue.modeloperator.dev/weights"
# What an argument must never become by a parameter: another option, another file, several arguments.
HOSTILE = ("--port=1", "-p", "", "a b", "../a", "a/../b", "$(HF_TOKEN)", "a;b", "a\nb")
FORBIDDEN_OPTIONS = (
    "--port=1",
    "--host=::",
    "--api-key=secret",
    "--trust-remote-code",
    "--trust_remote_code",
    "--model=other/model",
    "--load-format=dummy",
    "model",
    "--max-num-seqs=1 --trust-remote-code",
    "",
)


def objects(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the template and the example of an instance of a file."""
    template, instance = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return template, instance


def violations(name: str, **parameters: Any) -> list[str]:
    """Give the paths that are wrong when the example has other parameters."""
    template, instance = objects(name)
    instance["spec"]["model_creation_parameters"] |= parameters
    parsed, found = parse_instance(instance)
    rendered = found or render(parse_template(template), parsed).violations
    return [".".join(map(str, violation.loc)) for violation in rendered]


def deployment(name: str) -> dict[str, Any]:
    """Give the Deployment of the example."""
    template, instance = objects(name)
    rendering = render(parse_template(template), parse_instance(instance)[0])
    assert rendering.violations == ()
    return rendering.deployments[0].deployment.manifest


def container(name: str) -> dict[str, Any]:
    (found,) = deployment(name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def properties(name: str) -> dict[str, dict[str, Any]]:
    schema = objects(name)[0]["spec"]["model_creation_parameters_schema"]
    return dict(schema["properties"])


def in_arguments(name: str) -> set[str]:
    """Give the parameters that an argument, a command, a probe or an image's tag contains."""
    spec = objects(name)[0]["spec"]
    bundle = spec["vendor_configuration"]["bundle_config"]
    (model,) = spec["pod_template"]["spec"]["containers"]
    places = [bundle.get("args"), bundle.get("command"), bundle["tag"], bundle.get("env")]
    return set(re.findall(r"\$\(parameters\.(\w+)", str([*places, model.get("startupProbe")])))


def test_the_kustomization_has_all_files() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]

    assert listed == [path.name for path in FILES]


def test_all_are_valid_without_warnings() -> None:
    done = CliRunner().invoke(app, ["validate", "--strict", *map(str, FILES)])

    assert done.exit_code == 0, done.output
    assert f"{2 * len(FILES)} objects in {len(FILES)} files: 0 errors, 0 warnings" in done.output


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_a_template_and_an_example(name: str) -> None:
    template, instance = objects(name)

    assert (template["kind"], template["metadata"]["name"]) == ("ClusterModelTemplate", name)
    assert instance["kind"] == "ModelInstance"
    assert instance["spec"]["model_template_id"] == name
    assert instance["spec"]["model_template_kind"] == "ClusterModelTemplate"
    assert (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").count("https://") >= 2, "cites upstream"


def test_pods_are_as_recorded() -> None:
    found = {
        name: {
            "strategy": deployment(name)["spec"]["strategy"],
            "volumes": deployment(name)["spec"]["template"]["spec"]["volumes"],
            "container": {key: value for key, value in container(name).items() if key != "lifecycle"},
        }
        for name in NAMES
    }
    if os.environ.get("UPDATE_GOLDEN"):
        PODS.write_text(yaml.safe_dump(found, width=120), encoding="utf-8")
    assert found == yaml.safe_load(PODS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_no_shell_and_no_moving_tag(name: str) -> None:
    found = container(name)
    probe = found["startupProbe"].get("exec", {}).get("command", [])
    words = [*found.get("command", []), *found.get("args", []), *probe]

    assert not {"sh", "bash", "-c"} & {word.rsplit("/", 1)[-1] for word in words}
    assert re.search(r":[^/:]*\d[^/:]*$", found["image"]), "a tag with a version"
    assert "latest" not in found["image"]


@pytest.mark.parametrize("name", NAMES)
def test_server_service_and_probes_agree_on_the_port(name: str) -> None:
    found = container(name)
    ((port, port_name),) = ((each["containerPort"], each["name"]) for each in found["ports"])
    arguments = " ".join(found.get("args", []))
    told = re.findall(r"--(?:http-)?port[= ](\d+)", arguments)
    told += [
        env["value"].rsplit(":", 1)[-1]
        for env in found.get("env", ())
        if re.fullmatch(r"PORT|OLLAMA_HOST|\w+_(HTTP_)?PORT", env["name"]) and "GRPC" not in env["name"]
    ]

    # TorchServe takes it from the file of the image.
    assert told == ([] if name == "torchserve" else [str(port)])
    for probe in (found["startupProbe"], found["readinessProbe"]):
        if "httpGet" in probe:
            assert probe["httpGet"]["port"] in (port, port_name)
    assert "httpGet" in found["readinessProbe"]


@pytest.mark.parametrize("name", NAMES)
def test_the_startup_probe_gives_the_time_of_the_template(name: str) -> None:
    seconds = objects(name)[0]["spec"]["vendor_configuration"]["endpoint_config"]["startup_timeout_seconds"]
    probe = container(name)["startupProbe"]

    assert probe["failureThreshold"] * probe["periodSeconds"] == seconds
    assert probe["timeoutSeconds"] <= seconds
    assert deployment(name)["spec"]["progressDeadlineSeconds"] == seconds


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("vllm")])
def test_vllm_ends_running_requests_before_the_pod_is_killed(name: str) -> None:
    (argument,) = (each for each in container(name)["args"] if each.startswith("--shutdown-timeout="))
    slept = container(name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    killed = deployment(name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    tearing_down = 5  # measured on a CPU

    assert 0 < int(argument.partition("=")[2]) <= killed - slept - tearing_down


@pytest.mark.parametrize("name", NAMES)
def test_cpus_and_memory_are_parameters(name: str) -> None:
    resources = objects(name)[0]["spec"]["vendor_configuration"]["endpoint_config"]

    assert resources["cpus"] == "$(parameters.cpus)"
    assert resources["memory"] == "$(parameters.memory)"


@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_is_not_needed_twice_in_a_roll_out(name: str) -> None:
    spec = objects(name)[0]["spec"]
    has_gpus = "gpus" in properties(name)

    assert ("gpus)" in yaml.safe_dump(spec)) == has_gpus
    if has_gpus:
        assert spec["strategy"]["rollingUpdate"]["maxSurge"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_in_the_volume_that_components_replace(name: str) -> None:
    template, _ = objects(name)
    pod = template["spec"]["pod_template"]["spec"]
    first, *_ = pod["volumes"]

    if template["metadata"]["labels"][WEIGHTS] == "claim":
        assert first["persistentVolumeClaim"] == {"claimName": "$(parameters.claim)", "readOnly": True}
    else:
        assert first == {"name": "cache", "emptyDir": {}}
    assert pod["containers"][0]["volumeMounts"][0]["name"] == first["name"]
    assert "env" not in pod["containers"][0], "components/hugging-face-token would replace it"
    assert ("HF_TOKEN" in properties(name)) == (template["metadata"]["labels"][WEIGHTS] == "hugging-face")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", HOSTILE)
def test_no_text_reads_as_an_option_or_leaves_its_place(name: str, value: str) -> None:
    texts = {each for each in in_arguments(name) if properties(name)[each].get("type") == "string"}
    assert texts
    for parameter in texts:
        assert violations(name, **{parameter: value}), parameter


@pytest.mark.parametrize("name", [name for name in NAMES if "extra_args" in properties(name)])
@pytest.mark.parametrize("value", FORBIDDEN_OPTIONS)
def test_only_listed_options_are_taken(name: str, value: str) -> None:
    assert violations(name, extra_args=[value])


@pytest.mark.parametrize("name", [name for name in NAMES if "extra_args" in properties(name)])
def test_each_option_is_an_argument_of_its_own(name: str) -> None:
    items = properties(name)["extra_args"]["items"]
    switches = items["enum"] if "enum" in items else items["anyOf"][0]["enum"]
    template, instance = objects(name)
    instance["spec"]["model_creation_parameters"]["extra_args"] = switches

    rendering = render(parse_template(template), parse_instance(instance)[0])

    manifest = rendering.deployments[0].deployment.manifest
    assert manifest["spec"]["template"]["spec"]["containers"][0]["args"][-len(switches) :] == switches


def rows() -> dict[str, list[str]]:
    """Give the rows of the document's table, by the name of the template."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| [`")
    ]
    return {re.match(r"\[`([\w-]+)`\]", first).group(1): rest for first, *rest in cells}  # type: ignore[union-attr]


def test_the_table_of_the_document() -> None:
    found = rows()

    assert list(found) == NAMES
    for name, (_, gateway, weights, rendered, accepted, run) in found.items():
        template, _ = objects(name)
        stated = template["spec"].get("endpoint_protocol")
        assert gateway == (f"`{EndpointProtocol(stated).value}`" if stated else "no API"), name
        assert weights == template["metadata"]["labels"][WEIGHTS].replace("-", " "), name
        assert (rendered, accepted) == ("tested", "tested")
        path = re.search(r"`(tests/[\w/]+\.py)`", run)
        assert run == "not run" or (path and (REPOSITORY / path[1]).is_file()), name
