"""Where SQLite and locks do not belong is known and said."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from rich.console import Console

from hrfevo.runner.machinery import Machinery
from hrfevo.runner.start import Asked, resume, start
from hrfevo.space.reading import load_space
from hrfevo.store.file_systems import caution, mount_of
from hrfevo.store.run_folder import RunFolder
from signal_model.support.errors import InputError


def mounted(monkeypatch: pytest.MonkeyPatch, *mounts: tuple[str, Path | str]) -> None:
    """Have these file systems mounted, the last one last."""
    found = [SimpleNamespace(fstype=kind, mountpoint=str(at)) for kind, at in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: found)


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_the_mounts_of_this_machine_are_read() -> None:
    for path, kind in (("/proc/self/status", "proc"), ("/sys/kernel/none", "sysfs")):
        mount = mount_of(Path(path))
        assert mount is not None
        assert (mount.kind, str(mount.at)) == (kind, "/" + path.split("/")[1])
        assert not mount.is_shared


@pytest.mark.parametrize("kind", ["nfs4", "NFS", "lustre", "gpfs", "cifs", "fuse.sshfs", "beegfs"])
def test_the_nearest_and_latest_mount_decides(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "home" / "scratch"
    scratch.mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    mounted(monkeypatch, ("ext4", "/"), ("ext4", home), (kind, home), ("xfs", scratch))
    assert f"results.db lies on {kind.lower()} ({home})" in caution(home / "runs" / "results.db")
    assert caution(tmp_path / "link" / "results.db")
    assert caution(scratch / "results.db") == caution(tmp_path / "homes" / "results.db") == ""


def test_a_search_says_it_once_and_goes_on(tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(monkeypatch, ("nfs4", tmp_path))
    said = io.StringIO()
    console, machinery = Console(file=said, width=1000), Machinery(backend="inline")
    space, text = load_space(tiny_space, ["budget.evaluations=2"])
    ending, folder = start(Asked(space, text, ("budget.evaluations=2",)), tmp_path / "runs", machinery, console)
    assert ending.finished
    assert said.getvalue().count("note: results.db lies on nfs4") == 1
    assert "--store postgresql+psycopg://" in said.getvalue()
    resume(folder.path, {"evaluations": 3}, machinery, console)
    assert said.getvalue().count("note: results.db lies on nfs4") == 2
    local = Machinery(backend="inline", store=f"sqlite:////{tmp_path.parent / f'{tmp_path.name}.db'}")
    start(Asked(space, text, ("budget.evaluations=2",)), tmp_path / "others", local, console)
    assert said.getvalue().count("note: results.db lies on nfs4") == 2


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    folder = RunFolder(tmp_path, None)  # type: ignore[arg-type]
    (tmp_path / ".lock").touch()
    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(InputError, match=r"its file system locks no files \(Function not implemented\)"),
        folder.locked(),
    ):
        pass
    assert not folder.in_hand
