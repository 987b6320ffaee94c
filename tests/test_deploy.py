"""Manifests and documented commands: of the shape that their readers expect."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import ray
import typer
import yaml

from hrfevo.cli import app
from tests.conftest import ROOT

CLUSTER, JOB = ROOT / "deploy" / "cluster.yaml", ROOT / "deploy" / "rayjob.yaml"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "deploy").iterdir())]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_the_cluster_is_one_that_ray_launches() -> None:
    config = yaml.safe_load(CLUSTER.read_text())
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)
    assert config["head_node_type"] in config["available_node_types"]


def test_the_job_runs_the_ray_of_the_image() -> None:
    claim, job = yaml.safe_load_all(JOB.read_text())
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (volume,) = head["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert head["containers"][0]["volumeMounts"] == [{"name": volume["name"], "mountPath": "/runs"}]
    check(job["spec"]["entrypoint"])


def test_kubernetes_knows_every_field_of_the_manifests() -> None:
    """By the schemas of two versions; those of KubeRay's own fields come with no package."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="CI installs it: it is large")
    claim, job = yaml.safe_load_all(JOB.read_text())
    cluster = job["spec"]["rayClusterSpec"]
    pods = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    for version in ("1.31", "1.34"):
        kubernetes_validate.validate(claim, version, strict=True)
        for spec in pods:
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
            kubernetes_validate.validate(pod, version, strict=True)


def test_pods_may_write_to_their_volumes_and_know_the_secrets_that_the_top_of_the_file_makes() -> None:
    text = JOB.read_text()
    _, job = yaml.safe_load_all(text)
    made = dict(re.findall(r"create secret generic (\S+) (.*)", text))
    user = re.search(r"--uid (\d+)", (ROOT / "deploy" / "Dockerfile").read_text())
    cluster = job["spec"]["rayClusterSpec"]
    used = set()
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        spec = group["template"]["spec"]
        assert user
        assert spec["securityContext"] == {"runAsUser": int(user[1]), "fsGroup": int(user[1])}
        (container,) = spec["containers"]
        secrets = {source["secretRef"]["name"] for source in container["envFrom"]}
        assert "hrfevo-storage" in secrets, "trainings are kept by workers, and removed by the search"
        used |= secrets
    assert used == set(made)
    assert "PGPASSWORD=" in made["hrfevo-database"]


def test_the_image_copies_what_there_is() -> None:
    for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_commands_and_options_exist(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"(?<![\w./-])hrfevo [a-z]+[^`\"\n|#]*", text):
        check(line)


def check(line: str) -> None:
    """Every option of a documented command line is one of the command's."""
    words = shlex.split(line.replace("'", " ").replace("…", " "))
    command = COMMANDS.get(words[1])
    if command is None:
        return  # a sentence, not a command
    if hasattr(command, "commands"):
        if len(words) == 2:
            return  # several commands, named as one
        command = command.commands[words[2]]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help"}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= options, f"{line}: {given - options}"
