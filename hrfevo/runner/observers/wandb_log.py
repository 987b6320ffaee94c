"""A search as Weights & Biases shows it; needs the package wandb (extra `wandb`)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrfevo.space.genome import flat
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.base import Outcome
from signal_model.support.errors import InputError, one_line

if TYPE_CHECKING:
    import wandb

MODES = ("online", "offline")
# The horizontal axes: training steps of a genome, evaluations of the search.
STEP, COUNT = "step", "evaluations"


def check(where: str | None) -> None:
    """Raise InputError if the package is missing, nobody is logged in, or the server does not answer."""
    try:
        import wandb
    except ImportError:
        raise InputError("--log wandb: the package wandb is missing; pip install 'hrfevo[wandb]'") from None
    place = f"--log wandb={where}" if where else "--log wandb"
    parts = (where or "project").split("/")
    if len(parts) > 2 or not all(parts):
        raise InputError(f"{place}: is no project; accepted: PROJECT, ENTITY/PROJECT")
    settings = wandb.setup().settings
    if settings.mode not in MODES:
        raise InputError(f"WANDB_MODE={settings.mode}: nothing would be logged; accepted: {', '.join(MODES)}")
    if settings.mode == "offline":
        return
    try:
        logged_in = wandb.login(prompt=False)  # it asks the server
    except Exception as error:
        raise InputError(f"{place}: cannot be used: {one_line(error)}") from None
    if not logged_in:
        raise InputError(f"{place}: nobody is logged in; first: wandb login, or set WANDB_MODE=offline")


class WandB:
    """A run of W&B for the search and one for each genome, in one group, in a project named after the space.

    A genome that goes on to a higher rung, and a search that is resumed, go on in the run that they have. What W&B
    writes lies in the run folder below `wandb`, and there too, for each project, what has been logged: with
    `WANDB_MODE=offline` no server could be asked.
    """

    def __init__(self, where: str | None, folder: RunFolder, space: SearchSpace) -> None:
        entity, _, project = (where or space.name).rpartition("/")
        self._project: dict[str, Any] = {"entity": entity or None, "project": project, "dir": str(folder.path)}
        self._folder, self._space = folder, space
        settings = folder.settings.model_dump(include={"algorithm", "seed", "synchronous"})
        about = settings | {"rungs": space.rungs, "objectives": dict(space.objectives)}
        self._search = self._run(folder.id, folder.path.name, "search", about, COUNT)
        logged = folder.path / "wandb"
        logged.mkdir(exist_ok=True)
        self._logged: Path = logged / f"logged-{(where or space.name).replace('/', '-')}.txt"

    def known(self) -> Set[int]:
        """Those that are noted as logged. One that was being logged when the search was killed is logged again."""
        if not self._logged.exists():
            return set()
        return {int(line) for line in self._logged.read_text(encoding="utf-8").splitlines() if line.isdecimal()}

    def evaluation(self, outcome: Outcome) -> None:
        """Learning curve and metrics over training steps; genes as configuration, scores as summary."""
        job, steps = outcome.job, self._space.rungs[outcome.job.rung]
        run = self._run(f"{self._folder.id}-{job.genome.id}", job.genome.id, "genome", flat(job.genome.values), STEP)
        for point in outcome.curve:
            run.log({STEP: point.step, "train/bits_per_byte": point.bits_per_byte})
        if outcome.metrics:
            run.log({STEP: steps, **outcome.metrics})
        about = {"number": job.number, "rung": job.rung, "steps": steps, "seed": job.seed, "device": outcome.device}
        run.summary.update({**outcome.metrics, **about, "status": outcome.status, "reason": outcome.reason})
        run.finish(exit_code=int(outcome.status == "failed"))
        with self._logged.open("a", encoding="utf-8") as file:
            file.write(f"{job.number}\n")

    def course(self, count: int, series: Mapping[str, float], seconds: float) -> None:
        """Series over the number of evaluations, in the search's own run."""
        if series:
            self._search.log({COUNT: count, **series})

    def close(self, interrupted: bool) -> None:
        """The search's own run ends, until it is resumed."""
        self._search.finish(exit_code=int(interrupted))

    def _run(self, identity: str, name: str, kind: str, about: Mapping[str, Any], axis: str) -> wandb.Run:
        """A run that is new, or goes on, beside those that are open."""
        import wandb

        run = wandb.init(
            **self._project,
            id=identity,
            name=name,
            group=self._folder.path.name,
            job_type=kind,
            config=dict(about),
            resume="allow",
            reinit="create_new",
            # The terminal is the search's, and what the machine does meanwhile is of no genome.
            settings=wandb.Settings(
                console="off", silent=True, save_code=False, disable_git=True, x_disable_stats=True
            ),
        )
        run.define_metric("*", step_metric=axis)
        return run
