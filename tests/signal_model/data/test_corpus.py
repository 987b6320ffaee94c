"""Tokenizers lose nothing, splits share nothing, the cache survives everything, errors say what to do."""

import bz2
import gzip
import json
import math
import os
import re
import shutil
import signal
import sysconfig
import time
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet
from typer.testing import CliRunner

from signal_model.cli import app
from signal_model.config import (
    CorpusConfig,
    DatasetCorpusConfig,
    FilesCorpusConfig,
    PythonCorpusConfig,
    TokenizerConfig,
)
from signal_model.data import corpus as module
from signal_model.data import text as text_module
from signal_model.data.corpus import Corpus, cache_directory, load_corpus
from signal_model.data.tokenizers import (
    LONGEST_RUN,
    BPETokenizer,
    ByteTokenizer,
    tokenizer_from_json,
    without_long_runs,
)
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_checkpoint
from tests.tools import forks

BYTES = TokenizerConfig()
BPE = TokenizerConfig(kind="bpe", size=300)
PROSE = [f"The {n}th wave carries {n * n} of its neighbours' tones; naïve or not, 🌊.\n" * 5 for n in range(40)]

texts = st.text() | st.lists(
    st.sampled_from(
        [
            "<|endoftext|>",
            "wave",
            " ",
            "\n",
            "\r\n",
            "\t",
            "  ",
            "é",
            "日本",
            "🌊",
            "👩‍🔬",
            "\ufeff",
            "1",
            "'s",
        ]
    )
).map("".join)


# --- tokenizers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return BPETokenizer.train(PROSE, 300)


@given(texts)
@example("a\0b")
def test_bytes_lose_nothing(text: str) -> None:
    tokenizer = ByteTokenizer()
    tokens = tokenizer.encode(text)
    kept = text.replace("\0", "\ufffd")
    assert tokens.dtype == np.uint8
    assert tokenizer.end_of_text not in tokens
    assert tokenizer.decode(tokens) == kept
    assert tokenizer.byte_lengths[tokens].sum() == len(kept.encode())


@given(texts)
@example("a\0b")
@example("\n")
def test_an_alphabet_has_the_bytes_that_occur(text: str) -> None:
    whole = ByteTokenizer()
    occur = sorted({*whole.encode(text).tolist()})
    if not occur:
        return
    tokenizer = ByteTokenizer.of([text[:1], text[1:]], 1 + len(occur))
    tokens = tokenizer.encode(text)
    assert sorted({*tokens.tolist()}) == [*range(1, tokenizer.vocab_size)]
    assert tokenizer.decode(tokens) == whole.decode(whole.encode(text))
    assert tokenizer.byte_lengths[tokens].sum() == len(tokens)
    again = tokenizer_from_json(tokenizer.to_json(), "x")
    assert again.to_json() == tokenizer.to_json()
    assert (again.encode(text) == tokens).all()
    with pytest.raises(InputError, match=f"{len(occur)} bytes? of 255 occur .* size is {1 + len(occur)}, not"):
        ByteTokenizer.of([text], 2 + len(occur))


def test_all_bytes_are_an_alphabet_too_and_what_it_lacks_is_refused() -> None:
    assert (ByteTokenizer(bytes(range(1, 256))).encode("é") == ByteTokenizer().encode("é")).all()
    with pytest.raises(InputError, match="text: 'é' is not of the 4 bytes that the tokenizer knows"):
        ByteTokenizer(b"ACGT").encode("GATé")
    for wrong in ({"alphabet": [0, 1]}, {"alphabet": [2, 1]}, {"alphabet": 10**12}, {"alphabet": "ab"}, {"size": 3}):
        with pytest.raises(InputError, match=r"^here.json: is not a tokenizer"):
            tokenizer_from_json(json.dumps({"kind": "bytes"} | wrong), "here.json")


