"""Sentences of a Markdown page, and how long they are: what is read, not what is looked at.

    python -m tests.tools.prose docs/*.md

Left out are code, tables, formulas, headings, pictures and raw HTML. An item of a list ends a sentence, as a reader
takes it; a colon or a semicolon does not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

# What begins a line that continues none: a heading, an item of a list, a table, a quotation, a directive, HTML.
APART = re.compile(r"^\s*(#{1,6} |[-*+] |\d+\. |\||>|!!! |::: |<)")
ITEM = re.compile(r"^\s*([-*+]|\d+\.) +")
# Ends with no sentence after them.
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|et al|etc|vs|no|eq|cf|St|approx)\.(?= )")
END = re.compile(r"(?<=[.!?])[)\"”*_]*\s+(?=[\"“(*_]*[A-ZÀ-ÞΑ-Ω0-9`])")


def paragraphs(page: str) -> Iterator[str]:
    """The runs of prose of a page, without their marks."""
    page = re.sub(r"\A---\n.*?\n---\n", "", page, flags=re.DOTALL)
    page = re.sub(r"^( *)(```|~~~).*?^\1\2 *$", "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"^\$\$.*?\$\$ *$", "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)
    block: list[str] = []
    for line in [*page.splitlines(), ""]:
        if not line.strip() or APART.match(line):
            if block:
                yield " ".join(block)
            block = []
        if ITEM.match(line) or (line.strip() and not APART.match(line)):
            block.append(ITEM.sub("", line).strip())


def sentences(page: str) -> list[str]:
    """All sentences of a page, in order; `code`, a formula and a link's text count as they are read."""
    found = []
    for text in paragraphs(page):
        text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
        text = re.sub(r"`[^`]+`", "Code", text)
        text = re.sub(r"\$[^$]+\$", "Formula", text)
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        text = ABBREVIATIONS.sub(r"\1", text)
        found += [sentence for sentence in END.split(text) if words(sentence)]
    return found


def words(sentence: str) -> int:
    """How many words a sentence has: what is set off by spaces and holds a letter or a digit."""
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def main(paths: list[str]) -> None:
    """A line for each page, and its longest sentences."""
    for path in paths:
        found = sorted(sentences(Path(path).read_text()), key=words, reverse=True)
        lengths = [words(sentence) for sentence in found]
        if not lengths:
            continue
        print(f"{path}: mean {mean(lengths):.1f}, longest {lengths[0]}, {len(found)} sentences")
        for sentence, length in zip(found, lengths, strict=True):
            if length > 45:
                print(f"    {length}: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
