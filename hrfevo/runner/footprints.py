"""The first choices of a confirmation, measured in turns on this machine while nothing else of it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.footprints import FILE, Footprint, Footprints
from hrfevo.space.genome import Genome, express
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_corpus import corpus_of
from hrfevo.store.run_folder import RunFolder
from signal_model.config import Recipe
from signal_model.support.errors import InputError, one_line
from signal_model.support.files import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from signal_model.data.corpus import Corpus

# Passes over all models; and the training steps of each, of which the undisturbed count.
PASSES, STEPS = 5, 6


def measure_footprints(
    run: RunFolder, found: Confirmation, place: Path, device: str, say: Callable[[str], None]
) -> None:
    """Measure the winner, each rival's first choice and the best founder, and keep that in a confirmation's folder.

    What is there already stays. A model that this machine cannot run is left out, and said why.
    """
    if (place / FILE).exists() or found.winner is None:
        return
    from signal_model.support.devices import choose_device, threads

    space = run.space()
    try:
        chosen = choose_device(device)
    except InputError as error:
        say(f"what the models take is not measured here: {error}")
        return
    with threads(space.resources.cpus):
        measured = _Measured(corpus_of(run, space), chosen, say)
        for side, recipe in _recipes(run, space, found):
            measured.add(*side, recipe)
        for _ in range(PASSES):
            measured.time_all()
    rows = measured.rows()
    if rows:
        write_json(place / FILE, Footprints(context=measured.context, device=str(chosen), rows=rows).to_dict())


def _recipes(run: RunFolder, space: SearchSpace, found: Confirmation) -> Iterator[tuple[tuple[str, str], Recipe]]:
    """Side, genome and recipe of all that are compared, the winner first."""
    assert found.winner is not None
    spaces = {name: RunFolder.open(run.path / place).space() for name, place in found.tuned_in.items()}
    sides: dict[str, tuple[Confirmed, SearchSpace]] = {"search": (found.winner, space)}
    sides |= {name: (one, spaces[name]) for name, one in found.rivals.items() if name in spaces}
    if found.founder and found.founder.genome != found.winner.genome:
        sides["founder"] = found.founder, space
    for side, (one, own) in sides.items():
        yield (side, one.genome), express(own, Genome(one.values), seed=one.seeds[0])


@dataclass
class _Model:
    recipe: Recipe
    parameters: int
    state_size: int | None
    steps: list[float]
    tokens: list[float]


class _Measured:
    """Models that are timed in turns; one that fails is dropped."""

    def __init__(self, corpus: Corpus, device: torch.device, say: Callable[[str], None]) -> None:
        self._corpus, self._device, self._say = corpus, device, say
        self._models: dict[tuple[str, str], _Model] = {}
        self.context = 0

    def add(self, side: str, genome: str, recipe: Recipe) -> None:
        """Count what needs no clock."""
        from signal_model.model import build_model, count_parameters
        from signal_model.training.tasks import task_of

        model = build_model(recipe.model, recipe.training.seed)
        state_size = task_of(recipe.model).sizes(model).get("state_size")
        state = None if state_size is None else int(state_size)
        self._models[side, genome] = _Model(recipe, count_parameters(model), state, [], [])
        self.context = max(self.context, recipe.model.context)

    def time_all(self) -> None:
        """One pass: what holds the machine up for a while holds up all alike."""
        for key, model in [*self._models.items()]:
            try:
                self._time(model)
            except (ArithmeticError, RuntimeError, MemoryError) as error:
                del self._models[key]
                self._say(f"what {key[1]} ({key[0]}) takes could not be measured: {one_line(error)}")

    def _time(self, one: _Model) -> None:
        from signal_model.evaluation.pace import token_seconds
        from signal_model.model import build_model
        from signal_model.support.devices import clock_of, undisturbed
        from signal_model.training.trainer import Trainer

        training = one.recipe.training.model_copy(update={"steps": STEPS})
        model = build_model(one.recipe.model, training.seed)
        clock, moments = clock_of(self._device), list[float]()
        trainer = Trainer(model, self._corpus, training, self._device)
        trained = trainer.run(on_step=lambda _: moments.append(clock()))
        # Elsewhere than on a CPU a step ends before its work is done.
        on_cpu = self._device.type == "cpu"
        one.steps.append(1000 * (undisturbed(np.diff(moments)) if on_cpu else trained.step_seconds))
        if one.state_size is not None:
            one.tokens.append(1000 * token_seconds(model))

    def rows(self) -> tuple[Footprint, ...]:
        """All that could be measured."""
        return tuple(
            Footprint(
                side=side,
                genome=genome,
                parameters=one.parameters,
                state_size=one.state_size,
                step_times=tuple(one.steps),
                generation_times=tuple(one.tokens),
            )
            for (side, genome), one in self._models.items()
        )