def test_a_text_of_four_letters_has_a_vocabulary_of_five(tmp_path: Path) -> None:
    write(tmp_path / "dna", ["ACGT" * n for n in range(1, 9)])
    config, cache = files(str(tmp_path / "dna")), tmp_path / "cache"
    whole = load_corpus(config, BYTES, cache)
    assert "4 bytes of 255 occur in the text; tokenizer: {kind: bytes, size: 5} leaves" in whole.spare
    small = load_corpus(config, TokenizerConfig(size=5), cache)
    assert (small.tokenizer.vocab_size, small.spare) == (5, "")
    assert small.content_hash != whole.content_hash
    assert small.train.max() <= 4
    assert small.tokenizer.decode(small.train) == whole.tokenizer.decode(whole.train)
    again = load_corpus(config, TokenizerConfig(size=5), cache)
    assert again.tokenizer.encode("TA").tolist() == [4, 1]
    with pytest.raises(InputError, match=r"tokenizer.size: 4 bytes .* the size is 5, not 9; 256 has them all"):
        load_corpus(config, TokenizerConfig(size=9), cache)


@given(texts)
@example("a\0b")
@example("ab é🌊 " * 30_000)  # several pieces
def test_bpe_loses_nothing(bpe: BPETokenizer, text: str) -> None:
    tokens = bpe.encode(text)
    assert tokens.dtype == np.uint16
    assert bpe.end_of_text not in tokens
    assert bpe.decode(tokens) == text
    assert bpe.byte_lengths[tokens].sum() == len(text.encode())
    assert (tokenizer_from_json(bpe.to_json(), "x").encode(text) == tokens).all()


def test_decode_drops_separators_and_replaces_broken_bytes(bpe: BPETokenizer) -> None:
    for tokenizer in (ByteTokenizer(), bpe):
        wave = tokenizer.encode("🌊").tolist()
        assert tokenizer.decode([0, *wave, 0, 0]) == "🌊"
        assert tokenizer.decode(tokenizer.encode("é").tolist()[:1]) in ("é", "\ufffd")
        assert len(tokenizer.byte_lengths) == tokenizer.vocab_size
        assert tokenizer.byte_lengths[tokenizer.end_of_text] == 0
    assert ByteTokenizer().decode([0x61, 0xC3]) == "a\ufffd"
    assert tokenizer_from_json(ByteTokenizer().to_json(), "x").vocab_size == 256


def test_bpe_training_repeats_and_reaches_its_size(bpe: BPETokenizer) -> None:
    assert bpe.vocab_size == 300
    assert BPETokenizer.train(iter(PROSE), 300).to_json() == bpe.to_json()
    with pytest.raises(InputError, match=r"tokenizer.size: .* for \d+ tokens, not for 5000"):
        BPETokenizer.train(PROSE, 5000)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: None,
        lambda data: {"kind": "words"},
        lambda data: data | {"normalizer": {"type": "Lowercase"}},
        lambda data: data | {"added_tokens": []},
        lambda data: data | {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}},
        lambda data: data | {"model": data["model"] | {"vocab": {"<|endoftext|>": 0}, "merges": []}},
        lambda data: data | {"model": data["model"] | {"vocab": data["model"]["vocab"] | {"zzz": 999}}},
        lambda data: data | {"model": data["model"] | {"vocab": data["model"]["vocab"] | {"日": 300}}},
    ],
)
def test_what_is_no_tokenizer_is_refused(bpe: BPETokenizer, damage: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match=r"^here.json: is not a tokenizer of signal_model: "):
        tokenizer_from_json(json.dumps(damage(json.loads(bpe.to_json()))), "here.json")
    with pytest.raises(InputError, match=r"^here.json: is not a tokenizer"):
        tokenizer_from_json(bpe.to_json()[:-20], "here.json")


# --- splits --------------------------------------------------------------------------------------


