"""Manifests and documented commands: of the shape that their readers expect."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import typer
import yaml

import hrfevo.cli
import signal_model.cli
from hrfevo.store.run_folder import RunFolder
from tests.conftest import ROOT, command, only_run
from tests.tools.services import free_port

CLUSTER, JOB = ROOT / "deploy" / "cluster.yaml", ROOT / "deploy" / "rayjob.yaml"
WRITTEN = ("*.md", "docs/**/*.md", "examples/**/*.md", "deploy/*")
PAGES = sorted(page for pattern in WRITTEN for page in ROOT.glob(pattern))
COMMANDS: dict[str, Any] = {
    name: typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, app in (("hrfevo", hrfevo.cli.app), ("signal-model", signal_model.cli.app))
}


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


BUCKET = "kept-here"
ALLOWED = {"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}


@contextmanager
def s3_server(log: Path) -> Iterator[tuple[dict[str, str], Any]]:
    """A stand-in for S3 that lets a user in to `BUCKET` alone, by keys: their variables, and a client that has them."""
    import botocore.session

    port, setting_up = free_port(), 4
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(setting_up)}
    url, asked = f"http://127.0.0.1:{port}", [sys.executable, "-m", "moto.server", "-p", str(port)]

    def client(service: str, key: str = "any", secret: str = "any") -> Any:
        keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
        return botocore.session.Session().create_client(service, "us-east-1", endpoint_url=url, **keys)

    with log.open("w") as file, subprocess.Popen(asked, stderr=file, env=environment) as server:
        try:
            while server.poll() is None:
                with suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.05)
            client("s3").create_bucket(Bucket=BUCKET)
            users, policy = client("iam"), json.dumps({"Version": "2012-10-17", "Statement": [ALLOWED]})
            users.create_user(UserName="pod")
            users.put_user_policy(UserName="pod", PolicyName="kept", PolicyDocument=policy)
            made = users.create_access_key(UserName="pod")["AccessKey"]
            key, secret = made["AccessKeyId"], made["SecretAccessKey"]
            named = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": url}
            yield named, client("s3", key, secret)
        finally:
            server.kill()


def test_a_search_keeps_its_trainings_by_the_keys_that_pods_have(tiny_space: Path, tmp_path: Path) -> None:
    """They stand in the environment, by the names at the top of the manifest, and nowhere else."""
    for package in ("moto.server", "s3fs"):
        pytest.importorskip(package, reason="CI installs it: it is large")
    text = JOB.read_text()
    with s3_server(tmp_path / "log") as (named, client):
        assert {*re.findall(r"AWS_[A-Z_]+", text)} == {*named}
        options = ["--backend", "inline", "--set", "rungs=[3, 6]", "--evaluations", 10, "--out"]
        place = ["--storage", f"s3://{BUCKET}/hrfevo"]
        environment = {**named, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = command("hrfevo", "run", tiny_space, *options, tmp_path / "runs", *place, environment=environment)
        assert done.returncode == 0, done.stderr
        run = RunFolder.open(only_run(tmp_path / "runs"))
        found = [one["Key"].split("/") for one in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
        assert {tuple(key[:2]) for key in found} == {("hrfevo", run.id)}
        evaluations = run.evaluations()
        assert {key[2] for key in found} <= {one.genome for one in evaluations}
        assert any(one.rung == 1 for one in evaluations)
        assert not [one.detail for one in evaluations if "not kept" in one.detail]
        refused = command(
            "hrfevo", "run", tiny_space, *options, tmp_path / "none", *place,
            environment=environment | {"AWS_SECRET_ACCESS_KEY": "of-another"},
        )  # fmt: skip
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: --storage s3://{BUCKET}/hrfevo: ")
        assert refused.stderr.count("\n") == 1
        assert "of-another" not in refused.stderr
        assert not (tmp_path / "none").exists()


def test_the_image_copies_what_there_is() -> None:
    for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_documented_commands_and_options_exist(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"(?<![\w./-])(?:hrfevo|signal-model) [a-z]+[^`\"\n|#&;]*", text):
        check(line)
    quoted = re.findall(r"`(hrfevo|signal-model) ([a-z]+)", text)
    for block in re.findall(r"```(?:sh|text)\n(.*?)```", text, re.DOTALL):
        quoted += re.findall(r"^(?:\$ )?(hrfevo|signal-model) ([a-z]+)", block, re.MULTILINE)
    assert [f"{program} {word}" for program, word in quoted if word not in COMMANDS[program]] == []


def check(line: str) -> None:
    """Every option of a documented command line is one of the command's."""
    words = shlex.split(line.replace("'", " ").replace("…", " "))
    command = COMMANDS[words[0]].get(words[1])
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
