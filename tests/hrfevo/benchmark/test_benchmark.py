"""Tables of trainings, simulated workers, comparisons; the algorithms agree with other packages."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.attainment import Yardstick
from hrfevo.benchmark.comparison import Case, Comparison, median_interval, seconds_to
from hrfevo.benchmark.simulation import Trace, simulate
from hrfevo.benchmark.summary import markdown, summarise
from hrfevo.benchmark.table import ABOUT, Station, Table, about_of, load_table, read_parquet, save_table
from hrfevo.runner.loop import KEPT_WINNERS
from hrfevo.space.genome import Genome, all_genomes
from hrfevo.space.reading import parse_space, space_size
from signal_model.support.errors import InputError
from tests.conftest import ROOT, command

SMALL = """
name: small
corpus: {path: TEXT}
model: {context: 32}
training: {batch_size: 2, validation_tokens: 512}
genes:
  width: {type: ordered, values: [8, 16]}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 1, high: 2, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: choice, values: [[0.5, 4.0]], when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    fixed: {feedforward: {kind: mlp, expansion: 1}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic]}
objectives: {bits_per_byte: minimize, parameters: minimize}
rungs: [2, 4]
population: 4
budget: {evaluations: 5}
"""


def test_all_genomes_are_counted_and_different() -> None:
    space = parse_space(SMALL, "small")
    genomes = list(all_genomes(space))
    assert len(genomes) == len(set(genomes)) == space_size(space).discrete == 2 * 3 * 6
    with pytest.raises(InputError, match="no end of values"):
        list(all_genomes(parse_space((ROOT / "search_spaces" / "embeddings.yaml").read_text(), "e")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A table made by the command, with real trainings."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "small.yaml").write_text(SMALL.replace("TEXT", str(text_folder)))
    table = folder / "small.parquet"
    options = ("--output", table, "--out", folder / "runs", "--workers", 1)
    result = command("hrfevo", "benchmark", "build", folder / "small.yaml", *options)
    assert result.returncode == 0, result.stderr
    assert "36 genomes" in result.stdout
    return table


def test_a_table_holds_what_was_measured(built: Path) -> None:
    from hrfevo.store.run_folder import RunFolder

    table = load_table(built)
    assert len(table.stations) == 36
    (path,) = (built.parent / "runs").iterdir()
    run = RunFolder.open(path)
    for evaluation in run.open_store().evaluations(run.id):
        station = table.stations[evaluation.genome][evaluation.rung]
        assert station.metrics["bits_per_byte"] == pytest.approx(evaluation.metrics["bits_per_byte"], rel=1e-6)
        assert station.metrics["parameters"] == evaluation.metrics["parameters"]
        assert station.seconds == pytest.approx((evaluation.ended or 0) - (evaluation.started or 0), rel=1e-4)
    assert len(list((path / "checkpoints").iterdir())) <= KEPT_WINNERS + table.space.population
    shorter = load_table(built, ["rungs=[4]"])
    genome = next(all_genomes(table.space))
    assert shorter.at(genome, 0).metrics["bits_per_byte"] == table.at(genome, 1).metrics["bits_per_byte"]
    assert shorter.at(genome, 0).seconds == pytest.approx(sum(s.seconds for s in table.stations[genome.id]))


def test_a_table_keeps_to_the_bounds_that_are_asked_for(built: Path, tmp_path: Path) -> None:
    table = load_table(built)
    parameters = {genome: stations[0].metrics["parameters"] for genome, stations in table.stations.items()}
    losses = {genome: stations[-1].metrics["bits_per_byte"] for genome, stations in table.stations.items()}
    size, loss = np.median([*parameters.values()]), np.median([*losses.values()])
    bounds = f"constraints={{parameters: {{max: {size}}}, bits_per_byte: {{max: {loss}}}}}"
    bounded = load_table(built, ["rungs=[4]", bounds])
    for genome, (station,) in bounded.stations.items():
        is_large = parameters[genome] > size
        assert (station.status == "infeasible") == (is_large or losses[genome] > loss)
        trained = sum(one.seconds for one in table.stations[genome])
        assert station.seconds == (0.0 if is_large else pytest.approx(trained))
    assert (bounded.scale().points.max(axis=0) <= [loss, size]).all()
    with pytest.raises(InputError, match="accepted: wider bounds"):
        load_table(built, ["constraints.parameters.max=1"]).scale()

    raw, narrow = read_parquet(built), tmp_path / "narrow.parquet"
    about = about_of(raw, built) | {"set": ["constraints.parameters.max=9000"]}
    refused = {"reason": "infeasible: parameters above 9,000", "bits_per_byte": [], "step_time": []}
    rows = pa.Table.from_pylist([raw.to_pylist()[0] | refused, *raw.to_pylist()[1:]], schema=raw.schema)
    save_table(rows.replace_schema_metadata({ABOUT: json.dumps(about)}), narrow)
    load_table(narrow, ["constraints.parameters.max=8000"])
    for wider in ("constraints={}", "constraints.parameters.max=9001"):
        with pytest.raises(InputError, match=r"constraints: parameters: was measured within .* at most 9,000"):
            load_table(narrow, [wider])


def test_the_command_compares_algorithms_and_draws_curves(built: Path, tmp_path: Path) -> None:
    page = tmp_path / "curves.html"
    result = command(
        "hrfevo", "benchmark", "run", built, "--algorithms", "evolution,random:full", "--references", "random:full",
        "--seeds", 3, "--workers", "1,3,1", "--trainings", 10, "--figure", page, "--processes", 1,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert sum(line.startswith(("| evolution ", "| random:full ")) for line in result.stdout.splitlines()) == 4
    assert "12 of 12 searches" in result.stderr  # none is there twice, which would make intervals too narrow
    assert "share of the table" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nothing.parquet"), "nothing.parquet: cannot be read as a Parquet file"),
        (("run", "TABLE", "--algorithms", "evolutoin"), "did you mean 'evolution'"),
        (("run", "TABLE", "--references", "tep"), "--references tep: no such algorithm (did you mean 'tpe'?)"),
        (("run", "TABLE", "--trainings", "inf"), "--trainings inf: expected a finite number"),
        (("run", "TABLE", "--figure", "no/such/page.html"), "no such folder"),
        (("run", "TABLE", "--set", "objectives={compression: maximize}"), "no benchmark knows of compression"),
        (("build", "SPACE", "--output", "t.parquet", "--set", "inherit=true"), "inherit: a benchmark knows no weights"),
        (("build", "RUN", "--output", "t.parquet", "--genomes", "9"), "--genomes: is of trainings, and those of"),
        (("run", "TABLE", "--measure", "speed"), "--measure speed: accepted: hypervolume, regret"),
        (("run", "TABLE", "--workers", "two"), "--workers two: whole numbers with commas"),
        (("run", "TABLE", "--workers", "0"), "--workers 0: from 1"),
        (("run", "TABLE", "--set", "rungs=[3]"), "has no measurements after [3] steps; accepted: [2, 4]"),
        (("run", "TABLE", "--set", "genes.width.values=[8, 24]"), "does not hold all genomes"),
        (("run", "other.parquet"), "is not a table of `hrfevo benchmark build`"),
        (("build", str(ROOT / "search_spaces" / "embeddings.yaml"), "--output", "t.parquet"), "too large for a table"),
        (("build", str(ROOT / "search_spaces" / "sounds.yaml"), "--output", "t.parquet"), "its task is classification"),
        (("build", "SPACE", "--output", "no/such/t.parquet"), "no such folder"),
        (("build", "SPACE", "--output", "TABLE"), "exists; name another file or add --overwrite"),
    ],
)
def test_mistakes_are_told_in_a_line(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    (run,) = (built.parent / "runs").iterdir()
    places = {"TABLE": str(built), "SPACE": str(built.parent / "small.yaml"), "RUN": str(run)}
    result = command("hrfevo", "benchmark", *(places.get(a, a) for a in arguments))
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


# --- simulation ----------------------------------------------------------------------------------


def artificial(rungs: tuple[int, ...] = (1, 3, 9)) -> Table:
    """A table whose values are known: seconds are steps, lower rungs tell of higher ones with some noise."""
    space = parse_space(SMALL.replace("rungs: [2, 4]", f"rungs: {list(rungs)}"), "small")
    generator = np.random.default_rng(0)
    stations = {}
    for genome in all_genomes(space):
        parameters = 1000.0 * genome.values["width"] + 10 * len(genome.text)
        loss = 3 - len(genome.values["layers"]) / 4 - genome.values["width"] / 32
        stations[genome.id] = [
            Station(
                "finished",
                "",
                {"bits_per_byte": loss + 3 / steps + generator.normal(0, 0.1 / steps), "parameters": parameters},
                float(steps - before),
            )
            for before, steps in itertools.pairwise((0, *rungs))
        ]
    return Table(space, stations, {})


def traced(name: str, workers: int, seed: int = 0, spread: float = 0.0, seconds: float = 100.0) -> Trace:
    table = artificial()
    algorithm = make_algorithm(name, table.space, np.random.SeedSequence(seed))
    return simulate(table, algorithm, workers=workers, seconds=seconds, spread=spread, seed=seed)


@pytest.mark.parametrize(
    ("name", "workers"),
    [("evolution", 7), ("genetic", 7), ("regularized", 7), ("random", 7), ("tpe", 7), ("nsga2", 7), ("genetic", 1)],
)
def test_a_simulated_search_is_determined_by_its_seed(name: str, workers: int) -> None:
    first, again, other = (traced(name, workers, seed, spread=0.5) for seed in (0, 0, 1))
    assert first.genomes == again.genomes
    assert first.ended == again.ended
    assert first.genomes != other.genomes
    assert sorted(first.ended) == first.ended
    assert len(set(zip(first.genomes, first.rungs, strict=True))) == len(first.rungs)


def test_virtual_time_is_that_of_the_table_shared_by_workers() -> None:
    one, four = (traced("random", workers, seconds=60) for workers in (1, 4))
    assert one.ended == one.spent
    assert one.ended[-1] >= 60
    assert one.ended[-2] < 60
    assert four.ended[-1] == pytest.approx(15, abs=6)
    assert four.spent[-1] == pytest.approx(60, abs=24)


def test_workers_are_never_idle_while_there_is_anything_to_try() -> None:
    assert traced("evolution", 16, spread=1.0, seconds=300).workers_used > 0.98


def test_hypervolume_is_that_of_an_independent_implementation() -> None:
    from pymoo.indicators.hv import HV

    table = artificial()
    trace = traced("random", 2, seconds=400)
    attained = Yardstick(table).hypervolume(trace)
    every = np.array([[s[-1].metrics["bits_per_byte"], s[-1].metrics["parameters"]] for s in table.stations.values()])
    low, high = every.min(axis=0), every.max(axis=0)
    indicator = HV(ref_point=np.ones(2))
    done = [o for o, rung in zip(trace.objectives, trace.rungs, strict=True) if rung == 2 and o is not None]
    expected = indicator((np.array(done) - low) / (high - low)) / indicator((every - low) / (high - low))
    assert attained.values[-1] == pytest.approx(expected)
    assert (np.diff(attained.values) > 0).all()
    regret = Yardstick(table).regret(trace)
    assert regret.values[-1] == pytest.approx(np.array(done)[:, 0].min() - every[:, 0].min())


def test_summaries_say_when_the_target_was_reached(built: Path) -> None:
    comparison = Comparison(built, trainings=12)
    cases = [Case(name, 2, seed) for name in ("evolution", "random:full") for seed in range(4)]
    scores = list(comparison.run(cases, processes=2))
    assert [score.case for score in scores] == cases
    evolution, reference = summarise(scores, "hypervolume", ["random:full"])
    target = np.median(reference.final)
    for score, reached in zip(scores[:4], evolution.reached, strict=True):
        if np.isfinite(reached):
            assert score.hypervolume.at(np.array([reached * score.seconds]))[0] >= target
        else:
            # What was in flight when the budget was spent may attain it later, which does not count.
            assert not score.hypervolume.at(np.array([score.seconds]))[0] >= target
    lines = markdown([evolution, reference], "hypervolume").splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("| random:full | 2 |")


@given(st.lists(st.floats(0, 1), min_size=5, max_size=40))
def test_the_median_lies_in_its_interval(values: list[float]) -> None:
    middle, low, high = median_interval(values)
    assert low <= middle <= high
    assert median_interval([*values, np.inf])[2] >= high or len(values) > 5


def test_seconds_to_a_target() -> None:
    from hrfevo.benchmark.attainment import Attained

    attained = Attained(np.array([1.0, 4.0, 9.0]), np.array([0.2, 0.5, 0.9]))
    assert seconds_to(attained, 0.4, rising=True, within=10) == 4
    assert seconds_to(attained, 0.95, rising=True, within=10) == np.inf
    assert seconds_to(attained, 0.6, rising=True, within=5) == np.inf
    assert np.isnan(attained.at(np.array([0.5]))[0])
    assert attained.at(np.array([4.5]))[0] == 0.5


# --- selection, beside pymoo ---------------------------------------------------------------------


@pytest.mark.parametrize("problem", ["zdt1", "zdt2", "zdt3", "dtlz1", "dtlz2"])
def test_selection_is_that_of_pymoos_nsga2(problem: str) -> None:
    """The same survivors of random points of ZDT and DTLZ, generation after generation."""
    from pymoo.algorithms.moo.nsga2 import RankAndCrowding
    from pymoo.core.population import Population
    from pymoo.problems import get_problem

    task = get_problem(problem)
    generator = np.random.default_rng(0)
    for _ in range(5):
        values = task.evaluate(generator.random((60, task.n_var)) * (task.xu - task.xl) + task.xl)
        theirs = RankAndCrowding().do(task, Population.new(F=values), n_survive=25)
        weights = (-1.0,) * values.shape[1]
        ours = best_first([Individual(Genome({"i": i}), Fitness(weights, v), 0) for i, v in enumerate(values)], 25)
        # Ties, such as the two ends of a front, are broken differently: compared are rank and crowding of survivors.
        rank = {tuple(row): number for row, number in zip(theirs.get("F"), theirs.get("rank"), strict=True)}
        expected = sorted(zip(theirs.get("rank"), theirs.get("crowding"), strict=True))
        last = max(rank.values())
        found = sorted((rank.get(tuple(i.fitness.values), last), i.fitness.crowding_dist) for i in ours)
        assert np.allclose(found, expected)
        same = {tuple(i.fitness.values) for i in ours} & set(rank)
        assert len(same) >= len(ours) - 2
