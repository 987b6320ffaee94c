"""The cache of tokens survives damage, other processes and a kill."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signal_model.config import CorpusConfig, FilesCorpusConfig, TokenizerConfig
from signal_model.data import corpus as module
from signal_model.data.corpus import Corpus, cache_directory, load_corpus
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.support.errors import InputError
from tests.tools import forks
from tests.tools.corpora import BYTES, PROSE, files, write

BPE = TokenizerConfig(kind="bpe", size=300)


@pytest.fixture
def prose(tmp_path: Path) -> FilesCorpusConfig:
    return files(str(write(tmp_path / "prose", PROSE)))


def content(corpus: Corpus) -> list[bytes]:
    return [getattr(corpus, name).tobytes() for name in module.SPLITS]


def test_settings_and_text_have_entries_of_their_own(prose: FilesCorpusConfig, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = load_corpus(prose, BPE, cache)
    assert first.train.dtype == np.uint16
    assert first.tokenizer.byte_lengths[first.train].sum() == load_corpus(prose, BYTES, cache).train.astype(bool).sum()
    load_corpus(prose, TokenizerConfig(kind="bpe", size=301), cache)
    write(tmp_path / "prose", ["changed"])
    load_corpus(prose, BPE, cache)
    assert len(list(cache.iterdir())) == 4
    meta = json.loads((cache / first.content_hash / "meta.json").read_text())
    assert meta["tokens"] == {name: len(getattr(first, name)) for name in module.SPLITS}
    assert (meta["dtype"], meta["name"]) == ("<u2", first.name)


def damage_nothing(entry: Path) -> None:
    pass


def damage_size(entry: Path) -> None:
    os.truncate(entry / "test.bin", 10)


def damage_file(entry: Path) -> None:
    (entry / "train.bin").unlink()


def damage_tokenizer(entry: Path) -> None:
    (entry / "tokenizer.json").write_text(ByteTokenizer().to_json())


def damage_meta(entry: Path) -> None:
    (entry / "meta.json").write_text("[]")


def damage_counts(entry: Path) -> None:
    (entry / "meta.json").write_text('{"tokens": {"train": 3}}')


@pytest.mark.parametrize(
    "damage", [damage_nothing, damage_size, damage_file, damage_tokenizer, damage_meta, damage_counts]
)
def test_what_is_cached_is_used_unless_damaged(
    prose: FilesCorpusConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    cache = tmp_path / "cache"
    first = load_corpus(prose, BPE, cache)
    before = content(first)
    damage(cache / first.content_hash)
    if damage is damage_nothing:
        monkeypatch.setattr(module, "_build", None)
    second = load_corpus(prose, BPE, cache)
    assert content(second) == before
    assert [entry.name for entry in cache.iterdir()] == [first.content_hash]
    monkeypatch.setattr(module, "_build", None)
    assert content(load_corpus(prose, BPE, cache)) == before


@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.parametrize("what_happens", ["another process is done", "the entry disappears"])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_others_may_be_faster_at_every_step(
    prose: FilesCorpusConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_damaged: bool,
    what_happens: str,
    step: int,
) -> None:
    wanted = load_corpus(prose, BYTES, tmp_path / "cache of my own")
    cache = tmp_path / "cache"
    entry = cache / wanted.content_hash
    if is_damaged:
        load_corpus(prose, BYTES, cache)
        damage_size(entry)
    rename, steps = os.rename, []

    def slow_rename(source: Path, target: Path) -> None:
        steps.append(source.name)
        if len(steps) == step:
            with monkeypatch.context() as others:
                others.setattr(os, "rename", rename)
                if what_happens == "another process is done":
                    load_corpus(prose, BYTES, cache)
                else:
                    shutil.rmtree(entry, ignore_errors=True)
        rename(source, target)

    monkeypatch.setattr(os, "rename", slow_rename)
    loaded = load_corpus(prose, BYTES, cache)
    assert 1 <= len(steps) <= 3
    assert content(loaded) == content(wanted)
    if step == 1 and what_happens == "another process is done":
        assert steps == steps[:1]
        assert Path(loaded.train.filename).parent == entry  # the winner's, not the copy that was discarded
    assert [left.name for left in cache.iterdir()] == [entry.name]
    assert module._open(entry, BYTES) is not None


def load_and_damage(corpus: CorpusConfig, cache: Path, barrier: Any, results: Any, is_vandal: bool) -> None:
    for number in range(20):
        barrier.wait(60)
        loaded = load_corpus(corpus, BYTES, cache)
        results.put((loaded.content_hash, content(loaded)))
        barrier.wait(60)
        if is_vandal and number % 3 == 0:
            shutil.rmtree(cache / loaded.content_hash)
        elif is_vandal and number < 19:
            (cache / loaded.content_hash / "test.bin").unlink()


def die_before_installing(corpus: CorpusConfig, cache: Path) -> None:
    module._install = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    load_corpus(corpus, BYTES, cache)


def test_processes_share_a_cache_and_may_be_killed(prose: FilesCorpusConfig, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    forked = forks.context()
    barrier, results = forked.Barrier(3), forked.Queue()
    killed = forked.Process(target=die_before_installing, args=(prose, cache))
    others = [forked.Process(target=load_and_damage, args=(prose, cache, barrier, results, n == 0)) for n in range(3)]
    killed.start()
    killed.join(300)  # before the others: once they have the corpus in the cache, there is nothing to install
    for process in others:
        process.start()
    seen = [results.get(timeout=300) for _ in range(3 * 20)]
    for process in others:
        process.join(300)
    assert [killed.exitcode, *(process.exitcode for process in others)] == [-signal.SIGKILL, 0, 0, 0]
    corpus = load_corpus(prose, BYTES, tmp_path / "cache of my own")
    assert seen == [(corpus.content_hash, content(corpus))] * 60
    left = sorted(cache.iterdir())
    assert left[-1].name == corpus.content_hash
    assert len(left) <= 2  # and what the killed process had written, hidden
    assert all(entry.name.startswith(".") for entry in left[:-1])


def test_an_unwritable_cache_is_an_input_error(prose: FilesCorpusConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"^.*/file/cache: .* Not a directory; set \$SIGNAL_MODEL_CACHE"):
        load_corpus(prose, BYTES, tmp_path / "file" / "cache")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/fourier")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.delenv("SIGNAL_MODEL_CACHE", raising=False)
    assert cache_directory() == Path("/home/fourier/.cache/signal_model")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/xdg/signal_model")
    monkeypatch.setenv("SIGNAL_MODEL_CACHE", "~/mine")
    assert cache_directory() == Path("/home/fourier/mine")
