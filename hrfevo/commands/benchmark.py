"""hrfevo benchmark build | run."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hrfevo.commands.ending import leave
from signal_model.support.console import new_app, new_console
from signal_model.support.errors import InputError, counted

if TYPE_CHECKING:
    from hrfevo.runner.machinery import Machinery
    from hrfevo.store.records import Evaluation
    from hrfevo.store.run_folder import RunFolder

# A table of more genomes than these is hardly ever finished.
MOST_IN_TABLE = 200_000

Item = TypeVar("Item")

app = new_app("benchmark", "Compare algorithms on trainings that were made before, in virtual time.")


@app.command()
def build(
    source: Annotated[Path, typer.Argument(metavar="SPACE|RUN", help="A search space file, or a run of `build`")],
    output: Annotated[Path, typer.Option(help="Parquet file to write")],
    genomes: Annotated[
        int | None, typer.Option(min=1, help="About so many instead of every one: for an emulator of a large space")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run folder; runs unless given")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Everything random comes from it; 0 unless given")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Evaluations at once")] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join")] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu")] = "auto",
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the space")] = None,
    passes: Annotated[
        int,
        typer.Option(min=0, help="How often steps of all surveyed genomes are timed again, here, with nothing else"),
    ] = 2,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there")] = False,
) -> None:
    """Train genomes to every rung, and keep the measurements in one file.

    Every genome of a finite space, for a table; of any other space as many as you say, some with several seeds, for an
    emulator. A build that is interrupted goes on with `hrfevo resume RUN`; then give RUN here. An emulator may be built
    of a run that has not ended.
    """
    from hrfevo.algorithms.registry import GRID, SURVEY
    from hrfevo.benchmark.quality import judged
    from hrfevo.benchmark.survey import survey_of_run
    from hrfevo.benchmark.table import save_table, table_of_run
    from hrfevo.runner.machinery import Machinery
    from hrfevo.store.run_folder import RunFolder

    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; name another file or add --overwrite")
    if not output.absolute().parent.is_dir():
        raise InputError(f"{output}: no such folder: {output.absolute().parent}")
    if source.is_dir():
        given = {"--genomes": genomes, "--out": out, "--seed": seed, "--workers": workers, "--address": address}
        for option, value in {**given, "--set": set_ or None}.items():
            if value is not None:
                raise InputError(f"{option}: is of trainings, and those of {source} are made; leave it out")
        folder = RunFolder.open(source)
        if folder.settings.algorithm not in (GRID, SURVEY):
            raise InputError(f"{source}: is not a run of `hrfevo benchmark build`")
    else:
        machinery = Machinery("ray", workers, address, device)
        folder = _train(source, genomes, out or Path("runs"), seed or 0, list(set_ or []), machinery)
    store = folder.open_store()
    about: dict[str, Any] = {"space": folder.space_text()}
    about |= {key: value for key, value in folder.settings.to_dict().items() if key in ("set", "seed", "corpus")}
    about["versions"] = {n: version for n, version in folder.settings.versions.items() if n != "platform"}
    evaluations = store.evaluations(folder.id)
    if folder.settings.algorithm == GRID:
        table = table_of_run(folder.space(), evaluations, store.curves(folder.id), about)
        told = counted(table.num_rows, "genome")
    else:
        step_times = _time_again(folder, evaluations, passes, device)
        table = judged(survey_of_run(folder.space(), evaluations, about, step_times), folder.space())
        told = counted(table.num_rows, "training")
    save_table(table, output)
    print(f"{output}: {told}, {output.stat().st_size / 1e6:.2f} MB")


@app.command()
def describe(
    benchmark: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `hrfevo benchmark build`")],
) -> None:
    """Say what a table or an emulator holds and, of an emulator, how well it orders genomes it has not seen."""
    from hrfevo.benchmark.description import description

    print(description(benchmark))


@app.command("run")
def run_command(
    benchmark: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `hrfevo benchmark build`")],
    algorithms: Annotated[
        str, typer.Option(help="Names with commas; NAME:full trains every genome to the last rung")
    ] = "evolution,regularized:full,random:full,random,tpe:full,nsga2:full",
    references: Annotated[
        str, typer.Option(help="The best of these, with the whole budget, sets the target that others are to reach")
    ] = "tpe:full,nsga2:full",
    measure: Annotated[str, typer.Option(help="hypervolume of all objectives, or regret of the first")] = "hypervolume",
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each kind")] = 10,
    workers: Annotated[str, typer.Option(help="Numbers of simulated workers, with commas")] = "1,4,16,64",
    trainings: Annotated[float, typer.Option(min=1, help="Budget, in full trainings of an average genome")] = 128,
    spread: Annotated[float, typer.Option(min=0, help="σ of log-normal noise on times")] = 0.0,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the space")] = None,
    figure: Annotated[Path | None, typer.Option(help="HTML file to write the curves to")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Searches at once; the CPUs unless given")] = None,
) -> None:
    """Run algorithms on a table or an emulator with simulated workers, each with its own unmodified code."""
    from hrfevo.algorithms import registry
    from hrfevo.benchmark.comparison import FULL, Case, Comparison
    from hrfevo.benchmark.loading import check_benchmark
    from hrfevo.benchmark.summary import markdown, summarise

    names, targets = algorithms.split(","), references.split(",")
    for option, told in (("--algorithms", names), ("--references", targets)):
        for name in told:
            if (bare := name.removesuffix(FULL)) not in registry.algorithms():
                raise registry.unknown(option, bare)
    if measure not in ("hypervolume", "regret"):
        raise InputError(f"--measure {measure}: accepted: hypervolume, regret")
    try:
        counts = [*dict.fromkeys(int(count) for count in workers.split(","))]
    except ValueError:
        raise InputError(f"--workers {workers}: whole numbers with commas") from None
    if not all(0 < count <= 100_000 for count in counts):
        raise InputError(f"--workers {workers}: from 1 to 100,000")
    for option, value in (("--trainings", trainings), ("--spread", spread)):
        if not math.isfinite(value):
            raise InputError(f"{option} {value}: expected a finite number")
    if figure is not None and not figure.absolute().parent.is_dir():
        raise InputError(f"--figure {figure}: no such folder: {figure.absolute().parent}")
    overrides = list(set_ or [])
    if measure == "regret":
        first, direction = next(iter(check_benchmark(benchmark, overrides).objectives.items()))
        overrides.append(f"objectives={{{first}: {direction}}}")
    else:
        check_benchmark(benchmark, overrides)
    comparison = Comparison(benchmark, trainings, tuple(overrides))
    every = list(dict.fromkeys([*names, *targets]))
    cases = [Case(name, count, seed, spread) for name in every for count in counts for seed in range(seeds)]
    scores = [*_counted(comparison.run(cases, processes), len(cases), "searches")]
    summaries = summarise(scores, measure, targets)  # type: ignore[arg-type]
    print(markdown(summaries, measure))  # type: ignore[arg-type]
    if figure is not None:
        from hrfevo.benchmark.figure import page
        from signal_model.support.files import write_atomically

        write_atomically(figure, page(summaries, measure, trainings, benchmark.name))  # type: ignore[arg-type]
        print(f"curves: {figure}")


def _time_again(
    folder: RunFolder, evaluations: Sequence[Evaluation], passes: int, device: str
) -> Mapping[str, Sequence[float]]:
    """Step times by genome, also of an earlier call."""
    from hrfevo.benchmark.timing import StepTimes
    from hrfevo.space.genome import Genome
    from signal_model.data.corpus import load_corpus

    space, step_times = folder.space(), StepTimes(folder.path / "step_times.jsonl")
    last = len(space.rungs) - 1
    trained = {e.genome: Genome(e.values) for e in evaluations if e.status == "finished" and e.rung == last}
    if passes:
        corpus = load_corpus(space.corpus, space.tokenizer)
        missing = sum(max(0, passes - len(step_times.known.get(genome, []))) for genome in trained)
        timed = step_times.measure(space, [*trained.values()], corpus, device, passes)
        for _ in _counted(timed, missing, "step times"):
            pass
    return step_times.known


def _counted(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The items, and a line that says how many have come: over and over for who watches, else ten times."""
    watched, shown = sys.stderr.isatty(), 0
    for count, item in enumerate(items, 1):
        if watched or 10 * count // total > shown:
            shown = 10 * count // total
            begin, end = ("\r", "") if watched else ("", "\n")
            print(f"{begin}{count} of {total} {what}", end=end, file=sys.stderr, flush=True)
        yield item
    if watched:
        print(file=sys.stderr)


