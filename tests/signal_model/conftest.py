"""A small corpus, for tests that train."""

from __future__ import annotations

from pathlib import Path

import pytest

from signal_model.config import FilesCorpusConfig, TokenizerConfig
from signal_model.data.corpus import Corpus, load_corpus


@pytest.fixture(scope="session")
def corpus(text_folder: Path) -> Corpus:
    """Bytes of real text. Tests read it only."""
    return load_corpus(FilesCorpusConfig(path=str(text_folder)), TokenizerConfig())
