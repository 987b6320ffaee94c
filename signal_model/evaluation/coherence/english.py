"""English prose without a model: sentences, phrases and stems from closed lists of words.

Good enough to count with, no parser: which words are nouns, and which a verb opens, is guessed from the function words
around them. Text in another language has none of these words, so nothing here fits it.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Determiner = Literal["definite", "indefinite", ""]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABBREVIATIONS = _words(
    "e.g i.e cf vs mr mrs ms dr st fig figs eq eqs sec ref refs vol al approx prof jr sr inc pp resp"
)
# Runs of marks are matched whole and from their start only, so that a megabyte of dots takes linear time.
_END = re.compile(r"(?<![.!?…])([.!?…]++)[\"”’)\]`*]*+(?=\s[\"“‘(\[`*]*+[\w_]|$)")
_TOKEN = re.compile(r"[^\W\d_]\w*?n't\b|[^\W\d_]\w*|'(?:s|ll|re|ve|d|m)\b|[^\w\s]")

INDEFINITE = _words("a an another some any each every no one two three several many few all most different new")
DEFINITE = _words("the this that these those such same both my your his her its our their thy thine")
PREPOSITIONS = _words(
    """
    about above across against along among around as at before behind below beneath beside between beyond by
    during for from in inside into like near of off on onto out outside over past per since than through
    throughout to toward towards under until up upon via with within without
    """
)
VERBS = _words(
    """
    am are is was were be been being has have had do does did will would shall should can could may might must
    cannot hath doth art wilt shalt not
    """
)
FUNCTION_WORDS = (
    INDEFINITE
    | DEFINITE
    | PREPOSITIONS
    | VERBS
    | _words(
        """
    i you he she it we they me him us them thou thee ye mine yours hers ours theirs myself yourself himself
    herself itself ourselves themselves who whom whose which what other either neither none much more fewer less
    least own only and or but nor so yet if unless because although though while whereas when whenever where
    wherever whether till once after except then there here how why very too just also even still already always
    never often sometimes usually however therefore thus hence moreover furthermore otherwise instead rather
    quite almost perhaps maybe now later again further down doing done having get gets got let lets make makes
    made first second third finally suppose etc
    """
    )
)
_SUFFIXES = (
    ("ational", "ate"),
    ("ization", "ize"),
    ("isation", "ize"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("iveness", "ive"),
    ("ation", "ate"),
    ("sses", "ss"),
    ("ions", "ion"),
    ("edly", ""),
    ("ment", ""),
    ("ies", "y"),
    ("ing", ""),
    ("ed", ""),
    ("es", "e"),
    ("ly", ""),
    ("s", ""),
)


class Phrase(NamedTuple):
    """A run of content words between function words and punctuation: `the [long causal kernel] of`.

    `noun` says that a determiner or preposition precedes it, `opening` that no auxiliary verb does.
    """

    words: tuple[str, ...]  # lower case, not stemmed
    determiner: Determiner
    preposition: bool
    noun: bool
    opening: bool


class Sentence(NamedTuple):
    """A sentence as the measures see it."""

    phrases: tuple[Phrase, ...]
    function_words: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The content words, in order."""
        return [word for phrase in self.phrases for word in phrase.words]


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, in order, spaces collapsed.

    One ends at `.`, `!`, `?` or `…` before a space and a letter that is not lower case, a digit or an underscore, and
    at every blank line. Abbreviations such as `e.g.` and initials end none. Pieces without a letter are dropped.
    """
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        line, start = " ".join(paragraph.split()), 0
        for match in _END.finditer(line):
            word = line[line.rfind(" ", start, match.start()) + 1 : match.start()].lstrip('("“‘[').lower()
            initial = len(word) == 1 and word.isalpha() and word != "i"
            follows = line[match.end() : match.end() + 8].lstrip(' "“‘([`*')[:1]
            if follows.islower() or (match[1] == "." and (initial or word in _ABBREVIATIONS)):
                continue
            found.append(line[start : match.end()].strip())
            start = match.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if any(map(str.isalpha, sentence))]


def parse(sentence: str) -> Sentence:
    """Phrases of content words, and the function words in their order."""
    phrases: list[Phrase] = []
    function_words: list[str] = []
    words: list[str] = []
    determiner: Determiner = ""
    preposition = noun = False
    opening = True

    def close() -> None:
        if words:
            phrases.append(Phrase(tuple(words), determiner, preposition, noun, opening))
            words.clear()

    for token in _TOKEN.findall(sentence.lower().replace("’", "'")):
        verb = token in VERBS or token.endswith("n't")
        if token in FUNCTION_WORDS or verb:
            close()
            function_words.append(token)
            if token in DEFINITE or token in INDEFINITE:
                determiner, noun = "definite" if token in DEFINITE else "indefinite", True
            else:
                # After "to" stands a verb as often as a noun.
                preposition = token in PREPOSITIONS
                determiner, noun = "", preposition and token != "to"
            opening = opening and not verb
        elif token[0].isalpha():
            words.append(token)
        elif token[0] == "'" and len(token) > 1:
            opening = opening and token == "'s"  # the others are short for a verb
        elif token in ".,;:()?!—":
            close()
            determiner, preposition, noun = "", False, False
    close()
    return Sentence(tuple(phrases), tuple(function_words))


def stem(word: str) -> str:
    """A word without its English inflection, roughly: `mixed`, `mixes` and `mixing` become `mix`.

    After Porter (1980), *An algorithm for suffix stripping*, one step only.
    """
    for suffix, replacement in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word[: -len(suffix)] + replacement
            break
    word = re.sub(r"([bdfglmnprt])\1$", r"\1", word)
    return re.sub(r"[ey]$", "", word) if len(word) > 3 else word