def write(folder: Path, contents: list[str], name: str = "{}.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (folder / name.format(number)).write_bytes(content.encode())
    return folder


def files(path: Any, split: str = "file") -> FilesCorpusConfig:
    return FilesCorpusConfig.model_validate({"path": path, "split": split})


def documents(tokens: np.ndarray) -> list[str]:
    assert tokens[-1] == 0
    return [part.decode() for part in bytes(tokens).split(b"\0")[:-1]]


def together(corpus: Corpus) -> list[str]:
    return [text for part in split_documents(corpus).values() for text in part]


def split_documents(corpus: Corpus) -> dict[str, list[str]]:
    return {name: documents(getattr(corpus, name)) for name in module.SPLITS}


@given(st.lists(st.text(min_size=1, max_size=50), min_size=3, max_size=60))
def test_carving_gives_every_document_one_home(contents: list[str]) -> None:
    found = text_module._documents(contents)
    for names in (("validation", "test"), ("test",)):
        if len(found) <= len(names):
            continue
        parts = text_module._carve(found, names, "x", "y")
        assert set(parts) == {"train", *names}
        assert all(parts.values())
        assert sorted(digest for part in parts.values() for digest in part) == list(found)
        again = text_module._carve(text_module._documents(reversed(contents * 2)), names, "x", "y")
        assert [list(part) for part in again.values()] == [list(part) for part in parts.values()]


def test_one_huge_document_among_tiny_ones_is_for_training() -> None:
    parts = text_module._carve(text_module._documents(["x" * 1000, "a", "b"]), ("validation", "test"), "x", "y")
    assert [len("".join(parts[name].values())) for name in module.SPLITS] == [1000, 1, 1]


def test_a_split_depends_on_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [f"document {n}: " + " ".join(str(n * k * 7919) for k in range(n % 37)) for n in range(400)]
    write(tmp_path / "one", contents)
    write(tmp_path / "two" / "deep" / "er", contents[::-1] + contents[:50], "other{}.md")
    write(tmp_path / "two" / ".hidden", ["not this"])
    write(tmp_path / "two", ["nor this"], ".{}.txt")
    write(tmp_path / "two", ["", " \n"], "empty{}.txt")
    one = load_corpus(files(str(tmp_path / "one")), BYTES, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    two = load_corpus(files(["two/**/*.md", "two/deep/er/other0.md", "two"]), BYTES, tmp_path / "cache2")
    assert (one.name, one.content_hash) == (two.name, two.content_hash)
    assert one.name.startswith("files ")
    parts = split_documents(one)
    assert parts == split_documents(two)
    assert sorted(together(one)) == sorted(contents)
    for name in ("validation", "test"):
        assert 0.045 < len(getattr(one, name)) / len("\0".join(contents)) < 0.055
    for name in module.SPLITS:
        assert isinstance(getattr(one, name), np.memmap)
        assert not getattr(one, name).flags.writeable


def test_given_splits_are_kept_and_text_is_not_normalised(tmp_path: Path) -> None:
    write(tmp_path, ["\ufeffa\r\nb\r", "c  \n", "d\0", "d2"])
    paths = {"train": f"{tmp_path}/0.txt", "validation": f"{tmp_path}/1.txt", "test": f"{tmp_path}/[23].txt"}
    corpus = load_corpus(files(paths), BYTES, tmp_path / "cache")
    parts = split_documents(corpus)
    assert parts["train"] == ["\ufeffa\r\nb\r"]
    assert parts["validation"] == ["c  \n"]
    assert sorted(parts["test"]) == ["d2", "d\ufffd"]


def test_split_by_position_cuts_one_file(tmp_path: Path) -> None:
    text = "".join(chr(0x3042 + n % 80) for n in range(1000))
    write(tmp_path, [text])
    corpus = load_corpus(files(f"{tmp_path}/0.txt", "position"), BYTES, tmp_path / "cache")
    parts = together(corpus)
    assert [len(part) for part in parts] == [900, 50, 50]
    assert "".join(parts) == text


def test_python_corpus_is_source_and_documentation(tmp_path: Path) -> None:
    corpus = load_corpus(PythonCorpusConfig(), BYTES, tmp_path)
    text = "".join(documents(corpus.train))
    assert corpus.name.startswith("python 3.")
    assert len(text) > 5_000_000
    assert len(split_documents(corpus)["test"]) > 5


def test_python_corpus_leaves_out_tests_packages_and_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lib = write(tmp_path / "lib", ["import os", "import re"], "m{}.py")
    write(lib / "pydoc_data", ["topics"], "topics{}.py")
    write(lib / "idlelib", ["help"], "{}.txt")
    for folder in (
        "site-packages/x",
        "dist-packages",
        "test",
        "json/tests",
        "config-3.11-x86_64",
        "__pycache__",
    ):
        write(lib / folder, [folder], "{}.py")
    write(lib, ["build"], "_sysconfigdata_{}.py")
    write(lib, ["binary"], "{}.so")
    (lib / "latin.py").write_bytes(b"# caf\xe9")
    (lib / "sitecustomize.py").symlink_to("/nowhere")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(lib))
    corpus = load_corpus(PythonCorpusConfig(), BYTES, tmp_path / "cache")
    assert sorted(together(corpus)) == ["help", "import os", "import re", "topics"]
    shutil.rmtree(lib)
    lib.mkdir()
    with pytest.raises(InputError, match=r"^python: .*without its library's source"):
        load_corpus(PythonCorpusConfig(), BYTES, tmp_path / "cache")


NOTHING = "no such file, and as a glob it matches none"


@pytest.mark.parametrize(
    ("path", "split", "message"),
    [
        ("nowhere.txt", "file", f"path: nowhere.txt: {NOTHING}"),
        ("few/*.md", "file", rf"path: few/\*.md: {NOTHING}"),
        (["few", "nowhere"], "file", f"path: nowhere: {NOTHING}"),
        ("hollow", "file", "path: hollow: holds no file"),
        ("empty", "file", "path: empty: there is no text"),
        ("few", "file", r"path: few: too few .* \(2\); .*train, validation and test.*split: position"),
        ("few", "position", "path: few: `split: position` cuts one document, and here are 2 .*; use `split: file`"),
        (
            "rows.jsonl",
            "position",
            r"path: rows.jsonl: `split: position` cuts one document, and here are 3 \(.* row of a",
        ),
        ("few/0.txt", "position", "path: few/0.txt: 3 characters are too few .* it takes 20"),
        ("blank.txt", "position", "path: blank.txt: the validation split holds no text"),
        ("binary", "file", r"path: binary/x.png: is not UTF-8 text \(.* at byte 0\); .*glob"),
        ({"train": "few", "test": "few"}, "file", "path: .* all needed, validation missing"),
        (
            {"train": "few", "validation": "blank.txt", "test": "few/1.txt"},
            "file",
            "path: few/1.txt: .* in train and in test",
        ),
        (
            {"train": "few", "validation": "empty", "test": "blank.txt"},
            "file",
            "path: the validation split holds no text",
        ),
        (
            {"train": "few", "validation": "few", "test": "few"},
            "position",
            "path: `split: position` is for one file",
        ),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, split: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "few", ["one", "two", "two"])
    write(tmp_path / "empty", ["", "\n"])
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "row {row}"}}\n' for row in range(3)))
    write(tmp_path / "hollow" / ".git", ["x"])
    write(tmp_path, ["x" * 50 + " " * 50], "blank.txt")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=f"^{message}") as raised:
        load_corpus(files(path, split), BYTES, tmp_path / "cache")
    assert "\n" not in str(raised.value)


