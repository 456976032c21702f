"""The command ``revision``, and the revisions among the files of ``validate`` and ``render``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from model_operator.cli.main import app
from model_operator.core.templates.revisions.identity import revision_of

TEMPLATE = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
metadata: {name: encoder, labels: {team: a}, annotations: {b: c}, uid: u1}
spec:
  name: Encoder
  model_type: EMBEDDING
  endpoint_type: SYNC
  revision_history_limit: 3
  vendor_configuration:
    bundle_config: {registry: registry.test, image: encoder, tag: v1}
"""
EDITED = TEMPLATE.replace("tag: v1", "tag: v2")
HASH = revision_of(yaml.safe_load(TEMPLATE)).hash
INSTANCE = f"""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {{name: minilm}}
spec:
  model_template_id: encoder
  model_template_revision: "{HASH}"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MODEL_OPERATOR_")]:
        monkeypatch.delenv(name)


def run(*arguments: str, given: str | None = None) -> Result:
    result = CliRunner().invoke(app, arguments, input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def kept(template: str = TEMPLATE) -> str:
    return run("revision", "-", "-o", "yaml", given=template).stdout


def images(*texts: str) -> list[str]:
    result = run("render", "-f", "-", given="---\n".join(texts))
    assert result.exit_code == 0, result.stderr
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(result.stdout))
    return [
        obj["spec"]["template"]["spec"]["containers"][0]["image"]
        for obj in objects
        if obj["kind"] == "Deployment"
    ]


def test_hash_name_and_object() -> None:
    assert run("revision", "-", given=TEMPLATE).stdout == f"{HASH}\n"
    assert run("revision", "-", "-o", "name", given=TEMPLATE).stdout == f"encoder-{HASH}\n"
    assert yaml.safe_load(kept()) == {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplateRevision",
        "metadata": {"name": f"encoder-{HASH}", "labels": {"modeloperator.dev/template": "encoder"}},
        "spec": {
            "template": {"kind": "ModelTemplate", "name": "encoder"},
            "hash": HASH,
            "template_spec": {
                "model_type": "EMBEDDING",
                "vendor_configuration": {
                    "bundle_config": {"registry": "registry.test", "image": "encoder", "tag": "v1"}
                },
            },
        },
    }


STEPPED = f"""{TEMPLATE.rstrip()}
  rollout:
    approved: "{HASH}"
    steps:
      - {{name: canary, labels: {{tier: canary}}, needs_approval: true}}
"""


def test_how_edits_roll_out_is_no_part_of_a_revision() -> None:
    assert run("revision", "-", given=STEPPED).stdout == f"{HASH}\n"
    assert kept(STEPPED) == kept()
    assert images(STEPPED, INSTANCE) == images(TEMPLATE, INSTANCE)
    for command in ("explain", "schema"):
        assert run(command, "-", given=STEPPED).stdout == run(command, "-", given=TEMPLATE).stdout
    assert run("validate", "-", given=STEPPED).stdout == ""


def test_an_approval_of_another_revision_is_said() -> None:
    edited = STEPPED.replace("tag: v1", "tag: v2")
    result = run("validate", "-", given=edited)

    (own,) = run("revision", "-", given=edited).stdout.split()
    assert result.exit_code == 0
    assert "warning: spec.rollout.approved: is not the revision of this specification" in result.stdout
    assert f'to approve this one, set it to "{own}"' in result.stdout


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "tier: canary",
            "tier: a/b",
            "spec.rollout.steps[0].labels: each value must be empty or have at most 63",
        ),
        ("name: canary", "name: stable", "spec.rollout.steps[0].name: must be neither remaining nor stable"),
        (
            "needs_approval: true",
            "max_unavailable: 0",
            "spec.rollout.steps[0].max_unavailable: must be a number",
        ),
        (f'"{HASH}"', HASH[:6], "spec.rollout.approved: "),
        ("needs_approval", "need_approval", "unknown field; did you mean needs_approval?"),
    ],
)
def test_an_impossible_roll_out_is_an_error(before: str, after: str, said: str) -> None:
    assert before in STEPPED
    result = run("validate", "-", given=STEPPED.replace(before, after))
    assert result.exit_code == 1
    assert said in result.stdout


def test_the_namespace_is_that_of_the_file() -> None:
    here = TEMPLATE.replace("name: encoder,", "name: encoder, namespace: ml,")
    assert yaml.safe_load(kept(here))["metadata"]["namespace"] == "ml"
    cluster = here.replace("kind: ModelTemplate", "kind: ClusterModelTemplate")
    found = yaml.safe_load(kept(cluster))
    assert (found["kind"], "namespace" in found["metadata"]) == ("ClusterModelTemplateRevision", False)


def test_an_invalid_template_has_no_revision() -> None:
    result = run("revision", "-", given=TEMPLATE.replace("model_type: EMBEDDING", "model_type: NONE"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "spec.model_type" in result.stderr


def test_an_instance_is_rendered_from_the_revision_that_it_names() -> None:
    assert images(TEMPLATE, INSTANCE) == ["registry.test/encoder:v1"]
    assert images(EDITED, kept(), INSTANCE) == ["registry.test/encoder:v1"]
    follows = INSTANCE.replace(HASH, "latest")
    assert images(EDITED, kept(), follows) == ["registry.test/encoder:v2"]


def test_a_revision_that_is_not_among_the_files_is_said() -> None:
    given = f"{EDITED}---{INSTANCE}"
    checked = run("validate", "-", given=given)
    assert checked.exit_code == 0
    assert "no such revision is among the files; the instance was not checked against it" in checked.stdout
    rendered = run("render", "-f", "-", given=given)
    assert (rendered.exit_code, rendered.stdout) == (2, "")
    assert "rendering requires the revision, which is not among the files" in rendered.stderr


DEPLOYED = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {name: minilm}
spec:
  model_template_id: encoder
  deployments:
"""


