"""How often real texts score above their own sentences shuffled: what the measures of coherence are worth.

Texts are the prose that comes with Python and the packages this project needs: the language reference in
`pydoc_data` and long docstrings, paragraphs that are sentences only, the first 40 sentences of each. Texts with fewer
than 12 are left out, and those with more than a tenth of their sentences in common with others. Half of the texts,
drawn by a hash of their names, served to develop the measures (`--half developed`); the other half is reported.

Each text is paired with its own sentences in random orders, with fixed seeds. A measure wins a pair if it scores the
real order higher; a tie counts as half. Intervals are 95 % bootstrap intervals over texts. For comparison the mean
scores of the real texts are shown, of the shuffled ones, of texts whose words are shuffled over all sentences, and of
one sentence repeated, the longest of the text's first three.

A file given as argument is a check on text of another kind: its paragraphs, without a first line that ends in a colon
(the speaker in a play), are taken for sentences, in windows of 20.

Not shown: agreement with human judgement, and any use on text that is not English.

Ends with exit code 1 if the combination wins fewer than 80 % of the pairs on either kind of text (unless
`--no-check`), 2 if a package or the file is missing.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import re
import sys
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

from signal_model.evaluation.coherence.english import split_sentences
from signal_model.evaluation.coherence.entities import coherence_of

LEAST_SHARE = 0.8  # the bar, for the combination

PACKAGES = ("numpy", "scipy", "pandas", "networkx", "sympy", "torch", "optuna", "sqlalchemy", "hypothesis")
MEASURES = ("entity", "lexical", "semantic", "discourse", "combined")
LEAST_SENTENCES, MOST_SENTENCES = 12, 40
MOST_SHARED = 0.1
SPEECHES = 20

Texts = dict[str, list[str]]  # name -> sentences
Floats = NDArray[np.float64]


def prose(text: str) -> str:
    """The paragraphs of a text that are sentences: flush left, not a heading, list, table or code."""
    underlines = re.compile(r"\n[^\w\s]{3,}\s*(?=\n|$)")
    kept = []
    for block in re.split(r"\n\s*\n", underlines.sub("\n", textwrap.dedent(text.expandtabs()))):
        lines = [line for line in block.split("\n") if line.strip()]
        paragraph = " ".join(line.strip() for line in lines)
        if (
            not any(line[0].isspace() for line in lines)
            and re.match(r"[\"“‘(`*]*[A-Z]", paragraph)
            and re.search(r"[.!?:][\"”’)`*]*$", paragraph)
            and len(paragraph.split()) >= 6
            and sum(c.isalpha() or c == " " for c in paragraph) >= 0.85 * len(paragraph)
        ):
            kept.append(paragraph)
    return "\n\n".join(kept)


def docstrings(folder: Path) -> Iterator[tuple[str, str]]:
    """Long docstrings below a folder, by file and name. Files are read, not imported."""
    left_out = {"tests", "test", "testing", "idlelib", "site-packages", "lib2to3"}
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder)
        source = "" if left_out.intersection(place.parts) else path.read_text(encoding="utf-8", errors="replace")
        if source.count('"""') < 2:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other people's escape sequences
            tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if len(text) > 1200:
                    yield f"{folder.name}/{place}:{getattr(node, 'name', '')}", text


def documents(folders: Sequence[Path]) -> Texts:
    """The language reference and the docstrings below folders, those that are long enough and not copies."""
    found: Texts = {}
    seen: set[str] = set()
    sources = [(f"pydoc:{name}", text) for name, text in sorted(topics.items())]
    for name, text in [*sources, *(pair for folder in folders for pair in docstrings(folder))]:
        sentences = split_sentences(prose(text))[:MOST_SENTENCES]
        if len(sentences) >= LEAST_SENTENCES and sum(s in seen for s in sentences) <= MOST_SHARED * len(sentences):
            seen.update(sentences)
            found[name] = sentences
    return found


def package(name: str) -> Path:
    """Where a package lies."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is missing; install what this needs: pip install -e .[test]")
    return Path(spec.origin).parent


def speeches(text: str) -> Texts:
    """Paragraphs of a file in windows, speakers' names taken off."""
    paragraphs = [re.sub(r"\A[^\n]*:\n", "", block.strip()) for block in re.split(r"\n\s*\n", text)]
    spoken = [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph and not paragraph.endswith(":")]
    return {f"s{i}": spoken[i : i + SPEECHES] for i in range(0, len(spoken) - SPEECHES + 1, SPEECHES)}


