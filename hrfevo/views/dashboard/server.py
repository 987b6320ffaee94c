"""Serving the page: one process, a thread for each request, on loopback unless told otherwise."""

from __future__ import annotations

import gc
import ipaddress
import socket
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from hrfevo.views.dashboard.app import make_app
from hrfevo.views.dashboard.watch import Runs
from signal_model.support.console import Interruption
from signal_model.support.errors import InputError


class _Quiet(WSGIRequestHandler):
    """Says nothing of requests that went well."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def serve(folder: Path, url: str | None, host: str, port: int, refresh: float) -> None:
    """Serve the runs in a folder until it is asked to end.

    Raises InputError if it is no folder, or if the host or the port cannot be had.
    """
    runs = Runs(folder, url)
    runs.listed()
    with _bound(host, port) as bound:
        address = bound.getsockname()[0]
        app = make_app(runs, refresh)
        if local := ipaddress.ip_address(address).is_loopback:
            # Another site that this browser visits must not read the runs under a name of its own for this address.
            app.server.config["TRUSTED_HOSTS"] = ["localhost", "127.0.0.1", "[::1]", host]
        # What is imported stays: whoever reads a large run does not pay for looking through it again and again.
        gc.freeze()
        # Nor does an answer, which lets go of the interpreter at each row it reads, wait long for it while figures are
        # drawn: 5 ms each time otherwise.
        sys.setswitchinterval(0.0005)
        server = make_server(address, 0, app.server, threaded=True, request_handler=_Quiet, fd=bound.fileno())
        print(f"dashboard   http://{_shown(host)}:{server.port}/   (Ctrl-C ends it)", flush=True)
        if not folder.exists():
            print(f"{folder} is not there yet: its runs are shown as soon as they are", flush=True)
        if not local:
            print("anyone who can reach this address can read these runs", flush=True)
        # Beside the main thread, where an interruption strikes: inside the server it could close a connection under
        # the thread that had just been given it.
        with ThreadPoolExecutor(1) as beside, Interruption(), suppress(KeyboardInterrupt):
            serving = beside.submit(server.serve_forever)
            try:
                while wait([serving], timeout=0.2).not_done:
                    pass  # awake now and then: a signal that another thread received does not wake this one
                serving.result()
            finally:
                server.shutdown()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host}: is no address here: {_why(error)}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise InputError(f"--host {host} --port {port}: cannot be bound: {_why(error)}") from None
    return bound


def _why(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
