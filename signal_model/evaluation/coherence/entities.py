"""Does a text hang together? Four measures of the order of its sentences, for English prose, with no trained model.

Each measure says how strongly a sentence is linked to a later one: through the entities both mention, the words both
use, different words that keep the same company, or expressions that need an antecedent. A text is coherent where
sentences that stand close are linked more strongly than any two of its sentences are on average:

    score = N / (N + E + ε),    N = Σ_d 2^-d · mean_i link(i, i + d) / Σ_d 2^-d,  d = 1 … 6

E is the mean link over all ordered pairs of sentences. That is what N is expected to be when the same sentences stand
in random order, so such a text scores just below 0.5, however repetitive it is, and one without any links scores 0. ε
keeps a few links in a text that has hardly any from counting as order. Nine in ten texts of documentation
score between 0.48 and 0.63. These are measures of order: they say nothing about truth, grammar or style, and a text
read backwards keeps three of its four scores.

A long text is cut into windows of at most 50 sentences, and scores the mean of its windows. So a change
of subject between chapters is no gain, and time grows linearly. Compare texts of similar length, or of more than 50
sentences: the shorter a text, the more of its sentences are near each other in any order, and the nearer to 0.5 it is.

A text can also gain links by saying everything twice. `repetition` is the share of its five-word sequences that it has
already used, whatever the order of its sentences, and scales the combination down.

`benchmarks/coherence.py` shows how often real texts score above their own sentences shuffled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from signal_model.evaluation.coherence.english import Sentence, parse, split_sentences, stem

LEAST_SENTENCES = 3

_WINDOW = 50  # sentences
_DISTANCES = 6
_LEAST_LINK = 0.02  # ε; typical links of real prose are ten times as strong
_VOCABULARY = 2000  # words of a window that get a vector, the most frequent ones; bounds time and memory
_REPEATED = 5  # words in a sequence whose repetition counts
_SUBJECT, _OBJECT, _OTHER = 3.0, 2.0, 1.0  # Guinaudeau & Strube 2013, section 3.1
_INTRODUCED = 1.5  # an antecedent with an indefinite determiner, against 1 for any other
_GIVEN = 0.5  # need of the words that open a sentence, against 1 for a definite noun phrase

_PRONOUNS = {
    form: person
    for person, forms in {
        "#i": "i me my mine myself",
        "#we": "we us our ours",
        "#you": "you your yours thou thee thy thine ye",
        "#he": "he him his himself",
        "#she": "she her hers herself",
        "#it": "it its itself",
        "#they": "they them their theirs themselves",
    }.items()
    for form in forms.split()
}
# What announces a connective, and the connectives that need it.
_ANNOUNCED = {
    "if": "#if",
    "when": "#if",
    "whether": "#if",
    "suppose": "#if",
    "let": "#if",
    "since": "#since",
    "because": "#since",
    "first": "#first",
    "second": "#second",
}
_ANNOUNCING = {
    "otherwise": "#if",
    "then": "#if",
    "therefore": "#since",
    "thus": "#since",
    "hence": "#since",
    "second": "#first",
    "finally": "#first",
    "third": "#second",
}

Weights = Mapping[str, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coherence:
    """Scores of one text, each in [0, 1]; each measure gives the same sentences in random order about 0.5.

    English prose has 0.35 to 0.65 `function_words`. Code and other languages have fewer, and scores that mean nothing.
    """

    entity: float
    lexical: float
    semantic: float
    discourse: float
    repetition: float  # share of five-word sequences that occurred before
    function_words: float  # share of words that are English function words
    sentences: int

    @property
    def combined(self) -> float:
        """The mean of the four measures, scaled by what is not repetition."""
        return (self.entity + self.lexical + self.semantic + self.discourse) / 4 * (1 - self.repetition)


def coherence(text: str) -> Coherence:
    """Coherence of an English text. Raises ValueError where it holds fewer than three sentences."""
    return coherence_of(split_sentences(text))


def coherence_of(sentences: Sequence[str]) -> Coherence:
    """Coherence of sentences in their order. Raises ValueError for fewer than three."""
    if len(sentences) < LEAST_SENTENCES:
        raise ValueError(f"coherence needs at least {LEAST_SENTENCES} sentences, got {len(sentences)}")
    parsed = _with_stems([parse(sentence) for sentence in sentences])
    count = -(-len(parsed) // _WINDOW)
    cuts = [len(parsed) * i // count for i in range(count + 1)]
    windows = [parsed[first:last] for first, last in pairwise(cuts)]
    measures = (entity_links, lexical_links, semantic_links, discourse_links)
    scores = np.mean([[order_score(links(window)) for links in measures] for window in windows], axis=0)
    entity, lexical, semantic, discourse = scores.tolist()
    function_words = sum(len(sentence.function_words) for sentence in parsed)
    words = function_words + sum(len(sentence.words) for sentence in parsed)
    return Coherence(
        entity=entity,
        lexical=lexical,
        semantic=semantic,
        discourse=discourse,
        repetition=repetition(sentences),
        function_words=function_words / max(1, words),
        sentences=len(sentences),
    )


def order_score(links: Floats) -> float:
    """`N / (N + E + ε)` of links (n, n), n at least 2, from each sentence, a row, to every other, a column."""
    size = len(links)
    distances = range(1, min(_DISTANCES, size - 1) + 1)
    weights = [2.0**-distance for distance in distances]
    near = max(0.0, np.dot([np.diagonal(links, distance).mean() for distance in distances], weights) / sum(weights))
    expected = max(0.0, (links.sum() - np.trace(links)) / (size * (size - 1)))
    return float(near / (near + expected + _LEAST_LINK))


def entity_links(sentences: Sequence[Sentence]) -> Floats:
    """Links (n, n) through entities that two sentences mention.

    The entity grid of Barzilay & Lapata (2008), read without training as the graph of Guinaudeau & Strube (2013):
    `link(i, j) = Σ_e w(e, i) w(e, j)`, their projection P_Acc, with weights w of 3 for a subject, 2 for an object and 1
    for any other mention. The discount 2^-d of `order_score` stands for their 1/d; weights are scaled by rarity.

    Lacking a parser, an entity is a word that ends at least one noun phrase of the text; it is a subject before the
    first auxiliary verb, an object after it, and other after a preposition.
    """
    entities = {phrase.words[-1] for sentence in sentences for phrase in sentence.phrases if phrase.noun}
    grid: list[Weights] = []
    for sentence in sentences:
        row: dict[str, float] = {}
        for phrase in sentence.phrases:
            role = _OTHER if phrase.preposition else _SUBJECT if phrase.opening else _OBJECT
            for word in entities.intersection(phrase.words):
                row[word] = max(row.get(word, 0), role)
        grid.append(row)
    weights = _table(grid)
    weights = _damped(weights * _rarity(weights))
    return weights @ weights.T


def lexical_links(sentences: Sequence[Sentence]) -> Floats:
    """Links (n, n) through content words that two sentences share, by stem and weighted by rarity.

    Lexical cohesion by repetition (Halliday & Hasan 1976), as Hearst (1997) scores it between blocks of text.
    """
    words = _table([dict.fromkeys(sentence.words, 1.0) for sentence in sentences])
    words = _damped(words * _rarity(words))
    return words @ words.T


def semantic_links(sentences: Sequence[Sentence]) -> Floats:
    """Links (n, n) through different words of similar use.

    The vector of a word holds its positive pointwise mutual information with every word (Bullinaria & Levy 2007),
    counted within the sentences of this text and so blind to their order. `link(i, j) = Σ cos(v, w)` over all words v
    of i and w of j that differ: what `lexical_links` sees does not count again. Words are weighted by rarity, sentences
    of unit length.
    """
    counts = Counter(word for sentence in sentences for word in set(sentence.words))
    known = dict.fromkeys(sorted(counts, key=lambda word: (-counts[word], word))[:_VOCABULARY], 1.0)
    present = _table([{word: 1.0 for word in sentence.words if word in known} for sentence in sentences])  # (n, V)
    together = present.T @ present
    sums = together.sum(0)
    expected = np.outer(sums, sums) / max(1.0, sums.sum())
    information = np.log(np.maximum(together, expected) / expected)  # max(0, log(together / expected))
    vectors = _unit(information)
    words = _unit(present * _rarity(present))
    passages = words @ vectors
    own = np.einsum("vd,vd->v", vectors, vectors)  # the cosine of a word with itself, which does not count
    links: Floats = passages @ passages.T - (words * own) @ words.T
    return links


def discourse_links(sentences: Sequence[Sentence]) -> Floats:
    """Links (n, n) from antecedents to expressions that need one. The only measure that knows before from after.

    `link(i, j) = Σ_e offer(e, i) need(e, j)`. Words in a definite noun phrase need an earlier mention; words that open
    a sentence do so by half (given before new: Halliday 1967, Prince 1981); a mention with an indefinite determiner
    offers more than any other. A pronoun needs one of its person; `otherwise`, `therefore`, `second` and their like
    need what announces them.
    """
    offers: list[Weights] = []
    needs: list[Weights] = []
    for sentence in sentences:
        offer: dict[str, float] = {}
        need: dict[str, float] = {}
        for phrase in sentence.phrases:
            introduced = phrase.determiner == "indefinite"
            wanted = 1.0 if phrase.determiner == "definite" else _GIVEN if phrase.opening and not introduced else 0.0
            for word in phrase.words:
                offer[word] = max(offer.get(word, 0), _INTRODUCED if introduced else 1.0)
                need[word] = max(need.get(word, 0), wanted)
        for word in sentence.function_words:
            if person := _PRONOUNS.get(word):
                offer[person] = need[person] = 1.0
            if announced := _ANNOUNCED.get(word):
                offer[announced] = 1.0
            if announcing := _ANNOUNCING.get(word):
                need[announcing] = 1.0
        offers.append(offer)
        needs.append(need)
    offered, needed = np.split(_table(offers + needs), 2)
    rarity = _rarity(offered)
    return _damped(offered * rarity) @ _damped(needed * rarity).T


def repetition(sentences: Iterable[str]) -> float:
    """Share of five-word sequences that occurred before, in [0, 1); a shorter sentence is one sequence."""
    sequences: Counter[tuple[str, ...]] = Counter()
    for sentence in sentences:
        words = sentence.lower().split()
        sequences.update(tuple(words[i : i + _REPEATED]) for i in range(max(1, len(words) - _REPEATED + 1)))
    return 1 - len(sequences) / sequences.total()


def _with_stems(sentences: list[Sentence]) -> list[Sentence]:
    stems = {word: stem(word) for word in {word for sentence in sentences for word in sentence.words}}
    return [
        sentence._replace(
            phrases=tuple(
                phrase._replace(words=tuple(map(stems.__getitem__, phrase.words))) for phrase in sentence.phrases
            )
        )
        for sentence in sentences
    ]


def _table(rows: Sequence[Weights]) -> Floats:
    """Weights (rows, names). Columns are sorted, so that sums do not depend on the order of the rows."""
    names = sorted({name for row in rows for name in row})
    number = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(rows), len(names)))
    for index, row in enumerate(rows):
        table[index, [number[name] for name in row]] = list(row.values())
    return table


def _rarity(table: Floats) -> Floats:
    """Square root of the logarithm of (n + 1) / (sentences with the word): less steep than the usual weight, (V,)."""
    rarity: Floats = np.sqrt(np.log((len(table) + 1) / np.maximum(np.count_nonzero(table, axis=0), 1)))
    return rarity


def _unit(table: Floats) -> Floats:
    """Rows of length 1; rows of zeros stay."""
    lengths: Floats = np.linalg.norm(table, axis=1, keepdims=True)
    return table / np.maximum(lengths, 1e-12)


def _damped(table: Floats) -> Floats:
    """Rows x / √(1 + |x|): long sentences weigh more than short ones, but not in proportion."""
    lengths: Floats = np.linalg.norm(table, axis=1, keepdims=True)
    return table / np.sqrt(1 + lengths)
