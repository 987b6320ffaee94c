"""Real order beats random order; each measure by hand on texts small enough; what cannot fool them."""

import itertools
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.coherence import LEAST_SHARE, MEASURES, Texts, compare, documents, in_half, interval, package
from signal_model.evaluation.coherence import entities as module
from signal_model.evaluation.coherence.english import FUNCTION_WORDS, Phrase, Sentence, parse, split_sentences, stem
from signal_model.evaluation.coherence.entities import (
    coherence,
    coherence_of,
    discourse_links,
    entity_links,
    lexical_links,
    order_score,
    repetition,
    semantic_links,
)

ALL_LINKS = (entity_links, lexical_links, semantic_links, discourse_links)
WORDS = ["the", "a", "cat", "dogs", "waves", "it", "they", "is", "sleeps", "of", "however", "first", "Paris", "7", "."]
sentences = st.lists(
    st.text(max_size=30) | st.lists(st.sampled_from(WORDS)).map(" ".join),
    min_size=3,
    max_size=12,
)


@pytest.fixture(scope="module")
def texts() -> Texts:
    """Prose that the measures were not developed on."""
    return in_half(documents([package("numpy"), package("networkx")]), "reported")


def parsed(*texts: str) -> list[Sentence]:
    return [parse(text) for text in texts]


def test_real_texts_score_above_their_sentences_shuffled(texts: Texts) -> None:
    found = compare(texts, shuffles=5)
    shares = dict(zip(MEASURES, found.won.mean(0), strict=True))
    assert len(texts) >= 40
    assert shares["combined"] >= LEAST_SHARE, shares
    assert (interval(found.won)[0] > 0.7).all(), shares  # every measure is far from chance
    real, others = found.real[:, -1].mean(), (found.shuffled, found.words_shuffled, found.repeated)
    assert all(real > other[:, -1].mean() + 0.05 for other in others)
    assert found.repeated[:, -1].max() < 0.1


def test_score_of_links() -> None:
    links = np.array([[9, 1, 0], [0, 9, 1], [0, 0, 9]], dtype=float)
    # N = (1/2 · 1 + 1/4 · 0) / (3/4), E = 2 / 6.
    assert order_score(links) == pytest.approx((2 / 3) / (2 / 3 + 1 / 3 + 0.02))
    assert order_score(np.zeros((3, 3))) == 0


def test_random_order_scores_a_half_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_LINK", 0.0)
    links = np.random.default_rng(0).random((5, 5))
    orders = [list(order) for order in itertools.permutations(range(5))]
    scores = np.array([order_score(links[np.ix_(order, order)]) for order in orders])
    assert np.mean(scores / (1 - scores)) == pytest.approx(1)  # N / E


def test_lexical_by_hand() -> None:
    links = lexical_links(parsed("Cats sleep.", "Cats purr!", "Dogs bark."))
    # Squares of weights: log 4/2 for "cats", log 4/1 for the others.
    assert links[0, 1] == pytest.approx(log(2) / (1 + sqrt(log(2) + log(4))))
    assert links[0, 2] == links[1, 2] == 0


def test_entity_by_hand() -> None:
    links = entity_links(parsed("The cat is on a mat.", "A dog has the cat.", "It rains quickly."))
    # cat: subject 3, then object 2; mat: other 1; dog: subject 3. "rains quickly" ends no noun phrase.
    lengths = sqrt(9 * log(2) + 1 * log(4)), sqrt(9 * log(4) + 4 * log(2))
    assert links[0, 1] == pytest.approx(3 * 2 * log(2) / sqrt((1 + lengths[0]) * (1 + lengths[1])))
    assert not links[2].any()


def test_semantic_by_hand() -> None:
    links = semantic_links(parsed("tea cup", "coffee cup", "rain"))
    a, b = log(9 / 8), log(9 / 4)  # information of cup with itself, tea and coffee; of tea or coffee with itself
    tea_coffee, tea_cup = a * a / (a * a + b * b), (a * a + a * b) / (sqrt(a * a + b * b) * sqrt(3) * a)
    tea, cup = sqrt(2 / 3), sqrt(1 / 3)  # weights in a sentence
    assert links[0, 1] == pytest.approx(tea * tea * tea_coffee + 2 * tea * cup * tea_cup)
    assert links[0, 2] == pytest.approx(0, abs=1e-12)


