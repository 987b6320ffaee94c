"""Words of a speaker who was never heard: a transformer, one with filter banks, harmonic layers, and convolutions.

    python benchmarks/digits.py DIGITS.npz --output digits.jsonl [--minutes 3] [--seconds 24] [--seeds 3]
    python benchmarks/digits.py --table digits.jsonl

The npz file is a corpus of sound (docs/sound.md) with arrays of labels and of groups, the speakers. Each speaker is
left out once. All four families are then treated alike:

1. `hrfevo.search` looks for the best of the family, `--minutes` of training on one core. All hear relative energies of
   filters, and learn from recordings that are varied alike; filters, width, depth and rate are the same genes for all.
   None may have more than 65,000 parameters, nor steps of which `--seconds` hold fewer than 900. It trains on all
   speakers but two, and judges by the second of these, so it never hears who is left out.
2. The best is trained anew with `--seeds` seeds, `--seconds` of steps each, on all but the one who is left out, and
   scored on every recording of that one.

A line of the output is such a training; those that are there are not made again. The first table has the share of right
answers by speaker, with 95 % intervals over recordings, each right by the mean of the seeds. The second has differences
from the transformer, paired by recording; of all speakers with a t-interval over speakers, of whom there are few.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, print_table
from scipy import stats

# What the layers of a family have in common, and the values of what is searched in each.
FAMILIES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, list[Any]]]] = {
    "transformer": ({"mixer": {"kind": "attention"}}, {"mixer.heads": [1, 2, 4]}),
    "transformer with filter banks": (
        {"mixer": {"kind": "attention"}, "filter_bank": {"kind": "learned"}},
        {
            "mixer.heads": [1, 2, 4],
            "filter_bank.filters": [8, 16, 32],
            "filter_bank.scales": [1, 2, 3],
            "filter_bank.taps": [3, 5, 9],
        },
    ),
    "harmonic": (
        {"mixer": {"kind": "harmonic"}},
        {
            "mixer.heads": [1, 2, 4],
            "mixer.bases": [4, 8, 16],
            "mixer.timescales": [[1.0, 8.0], [1.0, 32.0], [1.0, 128.0]],
            "mixer.short_convolution": [3, 4, 5],
        },
    ),
    "convolutional network": ({"mixer": {"kind": "convolution"}}, {"mixer.taps": [5, 7, 9, 15]}),
}
BASELINE = "transformer"
# The 1.2 seconds in the middle are heard of what is longer, as few recordings are.
CONTEXT = 9600
MOST_PARAMETERS, RUNGS = 65_000, [100, 300, 900]
# What is customary for unknown speakers. A search that trains on two of them learns none of it.
FRONT_END = {"kind": "filter_bank", "taps": 256, "relative": True}
VARIED = {"speed_change": 0.25, "noise": 0.01}
FOUNDER = {
    "training.learning_rate": 5e-3,
    "width": 48,
    "front_end.filters": 40,
    "front_end.stride": 80,
}


def space(family: str, classes: int, corpus: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What a family is searched in: the same for all but for what mixes the frames. A training to the last rung must
    fit into so many `seconds`."""
    fixed, searched = FAMILIES[family]
    inner: dict[str, Any] = {
        name: {"type": "choice" if isinstance(values[0], list) else "ordered", "values": values}
        for name, values in {**searched, "feedforward.expansion": [1.0, 2.0]}.items()
    }
    layer = {name: gene["values"][1] for name, gene in inner.items()}
    return {
        "name": "digits",
        "task": "classification",
        "corpus": dict(corpus),
        "model": {"classes": classes, "context": CONTEXT, "causal": False, "front_end": FRONT_END},
        "training": {"batch_size": 16, "windows": "epochs", **VARIED},
        "genes": {
            "training.learning_rate": {"type": "float", "low": 1e-3, "high": 2e-2, "log": True},
            "width": {"type": "ordered", "values": [32, 48, 64]},
            "front_end.filters": {"type": "int", "low": 16, "high": 64, "log": True},
            "front_end.stride": {"type": "ordered", "values": [40, 80, 120]},
            "layers": {
                "type": "layers",
                "min": 1,
                "max": 4,
                "fixed": {**fixed, "feedforward": {"kind": "mlp"}},
                "genes": inner,
            },
        },
        "founders": {"by_hand": FOUNDER | {"layers": [layer, layer]}},
        "objectives": {"error_rate": "minimize"},
        "constraints": {"parameters": {"max": MOST_PARAMETERS}, "step_time": {"max": 1000 * seconds / RUNGS[-1]}},
        "rungs": RUNGS,
        "population": 12,
        "budget": {"evaluations": 10**6},
        "confirm": {"top": 0},
    }


