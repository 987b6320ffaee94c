"""What tests talk to: a database server, a line to it that can be cut, and an application of the web."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults


def postgresql_binaries() -> Path | None:
    """Where PostgreSQL is installed, if it is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


class PostgreSQL:
    """A server of our own on loopback, without a password."""

    def __init__(self, folder: Path) -> None:
        found = postgresql_binaries()
        assert found is not None
        self._binaries, self._folder, self._data = found, folder, folder / "data"
        # The server refuses to run as root; Debian's package brings a user of its own.
        self._prefix: list[str] = []
        if os.geteuid() == 0:
            self._prefix = ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres")
        self._port = free_port()
        self.url = f"postgresql+psycopg://hrfevo@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-D", self._data, "-U", "hrfevo", "--auth=trust", "--no-sync")

    def start(self) -> None:
        """Return when it answers."""
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-l", self._folder / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        """As a power cut would."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def _run(self, name: str, *arguments: object) -> None:
        command = [*self._prefix, str(self._binaries / name), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgreSQL]:
    """One that answers, until the end."""
    # Not below pytest's own folder, which is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="hrfevo-postgresql-"))
    server = PostgreSQL(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
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
                there = self._reached()
                if there is None:
                    here.close()
                    continue
                self._open |= {here, there}
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _reached(self) -> socket.socket | None:
        """A connection to the server; None if the line is cut or the server is away."""
        try:
            return None if self._is_cut else socket.create_connection(self._target)
        except OSError:
            return None

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)  # also where one end was reset, as that of a process that was killed
        self._open.discard(source)
        source.close()


def get(app: Any, path: str) -> Any:
    """One request to a WSGI application, which must succeed."""
    environment: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": "after=0"}
    setup_testing_defaults(environment)
    answers: list[str] = []
    body = b"".join(app(environment, lambda status, *_: answers.append(status)))
    assert answers == ["200 OK"], body
    return json.loads(body)
