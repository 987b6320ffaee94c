"""What tests talk to over a network: a database server, and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa


def postgresql_binaries() -> Path | None:
    """Where PostgreSQL is installed, if it is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@contextlib.contextmanager
def postgresql_server() -> Iterator[str]:
    """A server of our own on loopback, without a password; yields its address."""
    binaries = postgresql_binaries()
    assert binaries is not None
    # Not below pytest's own folder, which is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="hrfevo-postgresql-"))
    # The server refuses to run as root; Debian's package brings a user of its own.
    prefix: list[str] = []
    if os.geteuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data = folder / "data"
    port = free_port()
    make = [binaries / "initdb", "-D", data, "-U", "hrfevo", "--auth=trust", "--no-sync"]
    subprocess.run([*prefix, *map(str, make)], check=True, capture_output=True, cwd="/")
    serve = [binaries / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"]
    with subprocess.Popen([*prefix, *map(str, serve)], stderr=subprocess.DEVNULL, cwd="/"):
        url = f"postgresql+psycopg://hrfevo@127.0.0.1:{port}/postgres"
        for _ in range(100):
            try:
                sa.create_engine(url).connect().close()
                break
            except sa.exc.OperationalError:
                time.sleep(0.1)
        yield url
        subprocess.run(
            [*prefix, str(binaries / "pg_ctl"), "-D", str(data), "stop", "-m", "immediate"], check=True, cwd="/"
        )
    shutil.rmtree(folder)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Wire:
    """A line to a server on loopback that can be cut, with all that is on it, and mended."""

    def __init__(self, port: int) -> None:
        self._target, self._open, self._is_cut = ("127.0.0.1", port), set[socket.socket](), False
        self._ear = socket.create_server(("127.0.0.1", 0))
        self.port = self._ear.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._ear.close()
        self.cut()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._ear.accept()
                if self._is_cut:
                    here.close()
                    continue
                there = socket.create_connection(self._target)
                self._open |= {here, there}
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