def deployed(*pins: str) -> str:
    """Return an instance with a deployment for each revision; an empty one is none of its own."""
    entries = [
        f"  - {{name: d{number}{f', model_template_revision: {each!r}' if each else ''}}}"
        for number, each in enumerate(pins)
    ]
    return DEPLOYED + "\n".join(entries) + "\n"


def test_each_deployment_is_rendered_from_the_revision_that_it_names() -> None:
    """Without a status, `stable` is what the template in the files is, like `latest`."""
    tags = [image[-2:] for image in images(EDITED, kept(), deployed(HASH, "", "latest", "stable"))]
    assert tags == ["v1", "v2", "v2", "v2"]
    stable = EDITED.rstrip() + f"\nstatus: {{stable_revision: '{HASH}'}}\n"
    assert [image[-2:] for image in images(stable, kept(), deployed("", "stable"))] == ["v2", "v1"]
    # One whose revision is not among the files.
    assert [image[-2:] for image in images(stable, deployed("stable"))] == ["v2"]


def test_a_revision_of_a_deployment_that_is_not_among_the_files_is_said() -> None:
    given = f"{EDITED}---{deployed('', HASH)}"
    checked = run("validate", "-", given=given)
    assert checked.exit_code == 0
    said = "spec.deployments[1].model_template_revision: no such revision is among the files"
    assert said in checked.stdout
    rendered = run("render", "-f", "-", given=given)
    assert (rendered.exit_code, rendered.stdout) == (2, "")
    said = "spec.deployments[1].model_template_revision: rendering requires the revision, which is not among"
    assert said in rendered.stderr


def test_a_deployment_is_validated_against_the_revision_that_it_names() -> None:
    schema = "\n  model_creation_parameters_schema: {properties: {NEW: {type: string}}}\n"
    wrong = deployed("", HASH).replace("}", ", model_creation_parameters: {NEW: a}}")
    result = run("validate", "-", given=f"{EDITED.rstrip()}{schema}---\n{kept()}---{wrong}")
    assert result.exit_code == 1
    assert "spec.deployments[1].model_creation_parameters.NEW: " in result.stdout
    assert f"(revision {HASH} of the template)" in result.stdout
    assert "deployments[0]" not in result.stdout


def test_a_revision_from_the_command_is_valid() -> None:
    result = run("validate", "-", given=f"{EDITED}---\n{kept()}---{INSTANCE}")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("tag: v1", "tag: v7", "spec.hash: is not the hash of template_spec; make the object with"),
        ("image: encoder", "image: Encoder", "spec.template_spec.vendor_configuration.bundle_config.image: "),
        ("name: encoder-", "name: other-", "metadata.name: the name of a revision must be the name of its"),
        ("  template_spec:", "  template_sepc:", "unknown field; did you mean template_spec?"),
    ],
)
def test_a_forged_revision_is_an_error(before: str, after: str, said: str) -> None:
    result = run("validate", "-", given=kept().replace(before, after))
    assert result.exit_code == 1
    assert said in result.stdout