def measure(asked: argparse.Namespace, family: str, left_out: str, speakers: Sequence[str]) -> list[dict[str, Any]]:
    """Search a family without one speaker, and train what is best; a row for each seed."""
    import torch

    import hrfevo
    from signal_model.config import Recipe
    from signal_model.data.corpus import load_corpus
    from signal_model.model import build_model, count_parameters
    from signal_model.training.batches import Sounds
    from signal_model.training.trainer import train

    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    judge = speakers[(speakers.index(left_out) + 1) % len(speakers)]
    corpus = {"audio": str(asked.recordings.absolute()), "rate": asked.rate, "label": asked.label, "group": asked.group}
    own = corpus | {"held_out": {"validation": [judge], "test": [left_out]}}
    classes = len({*np.load(asked.recordings)[asked.label].tolist()})
    run = hrfevo.search(
        space(family, classes, own, asked.seconds),
        out=asked.runs,
        name=f"{family.replace(' ', '-')}-without-{left_out}",
        training_minutes=asked.minutes,
        backend="inline",
        confirm=False,
    )
    assert run.best is not None
    found = run.recipe().to_dict() | {"corpus": corpus | {"held_out": {"test": [left_out]}, "split": "recording"}}
    steps = round(1000 * asked.seconds / run.best.metrics["step_time"])
    rows = []
    for seed in range(asked.seeds):
        found["training"] |= {"steps": steps, "seed": 1000 + seed}
        recipe = Recipe.model_validate(found)
        assert recipe.corpus is not None
        text = load_corpus(recipe.corpus, recipe.tokenizer)
        model = build_model(recipe.model, recipe.training.seed)
        training = train(model, text, recipe.training, cpu)
        sounds = Sounds(text, "test", recipe.model.context)
        right: list[int] = []
        with torch.inference_mode():
            for start in range(0, len(sounds), 25):
                numbers = np.arange(start, min(start + 25, len(sounds)))
                samples, lengths, labels = map(torch.from_numpy, sounds.heard(numbers))
                right += (model(samples, lengths).argmax(1) == labels).int().tolist()
        row = {"family": family, "speaker": left_out, "seed": seed, "right": right, "steps": steps}
        row |= {"parameters": count_parameters(model), "seconds": training.seconds, "judged": run.best.metrics}
        rows.append(row | {"evaluations": len(run.history), "recipe": recipe.to_dict()})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Both tables."""
    right: dict[tuple[str, str], np.ndarray] = {}
    for family, speaker in {(row["family"], row["speaker"]) for row in rows}:
        right[family, speaker] = np.mean(
            [r["right"] for r in rows if (r["family"], r["speaker"]) == (family, speaker)], 0
        )
    speakers = sorted({speaker for _, speaker in right})
    families = [family for family in FAMILIES if all((family, speaker) in right for speaker in speakers)]
    head = ["", *speakers, "all"]
    print(f"{machine('torch')}\n")
    shown = [
        [
            family,
            *(interval(right[family, speaker]) for speaker in speakers),
            f"{np.mean([right[family, speaker].mean() for speaker in speakers]):.1%}",
        ]
        for family in families
    ]
    print_table(["right", *head[1:]], shown)
    print()
    less = []
    for family in families:
        if family == BASELINE:
            continue
        pairs = [right[family, speaker] - right[BASELINE, speaker] for speaker in speakers]
        means = [pair.mean() for pair in pairs]
        reach = stats.t.ppf(0.975, len(means) - 1) * np.std(means, ddof=1) / math.sqrt(len(means))
        less.append([family, *map(interval, pairs), f"{np.mean(means):+.1%} ± {reach:.1%}"])
    print_table([f"less the {BASELINE}", *head[1:]], less)
    print()
    costs = []
    for family in families:
        own = [row for row in rows if row["family"] == family]
        parameters, steps, seconds = ([row[name] for row in own] for name in ("parameters", "steps", "seconds"))
        searched = [row["evaluations"] for row in own]
        costs.append([family, *(f"{min(x):,.0f}–{max(x):,.0f}" for x in (parameters, steps, seconds, searched))])
    print_table(["what it had", "parameters", "steps", "seconds", "evaluations"], costs)


def interval(values: np.ndarray) -> str:
    """A mean over recordings and half its 95 % interval."""
    sign = "+" if (values < 0).any() else ""
    return f"{values.mean():{sign}.1%} ± {1.96 * values.std(ddof=1) / math.sqrt(len(values)):.1%}"


def read(file: Path) -> list[dict[str, Any]]:
    """The rows that are there."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def asked_for(arguments: Iterable[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="?", help="npz file")
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--label", default="digits", help="its array of labels")
    parser.add_argument("--group", default="speakers", help="its array of speakers")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training in each search")
    parser.add_argument("--seconds", type=float, default=24.0, help="of each training of what was found")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2, help="one core each")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the searches")
    parser.add_argument("--output", type=Path, default=Path("digits.jsonl"))
    parser.add_argument("--table", type=Path, help="only print what this file says")
    return parser.parse_args(arguments if arguments is None else [*arguments])


def main() -> int:
    asked = asked_for()
    if asked.table is None:
        if asked.recordings is None:
            raise SystemExit("name an npz file of recordings")
        speakers = sorted(map(str, {*np.load(asked.recordings)[asked.group].tolist()}))
        made = {(row["family"], row["speaker"]) for row in read(asked.output)}
        left = [(family, one) for one in speakers for family in FAMILIES if (family, one) not in made]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(asked.processes, spawn) as pool, asked.output.open("a") as file:
            futures = [pool.submit(measure, asked, family, one, speakers) for family, one in left]
            for future in as_completed(futures):
                for row in future.result():
                    file.write(json.dumps(row) + "\n")
                file.flush()
    table(read(asked.table or asked.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