def test_discourse_by_hand() -> None:
    links = discourse_links(
        parsed("A cat is here.", "The cat is there.", "She is too, otherwise.", "If it is, she is.")
    )
    # log 5/2 for the cat, offered with 1.5 and needed with 1; nothing offered before needs what comes later.
    cat = sqrt(log(5 / 2))
    assert links[0, 1] == pytest.approx(1.5 * cat * cat / sqrt((1 + 1.5 * cat) * (1 + cat)))
    assert links[1, 0] == 0
    # "she" goes both ways; "otherwise" needs the "if", not the other way round.
    assert links[3, 2] > links[2, 3] > 0


@settings(max_examples=50)
@given(sentences, st.randoms(use_true_random=False))
def test_links_do_not_depend_on_order(texts: list[str], random: object) -> None:
    read = parsed(*texts)
    order = list(range(len(read)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for links in ALL_LINKS:
        expected = links(read)[np.ix_(order, order)]
        np.testing.assert_allclose(links([read[i] for i in order]), expected, atol=1e-9)


@settings(max_examples=50)
@given(sentences)
def test_scores_are_shares_and_repeatable(texts: list[str]) -> None:
    found = coherence_of(texts)
    assert found == coherence_of(texts)
    values = [getattr(found, name) for name in (*MEASURES, "repetition", "function_words")]
    assert all(0 <= value <= 1 for value in values), found
    assert found.sentences == len(texts)


def test_saying_it_again_does_not_pay(texts: Texts) -> None:
    text = texts[max(texts, key=lambda name: len(texts[name]))][:20]
    real = coherence_of(text).combined
    for cheat in ([text[0]] * 20, text[:2] * 10, text[:5] * 4, [s for s in text[:10] for _ in "ab"], text[:10] * 2):
        assert coherence_of(cheat).combined < 0.8 * real
    assert repetition(["one two three four five six", "one two three four five", "Six."]) == 1 - 3 / 4


def test_long_texts_score_the_mean_of_their_windows(texts: Texts) -> None:
    first, second = list(itertools.chain(*texts.values()))[:100:2], list(itertools.chain(*texts.values()))[1:101:2]
    whole, parts = coherence_of(first + second), (coherence_of(first), coherence_of(second))
    for name in ("entity", "lexical", "semantic", "discourse"):
        assert getattr(whole, name) == pytest.approx(np.mean([getattr(part, name) for part in parts]))


@pytest.mark.parametrize("text", ["", "One is here. Two are there.", "." * 200_000, "A. " * 50_000, "\n \n" * 50_000])
def test_too_little_to_judge(text: str) -> None:
    with pytest.raises(ValueError, match=r"at least 3 sentences, got [012]$"):
        coherence(text)


def test_other_languages_are_told_by_their_function_words(texts: Texts) -> None:
    french = "Le chat noir dort sur le tapis. Il rêve de souris. Les souris mangent le fromage. Le fromage sent bon."
    assert coherence(french).function_words < 0.1
    assert min(coherence_of(text).function_words for text in texts.values()) > 0.25


def test_splitting() -> None:
    text = (
        'Waves (e.g. Fig. 3) decay. "Do they?" he asked. J. Fourier did!\nIt is 3.5 dB…  And\n\nheading\n\n---\n\nEnd'
    )
    assert split_sentences(text) == [
        "Waves (e.g. Fig. 3) decay.",
        '"Do they?" he asked.',
        "J. Fourier did!",
        "It is 3.5 dB…",
        "And",
        "heading",
        "End",
    ]


def test_parsing() -> None:
    assert parse("The causal kernel doesn’t see a token of tomorrow, it's said.") == Sentence(
        (
            Phrase(("causal", "kernel"), "definite", preposition=False, noun=True, opening=True),
            Phrase(("see",), "", preposition=False, noun=False, opening=False),
            Phrase(("token",), "indefinite", preposition=False, noun=True, opening=False),
            Phrase(("tomorrow",), "", preposition=True, noun=True, opening=False),
            Phrase(("said",), "", preposition=False, noun=False, opening=False),
        ),
        ("the", "doesn't", "a", "of", "it"),
    )
    assert len({stem(word) for word in ("mix", "mixed", "mixing", "mixes")}) == 1
    assert len({stem(word) for word in ("stop", "stops", "stopped", "stopping")}) == 1


def test_every_cue_is_a_word_that_parsing_keeps_whole() -> None:
    assert {*module._PRONOUNS, *module._ANNOUNCED, *module._ANNOUNCING} <= FUNCTION_WORDS