def in_half(texts: Texts, half: str) -> Texts:
    """The texts of one half, `developed` or `reported`."""
    odd = half == "reported"
    return {name: text for name, text in texts.items() if sha256(name.encode()).digest()[0] % 2 == odd}


def scores(sentences: Sequence[str]) -> Floats:
    """The measures of one text, and their combination."""
    found = coherence_of(sentences)
    return np.array([getattr(found, measure) for measure in MEASURES])


def generator(name: str) -> np.random.Generator:
    """A source of random orders for each text, whatever other texts there are."""
    return np.random.default_rng(list(sha256(name.encode()).digest()))


@dataclass(frozen=True)
class Outcome:
    """Per text (rows) and measure (columns)."""

    won: Floats  # share of pairs, ties as half
    tied: Floats
    real: Floats
    shuffled: Floats
    words_shuffled: Floats
    repeated: Floats


def compare(texts: Texts, shuffles: int) -> Outcome:
    """Every text against its own sentences in random orders."""
    rows: list[tuple[Floats, ...]] = []
    for name, sentences in texts.items():
        random = generator(name)
        real = scores(sentences)
        others = [scores([sentences[i] for i in random.permutation(len(sentences))]) for _ in range(shuffles)]
        shuffled = np.array(others)
        tied = np.abs(real - shuffled) <= 1e-12
        won = np.where(tied, 0.5, real > shuffled)
        words = random.permutation([word for sentence in sentences for word in sentence.split()])
        ends = np.cumsum([len(sentence.split()) for sentence in sentences])[:-1]
        salad = [" ".join(part) for part in np.split(words, ends)]
        copies = [max(sentences[:3], key=len)] * len(sentences)
        rows.append((won.mean(0), tied.mean(0), real, shuffled.mean(0), scores(salad), scores(copies)))
    return Outcome(*(np.array(column) for column in zip(*rows, strict=True)))


def interval(shares: Floats, resamples: int = 10_000) -> Floats:
    """2.5 % and 97.5 % quantiles (2, measures) of the mean over resampled texts."""
    random = np.random.default_rng(0)
    counts = random.multinomial(len(shares), np.full(len(shares), 1 / len(shares)), size=resamples)
    bounds: Floats = np.quantile(counts @ shares / len(shares), [0.025, 0.975], axis=0)
    return bounds


def print_rows(label: str, found: Outcome, shuffles: int) -> None:
    low, high = interval(found.won)
    texts = len(found.won)
    for column, measure in enumerate(MEASURES):
        share = f"{found.won[:, column].mean():.1%} ({low[column]:.1%}–{high[column]:.1%})"
        kinds = (found.real, found.shuffled, found.words_shuffled, found.repeated)
        means = " | ".join(f"{kind[:, column].mean():.3f}" for kind in kinds)
        ties = f"{found.tied[:, column].mean():.1%}"
        print(f"| {label} | {measure} | {share} | {ties} | {texts} | {texts * shuffles:,} | {means} |")


def main() -> int:
    parser = argparse.ArgumentParser(description="How often real texts score above their own sentences shuffled.")
    parser.add_argument("file", type=Path, nargs="?", help="text of another kind to check on as well")
    parser.add_argument("--shuffles", type=int, default=20, help="per text (%(default)s)")
    parser.add_argument("--half", choices=("reported", "developed"), default="reported", help="(%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    if options.shuffles < 1:
        parser.error(f"--shuffles: at least 1, got {options.shuffles}")
    try:
        folders = [Path(sysconfig.get_paths()["stdlib"]), *map(package, PACKAGES)]
        other = options.file.read_text(encoding="utf-8") if options.file else ""
    except (ModuleNotFoundError, OSError, UnicodeDecodeError) as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 2
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    print(f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}, {versions}\n")
    collections = {"documentation": documents(folders)}
    if options.file:
        collections[options.file.name] = speeches(other)
    print("| texts | measure | pairs won (95 %) | tied | texts | pairs | real | shuffled | words shuffled | repeated |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    missed = []
    for label, texts in collections.items():
        chosen = in_half(texts, options.half)
        if not chosen:
            print(f"{Path(__file__).name}: {label}: too few paragraphs", file=sys.stderr)
            return 2
        found = compare(chosen, options.shuffles)
        print_rows(label, found, options.shuffles)
        share = found.won[:, -1].mean()
        if share < LEAST_SHARE:
            missed.append(f"{label}: the combination wins {share:.1%} of the pairs; the bar is {LEAST_SHARE:.0%}")
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed and not options.no_check else 0


if __name__ == "__main__":
    sys.exit(main())