def _train(
    space: Path, genomes: int | None, out: Path, seed: int, overrides: list[str], machinery: Machinery
) -> RunFolder:
    from hrfevo.algorithms.registry import GRID, SURVEY
    from hrfevo.algorithms.survey import EACH
    from hrfevo.benchmark.table import refuse_unknowable
    from hrfevo.runner.start import Asked, start
    from hrfevo.space.reading import load_space, space_size

    loaded, _ = load_space(space, overrides)
    if loaded.task != "language_modelling":
        raise InputError(f"{space}: task: benchmarks are of language modelling, and its task is {loaded.task}")
    refuse_unknowable(str(space), loaded)  # what no file could hold is said before it is trained, not after
    size = space_size(loaded)
    if genomes is None and (size.continuous or size.discrete > MOST_IN_TABLE):
        raise InputError(
            f"{space}: too large for a table ({size}); --genomes N trains about so many of them, for an emulator"
        )
    trainings = size.discrete if genomes is None else math.ceil(genomes * (1 + 1 / EACH))
    overrides = [*overrides, f"budget={{evaluations: {trainings * len(loaded.rungs)}}}"]
    loaded, text = load_space(space, overrides)
    asked, console = Asked(loaded, text, tuple(overrides), seed, GRID if genomes is None else SURVEY), new_console()
    ending, folder = start(asked, out, machinery, console)
    if code := leave(ending, folder, machinery.store, console):
        raise typer.Exit(code)
    return folder
