"""`deploy/slurm.sh` within a stand-in for Slurm: its commands are here, its nodes are all this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hrfevo.store.run_folder import RunFolder
from tests.conftest import ROOT
from tests.test_deploy import check

SCRIPT = ROOT / "deploy" / "slurm.sh"
SRUN = """#!/usr/bin/env bash
echo "srun $*" >> "$CALLS"
while [[ $1 == --* ]]; do
    [[ $1 == --ntasks=* ]] && tasks=${1#*=}
    shift
done
trap 'kill $(jobs -p)' TERM
for ((task = 0; task < tasks; task++)); do "$@" & done
wait
wait
"""
SCONTROL = r"""#!/usr/bin/env bash
[[ "$1 $2 $3" =~ ^show\ hostnames\ node\[1-([23])\]$ ]] && seq -f node%g "${BASH_REMATCH[1]}"
"""
# A head that listens, as Ray's does, and a search that ends as it is told.
RAY = """#!/usr/bin/env python3
import os, socket, sys, time
said = (os.environ["RAY_AUTH_MODE"], len(os.environ["RAY_AUTH_TOKEN"]))
print("ray", *sys.argv[1:], *said, file=open(os.environ["CALLS"], "a"))
given = dict(word.split("=", 1) for word in sys.argv if "=" in word)
if "--head" in sys.argv:
    if "RAY_FAILS" in os.environ:
        sys.exit(1)
    server = socket.create_server((given["--node-ip-address"], int(given["--port"])))
time.sleep(100)
"""
HRFEVO = """#!/usr/bin/env python3
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
print("hrfevo", *sys.argv[1:], file=open(os.environ["CALLS"], "a"), flush=True)
time.sleep(float(os.environ.get("LASTS", 0)))
sys.exit(int(os.environ.get("ENDS", 0)))
"""


def slurm(folder: Path, programs: dict[str, str], **environment: str) -> dict[str, str]:
    """The environment of a job, whose commands are in `folder`."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL, **programs}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    job = str(os.getpid() % 100_000)
    own = {"SLURM_JOB_ID": job, "SLURM_JOB_NODELIST": "node[1-3]", "SLURM_CPUS_PER_TASK": "2"}
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    address = {"HRFEVO_HEAD_ADDRESS": "127.0.0.1", "CALLS": str(folder / "calls"), "PATH": path}
    return {**os.environ, **own, **address, **environment}


def start(environment: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([SCRIPT, *map(str, arguments)], env=environment, stderr=subprocess.PIPE, text=True)


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("ends", [0, 2])
def test_ray_spans_the_allocation_and_the_search_joins_it(ends: int, tmp_path: Path) -> None:
    with start(slurm(tmp_path, {"ray": RAY, "hrfevo": HRFEVO}, ENDS=str(ends), LASTS="2"), "run", "a space") as job:
        assert job.wait(60) == ends
    said = calls(tmp_path)
    (head,) = [line for line in said if line.startswith("ray start --head")]
    found = re.search(r"--node-ip-address=127\.0\.0\.1 --port=(\d+)", head)
    assert found
    place = f"127.0.0.1:{found[1]}"
    assert head.endswith("token 64")
    assert len([line for line in said if line.startswith(f"ray start --block --address={place} --num-cpus=2")]) == 2
    assert f"hrfevo run a space --address {place}" in said
    first, others, *_, last = [line for line in said if line.startswith("srun")]
    assert "--nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task=2 --nodelist=node1 ray" in first
    assert "--nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=2 --nodelist=node2,node3 ray" in others
    assert re.search(r"--nodelist=node1,node2,node3 rm -rf /tmp/hrfevo-\d+$", last)
    assert not left(tmp_path)


def test_a_job_whose_time_is_over_lets_the_search_end(tmp_path: Path) -> None:
    with start(slurm(tmp_path, {"ray": RAY, "hrfevo": HRFEVO}, LASTS="100"), "resume", "RUN") as job:
        while not any(line.startswith("hrfevo resume RUN") for line in calls(tmp_path)):
            time.sleep(0.1)
        job.send_signal(signal.SIGTERM)
        assert job.wait(30) == 130
    assert not left(tmp_path)


def test_a_job_that_is_told_as_its_search_begins_ends_it(tmp_path: Path) -> None:
    at_once = '#!/bin/sh\ntrap "exit 130" TERM\nkill -TERM $PPID\nwhile sleep 0.1; do :; done\n'
    for attempt in map(str, range(5)):
        folder = tmp_path / attempt
        folder.mkdir()
        with start(slurm(folder, {"ray": RAY, "hrfevo": at_once}), "run", "a space") as job:
            assert job.wait(60) == 130
        assert not left(folder)


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"SLURM_JOB_NODELIST": ""}, ["run", "x"], "error: not within a Slurm job; start it by: sbatch"),
        ({}, [], "error: nothing to do; accepted: run SPACE, resume RUN, confirm RUN"),
        ({"RAY_FAILS": "1"}, ["run", "x"], "error: Ray does not start on node1 at 127.0.0.1:"),
    ],
)
def test_what_cannot_be_is_one_line(changes: dict[str, str], arguments: list[str], says: str, tmp_path: Path) -> None:
    with start(slurm(tmp_path, {"ray": RAY, "hrfevo": HRFEVO}, **changes), *arguments) as job:
        _, said = job.communicate(timeout=60)
    assert job.returncode in (1, 2)
    (line,) = said.splitlines()
    assert line.startswith(says)


def test_documented_jobs_are_commands_of_hrfevo() -> None:
    pages = [SCRIPT.read_text(), (ROOT / "docs" / "operations.md").read_text()]
    found = [line for page in pages for line in re.findall(r"deploy/slurm\.sh ([a-z]+ [^`\"\n|#]*)", page)]
    assert len(found) >= 3
    for line in found:
        check(f"hrfevo {line} --address HOST:PORT")


@pytest.mark.slow
def test_a_real_search_on_a_real_ray(tiny_space: Path, tmp_path: Path) -> None:
    """Two nodes of Ray, both on this machine."""
    hrfevo = f'#!/bin/sh\nexec {sys.executable} -m hrfevo.cli "$@"\n'
    job = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_CPUS_PER_TASK": "1", "PYTHONPATH": str(ROOT)}
    options = ["--out", tmp_path / "runs", "--evaluations", 4, "--no-confirm"]
    with start(slurm(tmp_path, {"hrfevo": hrfevo}, **job), "run", tiny_space, *options) as running:
        _, said = running.communicate(timeout=900)
    assert running.returncode == 0, said
    (run,) = (tmp_path / "runs").iterdir()
    assert len(RunFolder.open(run).evaluations()) == 4
    assert not left(tmp_path)


def left(folder: Path) -> list[str]:
    """Processes of the job that still run."""
    own = str(folder / "calls")
    return [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["environ", "cmdline"])
        if (process.info["environ"] or {}).get("CALLS") == own
    ]