# --- cache ---------------------------------------------------------------------------------------


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


# --- data sets -----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where `datasets` asks no network and keeps its own cache."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load_dataset(**settings: str) -> Corpus:
    return load_corpus(CorpusConfig.parse(settings), BYTES, Path("cache"))


def write_rows(file: Path, rows: list[Any], column: str = "text") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({column: row, "n": 1}) + "\n" for row in rows))


def test_missing_splits_are_carved_from_train(here: Path) -> None:
    rows = [f"story {n}\nand its end" for n in range(100)]
    write_rows(here / "data" / "train.jsonl", [*rows, "", None, *rows[:9]], "story")
    corpus = load_dataset(dataset="data", text="story")
    assert corpus.name == "data"
    assert sorted(together(corpus)) == sorted(rows)
    assert [len(part) for part in split_documents(corpus).values()] == [90, 5, 5]


@pytest.mark.parametrize("form", ["parquet", "save_to_disk"])
def test_splits_of_a_data_set_are_kept_but_for_rows_in_two(here: Path, form: str) -> None:
    import datasets

    rows = {"train": ["a", "b", "c", "v", "t"], "validation": ["v", "v2", "u"], "test": ["t", "t", "u"]}
    parts = datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": part}) for name, part in rows.items()})
    if form == "parquet":
        (here / "data").mkdir()
        for name, part in parts.items():
            part.to_parquet(here / "data" / f"{name}.parquet")
    else:
        parts.save_to_disk(here / "data")
    found = split_documents(load_dataset(dataset="./data"))
    assert {name: sorted(part) for name, part in found.items()} == {
        "train": ["a", "b", "c"],
        "validation": ["v", "v2"],
        "test": ["t", "u"],
    }


