"""The text of a run, which may have been moved since but not changed."""

from __future__ import annotations

import json
from collections.abc import Callable

from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from signal_model.config import CorpusConfig
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.support.errors import InputError


def corpus_of(folder: RunFolder, space: SearchSpace, say: Callable[[str], None] = lambda text: None) -> Corpus:
    """The text of a run. Raises InputError if it has changed since it began, or cannot be read."""
    try:
        corpus = load_corpus(space.corpus, space.tokenizer, say=say)
    except InputError as error:
        raise InputError(f"{folder.path}: {error}; if its text was moved, --corpus says where it is") from None
    if corpus.content_hash != folder.settings.corpus.hash:
        raise InputError(
            f"{folder.path}: the corpus has changed since the run began ({folder.settings.corpus.name}, "
            f"now {corpus.name}); what comes of it could not be compared"
        )
    return corpus


def with_text_at(folder: RunFolder, corpus: CorpusConfig | None) -> RunFolder:
    """The same run with its text read from another place, if one is given, from now on.

    Raises InputError unless that is the same text.
    """
    space = folder.space()
    if corpus is None or corpus == space.corpus:
        return folder
    corpus_of(folder, space.model_copy(update={"corpus": corpus}))
    return folder.overridden(f"corpus={json.dumps(corpus.to_dict())}")
