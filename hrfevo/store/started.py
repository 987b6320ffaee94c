"""How a run was started: what `hrfevo resume` need not be told again."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from signal_model.support.errors import counted
from signal_model.support.settings import Config

Backend = Literal["ray", "inline"]
# The address of no cluster: a Ray of our own.
LOCAL = "local"


class Started(Config):
    """Where a run's evaluations are, who hears of them, and whether its winners are trained again.

    Kept in `run.json` below `started`. Of what holds a password, as an address of MLflow may, it has none.
    """

    backend: Backend = "ray"
    workers: int | None = Field(default=None, ge=1)
    address: str | None = None
    device: str = "auto"
    logs: tuple[str, ...] = ()
    confirm: bool = True
    plugins: tuple[str, ...] = ()
    """Modules and files that add parts, objectives or algorithms; those of installed packages need no name."""

    def changed(
        self,
        *,
        backend: Backend | None = None,
        workers: int | None = None,
        address: str | None = None,
        device: str | None = None,
        logs: tuple[str, ...] | None = None,
        confirm: bool | None = None,
    ) -> Self:
        """The same but for what is given. Who names another place leaves the former with its number of workers."""
        there = self.address if backend in (None, self.backend) else None
        if address is not None:
            backend, there = backend or "ray", None if address == LOCAL else address
        kind = backend or self.backend
        moves = (kind, there) != (self.backend, self.address)
        return self.model_copy(
            update={
                "backend": kind,
                "address": there,
                "workers": workers if workers is not None or moves else self.workers,
                "device": self.device if device is None else device,
                "logs": self.logs if logs is None else logs,
                "confirm": self.confirm if confirm is None else confirm,
            }
        )

    @property
    def words(self) -> str:
        """Where its evaluations are."""
        if self.backend == "inline":
            return "inline, one evaluation at a time"
        place = "Ray on this machine" if self.address is None else f"the Ray cluster at {self.address}"
        return place if self.workers is None else f"{place}, {counted(self.workers, 'worker')}"