def test_running_text_stays_together(here: Path) -> None:
    lines = [" = Wave = \n", "", " It rolls . \n", " It rolls . \n"]
    for name in module.SPLITS:
        write_rows(here / "lines" / f"{name}.jsonl", [f" = {name} = \n", *lines])
    found = split_documents(load_dataset(dataset="lines"))
    assert found["test"] == [" = test = \n" + "".join(lines)]
    write(here / "plain", ["one\ntwo\n\nthree\n", "four\n", "five\n"])
    assert sorted(together(load_dataset(dataset="plain"))) == ["five\n", "four\n", "one\ntwo\n\nthree\n"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "./nowhere"}, "dataset: ./nowhere: there is no such folder"),
        (
            {"dataset": "no-body/no-thing"},
            "dataset: no-body/no-thing: cannot be loaded: Couldn't (reach|find) ",
        ),
        ({"dataset": "hollow"}, "dataset: hollow: cannot be loaded: .*doesn't contain any data files"),
        (
            {"dataset": "good", "config": "fine"},
            "dataset: good/fine: cannot be loaded: .*'fine' not found. Avail",
        ),
        ({"dataset": "good", "text": "story"}, "dataset: good: there is no column 'story'; there is text, n"),
        ({"dataset": "good", "text": "n"}, "dataset: good: column 'n' holds int64, not text"),
        (
            {"dataset": "good"},
            r"dataset: good: no validation and test split: too few .* \(2\); save it as text",
        ),
        (
            {"dataset": "lines"},
            "dataset: lines: no validation and test split: .*its rows are lines of one text: ",
        ),
        ({"dataset": "testing"}, "dataset: testing: there is no train split; there is test"),
        ({"dataset": "same"}, "dataset: same: the train split holds no text of its own"),
        ({"dataset": "broken"}, "dataset: broken: cannot be loaded: "),
        ({"dataset": "latin"}, r"dataset: latin: column 'text' holds what is not UTF-8 text \(invalid start byte\)"),
    ],
)
def test_data_sets_that_cannot_be_used(here: Path, settings: dict[str, str], message: str) -> None:
    (here / "hollow").mkdir()
    write_rows(here / "good" / "train.jsonl", ["a", "b", "b"])
    write_rows(here / "lines" / "train.jsonl", ["a\n", "b\n", "c\n", "d\n"])
    write_rows(here / "testing" / "test.jsonl", ["a"])
    write_rows(here / "same" / "train.jsonl", ["a"])
    write_rows(here / "same" / "validation.jsonl", ["a", "b"])
    (here / "broken").mkdir()
    (here / "broken" / "train.parquet").write_text("not this")
    (here / "latin").mkdir()
    (here / "latin" / "train.parquet").write_bytes(BROKEN)
    with pytest.raises(InputError, match=f"^{message}") as raised:
        load_dataset(**settings)
    assert "\n" not in str(raised.value)


# --- words without end ----------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("aก1 -_"), st.integers(1, 700)), max_size=6))
def test_words_are_cut_where_they_have_no_end(runs: list[tuple[str, int]]) -> None:
    text = "".join(character * count for character, count in runs)
    parts = [*without_long_runs([text])]
    assert "".join(parts) == text
    longest = max((sum(1 for _ in same) for part in parts for _, same in groupby(part)), default=0)
    assert longest < 2 * LONGEST_RUN  # a rest and what follows it are one word
    if max((count for _, count in runs), default=0) < LONGEST_RUN and not any(
        one[0] == other[0] or {one[0], other[0]} <= set("aก") or {one[0], other[0]} <= set("-_")
        for one, other in pairwise(runs)
    ):
        assert parts == [text]


def test_text_without_spaces_is_learned_from_as_fast_as_any(tmp_path: Path) -> None:
    letters = "".join(chr(0x0E01 + int(n)) for n in np.random.default_rng(0).integers(0, 46, 60_000))
    (tmp_path / "thai.txt").write_text(letters)
    config, said = FilesCorpusConfig(path=str(tmp_path / "thai.txt"), split="position"), list[str]()
    began = time.process_time()  # a busy machine does not stretch it
    corpus = load_corpus(config, TokenizerConfig(kind="bpe", size=1024), tmp_path / "cache", said.append)
    assert time.process_time() - began < 10  # it took half a minute
    assert said == ["tokenizer of 1,024 tokens: learning from 54,000 characters"]
    assert max(corpus.tokenizer.byte_lengths) < 3 * LONGEST_RUN
    assert corpus.tokenizer.decode(corpus.test.tolist()) == letters[57_000:]
    again = load_corpus(config, TokenizerConfig(kind="bpe", size=1024), tmp_path / "cache", said.append)
    assert (again.content_hash, len(said)) == (corpus.content_hash, 1)


# --- files of other kinds -------------------------------------------------------------------------

TEXTS = [f"Document {number}, with a second line\nand ü.\n" for number in range(40)]


def lines_of(texts: list[str], column: str = "text") -> bytes:
    return "\n\n".join(json.dumps({"id": 3, column: text}) for text in [*texts]).encode()


def parquet_of(texts: Any, column: str = "text") -> bytes:
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({"id": [3] * len(texts), column: texts}), sink)
    return bytes(sink.getvalue())


FILES: dict[str, Callable[[list[str]], bytes]] = {
    "rows.jsonl": lines_of,
    "rows.ndjson": lines_of,
    "rows.jsonl.gz": lambda texts: gzip.compress(lines_of(texts)),
    "rows.jsonl.bz2": lambda texts: bz2.compress(lines_of(texts)),
    "rows.parquet": parquet_of,
}


@pytest.mark.parametrize("name", FILES)
def test_rows_of_a_table_are_documents_as_files_are(name: str, tmp_path: Path) -> None:
    plain, table = tmp_path / "plain", tmp_path / name
    plain.mkdir()
    for number, text in enumerate(TEXTS):
        (plain / f"{number}.txt").write_text(text)
    table.write_bytes(FILES[name](TEXTS))
    expected, found = (text_module.files_splits(FilesCorpusConfig(path=str(path))) for path in (plain, table))
    assert found == expected


def test_compressed_texts_are_texts(tmp_path: Path) -> None:
    (tmp_path / "0.txt.gz").write_bytes(gzip.compress(TEXTS[0].encode()))
    (tmp_path / "1.txt.bz2").write_bytes(bz2.compress(TEXTS[1].encode()))
    with pyarrow.output_stream(str(tmp_path / "2.txt.zst"), compression="zstd") as stream:
        stream.write(TEXTS[2].encode())
    (tmp_path / "3.json").write_text(TEXTS[3])  # any other text is a text, whatever it means
    splits = text_module.files_splits(FilesCorpusConfig(path=str(tmp_path)))
    assert {text for documents in splits.values() for text in documents.values()} == set(TEXTS[:4])


def test_the_mark_that_some_editors_begin_a_file_with_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines_of(TEXTS).replace(b"\n", b"\r\n"))
    splits = text_module.files_splits(FilesCorpusConfig(path=str(path)))
    assert {text for documents in splits.values() for text in documents.values()} == {*TEXTS}


# Arrow takes a writer's word that bytes are text.
BROKEN = parquet_of(pyarrow.array([b"fine", b"\xff\xfe"], pyarrow.binary()).view(pyarrow.utf8()))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "one"}\n{"text": ', "a.jsonl:2: not valid JSON"),
        ("a.jsonl", b'{"text": "one"}\n["two"]', "a.jsonl:2: expected a mapping with 'text', got list"),
        ("a.jsonl", b'{"body": "one", "id": 3}', "a.jsonl:1: there is no column 'text'; `text: NAME` names one"),
        ("a.jsonl", b'{"text": 3}', "a.jsonl:1: column 'text' holds int, not text"),
        ("a.jsonl", b'{"text": "\\ud83c\\udf0a"}\n{"text": "\\ud83c"}', "a.jsonl:2: column 'text' holds '\\ud83c'"),
        ("a.parquet", BROKEN, "a.parquet: column 'text' holds what is not UTF-8 text (invalid start byte)"),
        ("a.parquet", parquet_of(TEXTS, "texts"), "there is no column 'text' (did you mean 'texts'?); `text"),
        ("a.parquet", b"no parquet", "a.parquet: is no Parquet file"),
        ("a.txt.gz", b"no archive", "a.txt.gz: cannot be decompressed"),
        ("a.txt.zst", b"no archive", "a.txt.zst: cannot be decompressed"),
        ("a.txt.gz", gzip.compress(b"\xff\xfe", mtime=0), "a.txt.gz: is not UTF-8 text"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        text_module.files_splits(FilesCorpusConfig(path=str(tmp_path / name)))
    assert says in str(error.value)


def test_another_column_and_a_file_that_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(lines_of(TEXTS, "body"))
    path = str(tmp_path / "rows.jsonl")
    splits = text_module.files_splits(FilesCorpusConfig(path=path, text="body"))
    assert sum(map(len, splits.values())) == len(TEXTS)
    with pytest.raises(InputError, match=f"is a file, not a data set; as a file it is read by `path: {path}`"):
        text_module.dataset_splits(DatasetCorpusConfig(dataset=path))
    # A column of no file would be silently unheeded; beside a table, other files are texts.
    (tmp_path / "dna.csv").write_text("name,sequence\n" + "one,ACGT\n" * 40)
    for split in "file", "position":
        alone = FilesCorpusConfig(path=str(tmp_path / "dna.csv"), text="sequence", split=split)
        with pytest.raises(
            InputError, match=r"dna\.csv: `text: sequence` names a column, and no file has any; accepted"
        ):
            text_module.files_splits(alone)
        with pytest.raises(InputError, match="`text: sequence` names a column"):
            text_module.whole_text(alone)
    both = text_module.files_splits(FilesCorpusConfig(path=str(tmp_path), text="body"))
    assert sum(map(len, both.values())) == len(TEXTS) + 1


# --- a trained model on other text -----------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ["bytes", "{kind: bpe, size: 300}"])
@pytest.mark.parametrize("length", [None, 24])
def test_a_model_is_scored_on_the_whole_of_another_text_in_its_own_tokens(
    tokenizer: str, length: int | None, tmp_path: Path, text_folder: Path
) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments)])
        assert result.exit_code == 0, result.exception
        return str(result.stdout)

    vocabulary = 256 if tokenizer == "bytes" else 300
    layers = "layers: [{mixer: {kind: harmonic}}]"
    (tmp_path / "model.yaml").write_text(f"{{width: 16, context: 32, vocab_size: {vocabulary}, {layers}}}")
    run("train", tmp_path / "model.yaml", "--corpus", text_folder, "--tokenizer", tokenizer, "--steps", 2,
        "--device", "cpu", "--output", tmp_path / "model")  # fmt: skip
    held_out = "A text that nobody has trained on, of two lines,\nand in one file. " * 5
    (tmp_path / "held-out.txt").write_text(held_out)
    model, _, own = load_checkpoint(tmp_path / "model", torch.device("cpu"))
    tokens = [own.end_of_text, *own.encode(held_out).tolist(), own.end_of_text]
    step, nats = length or 32, 0.0
    for start in range(0, len(tokens) - 1, step):
        window = torch.tensor([tokens[start : start + step + 1]])
        with torch.no_grad():
            scores = model(window[:, :-1]).log_softmax(-1)
        nats -= scores.gather(-1, window[:, 1:, None]).sum().item()
    expected = nats / math.log(2) / len(held_out.encode())
    options = ["--device", "cpu", *(["--length", length] if length else [])]
    said = run("evaluate", tmp_path / "model", "--corpus", tmp_path / "held-out.txt", *options)
    found = re.fullmatch(r"all of (.*): (.*) bits per byte, .* over ([\d,]+) tokens", said.strip())
    assert found
    assert found[1] == str(tmp_path / "held-out.txt")
    assert float(found[2]) == pytest.approx(expected, abs=2e-6)
    assert int(found[3].replace(",", "")) == len(tokens) - 1
    split = ["--corpus", text_folder, "--split", "test"]
    assert run("evaluate", tmp_path / "model", *split, *options).startswith("test of files ")
