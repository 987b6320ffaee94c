"""Parts of one's own: known in every process, checked as a command and in tests, never ranked where they are broken."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from typer.main import get_command

from hrfevo.space.genome import Genome
from hrfevo.space.reading import parse_space
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.base import Job
from hrfevo.workers.evaluation import TrainingEvaluator
from signal_model.cli import app
from signal_model.config import (
    EmbeddingConfig,
    FeedForwardConfig,
    FilterBankConfig,
    FramesConfig,
    MixerConfig,
    ModelConfig,
    PositionsConfig,
)
from signal_model.data.corpus import load_corpus
from signal_model.evaluation.conformance import CHECKS, conformance
from signal_model.layers.mixers import Mixer, State
from signal_model.layers.registry import implements
from signal_model.support.errors import InputError
from signal_model.support.plugins import GROUP, VARIABLE
from signal_model.support.settings import Part
from tests.conftest import ROOT, command, only_run
from tests.tools import forks
from tests.tools.parts import built_in
from tests.tools.synthetic import write_run

AVERAGE = """
from typing import Literal
import torch
from signal_model.config import MixerConfig
from signal_model.layers.mixers import Mixer
from signal_model.layers.registry import implements


class MovingAverageConfig(MixerConfig):
    kind: Literal["moving_average"] = "moving_average"
    decay: float = 0.9


@implements(MovingAverageConfig)
class MovingAverage(Mixer):
    def __init__(self, config, model):
        super().__init__()
        self.decay = config.decay
        self.output = torch.nn.Linear(model.width, model.width, bias=False)

    def forward(self, x):
        place = torch.arange(x.shape[1], device=x.device)
        weights = (1 - self.decay) * (self.decay ** (place[:, None] - place)).tril()
        return self.output(weights.to(x.dtype) @ x)

    def start(self, batch):
        return [self.output.weight.new_zeros(batch, self.output.in_features)]

    def step(self, x, state):
        mean = self.decay * state[0] + (1 - self.decay) * x
        return self.output(mean), [mean]
"""


class BrokenConfig(MixerConfig):
    two_sided = True
    kind: Literal["broken"] = "broken"
    defect: str = ""


@implements(BrokenConfig)
class Broken(Mixer):
    """A sum of two neighbouring positions, of four where both sides are heard, with one defect."""

    def __init__(self, config: BrokenConfig, model: ModelConfig) -> None:
        super().__init__()
        self.defect, self.causal = config.defect, model.causal
        self.output = nn.Linear(model.width, model.width, bias=False)
        self.scale = nn.Parameter(torch.ones(model.width))
        if self.defect == "weights from the seed":
            self.noise = nn.Parameter(torch.tensor([secrets.randbits(20)], dtype=torch.float32), requires_grad=False)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
        if not self.causal and self.defect != "both sides":
            mixed = x + before
            if self.defect != "padding" and present is not None:
                mixed = mixed * present
            before = before + torch.cat([mixed[:, 1:], torch.zeros_like(x[:, :1])], dim=1)
        if self.defect == "causal" and self.causal:
            before = before + 1e-6 * x.mean(1, keepdim=True)
        if self.defect == "rows alone":
            before = before - 1e-3 * x.mean(0, keepdim=True)
        if self.defect == "half precision" and x.dtype == torch.float32 and torch.is_autocast_enabled("cpu"):
            before = before / 0
        if self.defect == "any length":
            before = before[:, : x.shape[1] // 2 * 2]
        scale = self.scale.detach() if self.defect == "gradients" else self.scale
        if self.defect == "learns":
            scale = scale + (self.scale * 0 + 1e4 * self.output.weight.mean()) * torch.rand(())
        result: Tensor = self.output(scale * (x + before))
        return result

    def start(self, batch: int) -> State:
        return [self.scale.new_zeros(1 if self.defect == "states of a batch" else batch, len(self.scale))]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        before = torch.zeros_like(x) if self.defect == "two forms" else state[0]
        return self.output(self.scale * (x + before)), [x]


BUILT_IN = [
    kind
    for part in (MixerConfig, EmbeddingConfig, FeedForwardConfig, FilterBankConfig, PositionsConfig, FramesConfig)
    for kind in built_in(part).values()
]


def test_two_parts_of_one_kind_are_refused_and_a_part_may_be_defined_again() -> None:
    class Family(Part):
        pass

    def member(name: str) -> type[Family]:
        return type(name, (Family,), {"kind": "one", "__annotations__": {"kind": str}, "__module__": "notebook"})

    first, again = member("First"), member("First")
    assert Family.parse({"kind": "one"}) == again() != first()
    member("Second")
    with pytest.raises(InputError, match=r"kind 'one': is that of two parts, notebook\.First and notebook\.Second"):
        Family.parse({"kind": "one"})


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.__name__)
def test_the_librarys_own_parts_keep_what_is_expected(kind: type[Part]) -> None:
    assert conformance(kind()) == {}


@pytest.mark.parametrize("defect", ["", *(name for name in CHECKS if name not in ("settings", "learns"))])
def test_each_defect_is_found_by_the_check_of_its_name(defect: str) -> None:
    found = conformance(BrokenConfig(defect=defect))
    assert defect in found or not defect
    # A wrong length is seen by nearly all, a glance at other sequences by all that compare; the rest by one check.
    assert set(found) <= {defect} or defect in ("any length", "rows alone")


def test_a_mixer_that_ignores_its_state_fails_and_is_not_ranked(tiny_space: Path) -> None:
    text = tiny_space.read_text().replace("[attention, harmonic, wavelet]", "[attention, wavelet, broken]")
    space = parse_space(text, "space")
    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    layer = {"mixer.kind": "broken", "feedforward.expansion": 1.0}
    job = Job(0, Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]}), 0, 0)
    assert evaluator(job).status == "finished"
    step = Broken.step
    Broken.step = lambda self, x, state: step(self, x, [torch.zeros_like(x)])  # type: ignore[method-assign]
    try:
        outcome = evaluator(job)
    finally:
        Broken.step = step  # type: ignore[method-assign]
    assert outcome.status == "failed"
    assert outcome.reason.startswith("two forms: step() and forward() disagree")
    assert "bits_per_byte" not in outcome.metrics


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    path = tmp_path / "my_parts.py"
    path.write_text(AVERAGE)
    return path


def test_a_part_is_checked_on_the_command_line(parts: Path, tmp_path: Path) -> None:
    result = command("signal-model", "check", parts)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"moving_average: keeps {len(CHECKS)} of {len(CHECKS)}" in result.stdout

    parts.write_text(AVERAGE.replace("mean = self.decay * state[0] +", "mean = 0 * state[0] +"))
    broken = command("signal-model", "check", parts)
    assert broken.returncode == 1
    assert "NO   two forms: step() and forward() disagree by" in broken.stdout

    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "mixers.py").write_text(AVERAGE)
    parts.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom lab import mixers")
    assert "moving_average: keeps" in command("signal-model", "check", parts).stdout, "what a door opens to"
    for text, said in (
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("x = 1", "defines no part"),
    ):
        parts.write_text(text)
        refused = command("signal-model", "check", parts)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("backend", ["inline", "ray"])
def test_a_search_and_all_commands_know_parts_of_ones_own(
    backend: str, parts: Path, tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "ray":
        monkeypatch.setenv(forks.UNDRAWN, "1")  # drawn they are by the same process, inline or not
    searched = only_averages(tiny_space)
    arguments = ("run", searched, "--out", tmp_path / "out", "--evaluations", 4, "--backend", backend)
    arguments += ("--workers", 1) if backend == "ray" else ()
    result = command("hrfevo", *arguments, "--plugin", parts)
    assert result.returncode == 0, result.stderr + result.stdout
    assert result.stdout.count("moving_average") >= 2
    run = only_run(tmp_path / "out")
    remembered = json.loads((run / "run.json").read_text())
    assert f"plugin {parts}" in remembered["versions"]
    assert remembered["started"]["plugins"] == [str(parts)]
    assert f"# Its parts need the plugin {parts}:" in (run / "best.yaml").read_text()
    # A file is code, which no file of data may name: who reads the run says that it is to be run.
    for asked in (("show", run, "--model"), ("resume", run, "--evaluations", 5)):
        refused = command("hrfevo", *asked)
        assert refused.returncode == 2
        assert f"{run}: was started with --plugin {parts}; no code is run because a file of data" in refused.stderr
    listed = command("hrfevo", "list", run.parent, "--plugin", parts)
    assert run.name in listed.stdout, listed.stderr
    assert f"--plugin {parts}" in (run / "best.yaml").read_text()
    assert "moving_average" in command("hrfevo", "show", run, "--model", "--plugin", parts).stdout
    resumed = command("hrfevo", "resume", run, "--evaluations", 5, "--plugin", parts)
    assert resumed.returncode == 0, resumed.stderr
    monkeypatch.setenv(VARIABLE, str(parts))
    assert "moving_average" in command("hrfevo", "show", run, "--model").stdout
    monkeypatch.setenv(VARIABLE, "nowhere.py")
    missing = command("hrfevo", "validate", tiny_space)
    assert missing.returncode == 2
    assert f"${VARIABLE}: {Path('nowhere.py').absolute()}: FileNotFoundError: no such file" in missing.stderr


SCRIPT = """
import hrfevo
from signal_model.support.errors import InputError
try:
    hrfevo.search({space!r}, out={out!r}, evaluations=4, confirm=False, backend={backend!r})
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("backend", ["inline", "ray"])
def test_a_part_of_a_script_is_refused_before_its_workers_fail_to_import_it(
    backend: str, tiny_space: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    out, space = str(tmp_path / "out"), str(only_averages(tiny_space))
    script.write_text(AVERAGE + SCRIPT.format(space=space, out=out, backend=backend))
    ended = forks.run("script", [], 600, {"PYTHONPATH": str(tmp_path), forks.UNDRAWN: "1"})
    assert ended.returncode == 0, ended.stderr
    refused = "--backend ray: kind 'moving_average' is defined in this script or notebook, which workers do not import"
    assert (refused in ended.stdout) == (backend == "ray")
    assert Path(out).exists() == (backend == "inline")


def only_averages(tiny_space: Path) -> Path:
    """The space with moving averages alone for mixers."""
    levels = "      mixer.levels: {type: int, low: 1, high: 4, when: {mixer.kind: wavelet}}\n"
    text = tiny_space.read_text().replace("[attention, harmonic, wavelet]", "[moving_average]")
    tiny_space.write_text(text.replace(levels, ""))
    return tiny_space


def installed(folder: Path, text: str) -> Path:
    """A folder as `pip install` leaves it, with a package `averages` that declares itself a plugin."""
    (folder / "averages.py").write_text(text)
    about = folder / "averages-1.2.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: averages\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nany = averages\n")
    return folder


@pytest.mark.usefixtures("undrawn")
def test_an_installed_plugin_is_known_without_a_word(tmp_path: Path, tiny_space: Path) -> None:
    path = {"PYTHONPATH": f"{ROOT}:{installed(tmp_path, AVERAGE)}"}
    searched = only_averages(tiny_space)
    asked = ("--out", tmp_path / "out", "--evaluations", 4, "--backend", "inline")
    result = command("hrfevo", "run", searched, *asked, environment=path)
    assert result.returncode == 0, result.stderr
    remembered = json.loads((only_run(tmp_path / "out") / "run.json").read_text())
    assert re.fullmatch("averages 1.2, files [0-9a-f]{12}", remembered["versions"]["plugin averages"])
    assert remembered["started"]["plugins"] == []
    listed = json.loads(command("hrfevo", "plugins", "--format", "json", environment=path).stdout)
    assert [(one["plugin"], one["adds"]) for one in listed] == [("averages", "part moving_average")]
    schema = json.loads(command("hrfevo", "schema", environment=path).stdout)
    layer = schema["properties"]["model"]["properties"]["layers"]["items"]["properties"]["mixer"]["properties"]
    assert "moving_average" in layer["kind"]["enum"]
    assert "decay" in layer
    checked = command("signal-model", "check", tmp_path / "averages.py", environment=path)
    assert "moving_average: keeps" in checked.stdout, checked.stderr  # the file of the installed one is that one
    # Its files may change under one version.
    run = only_run(tmp_path / "out")
    installed(tmp_path, AVERAGE.replace("0.9", "0.8"))
    resumed = command("hrfevo", "resume", run, "--evaluations", 5, environment=path)
    assert "note: the files of plugin averages 1.2 have changed since the run began" in resumed.stdout, resumed.stderr
    # One that is broken says whose it is.
    installed(tmp_path, "import nowhere")
    broken = command("hrfevo", "validate", searched, environment=path)
    assert broken.returncode == 2
    assert "plugin of the installed averages 1.2: averages: ModuleNotFoundError" in broken.stderr


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("objectives={weight_norm: minimize}", "'weight_norm' is no metric; accepted: bits_per_byte, "),
        ("genes.embedding.kind={type: choice, values: [last_k]}", "'last_k' is no value of embedding.kind; accepted: "),
    ],
)
def test_a_run_says_which_plugin_it_lacks(override: str, said: str, written_run: Path) -> None:
    """That of its objective and of its part: what is wrong then is not what the space says."""
    made = RunFolder.open(written_run)
    for versions in {"plugin lastk": "lastk 0.0.1"}, {"plugin lastk": "lastk 0.0.1, files 0a1b2c3d4e5f"}:
        without = made.settings.changed(versions=made.settings.versions | versions)
        assert RunFolder(written_run, without).space() == made.space()  # nothing of it is needed
        told = f"{written_run}: was made with plugin lastk 0.0.1, which is not installed here: --set {override}"
        with pytest.raises(InputError, match=f"{re.escape(told)}.*{re.escape(said)}.*; one of your own needs"):
            RunFolder(written_run, without.changed(overrides=(override,))).space()


def test_every_command_that_reads_models_takes_plugins() -> None:
    without = {name for name, one in get_command(app).commands.items() if "plugin" not in {p.name for p in one.params}}  # type: ignore[attr-defined]
    assert without == {"check", "coherence"}


def test_a_plugin_that_defines_nothing_is_refused_and_one_that_imports_what_it_brings_is_not(
    tmp_path: Path, tiny_space: Path
) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("")
    (tmp_path / "lab" / "mixers.py").write_text(AVERAGE)
    (tmp_path / "door.py").write_text("import lab.mixers")
    (tmp_path / "empty.py").write_text("from signal_model.config import MixerConfig")
    goal = "from hrfevo import Measure, objective\n@objective('one', Measure('one'))\ndef one(candidate): return 1"
    (tmp_path / "goal.py").write_text(goal)
    path = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    says = "defines nothing; a plugin defines, as it is imported, a part of models (a subclass of MixerConfig"
    for name, variable, refused in (
        ("door", "", ""),
        ("goal", "lab.mixers", ""),
        (tmp_path / "goal.py", "", ""),
        ("empty", "", f"--plugin empty: {says}"),
        ("json", "", f"--plugin json: {says}"),
        (tmp_path / "empty.py", "", f"--plugin {tmp_path / 'empty.py'}: {says}"),
        ("goal", "empty", f"${VARIABLE}: empty: {says}"),
    ):
        told = command("hrfevo", "validate", tiny_space, "--plugin", name, environment=path | {VARIABLE: variable})
        assert (told.returncode, refused in told.stderr) == (2 if refused else 0, True), (name, told.stderr)
    told = command(
        "hrfevo", "validate", tiny_space, environment={"PYTHONPATH": f"{ROOT}:{installed(tmp_path, 'x = 1')}"}
    )
    assert told.returncode == 2
    assert f"plugin of the installed averages 1.2: averages: {says}" in told.stderr


def test_commands_to_paste_name_the_plugins_in_use(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is printed, the line does in a shell what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    file = "my space.yaml"
    told = command("hrfevo", "init", "quick", "--output", file, "--plugin", parts.name)
    pasted = re.search(r"try it with: (.*); search", told.stdout)
    assert pasted, told.stdout + told.stderr
    words = shlex.split(pasted[1])
    assert words == ["hrfevo", "validate", file, "--plugin", parts.name]
    assert (
        f"# Try it: {pasted[1]}. Search it: hrfevo run 'my space.yaml' --plugin {parts.name}" in Path(file).read_text()
    )
    assert command(*words).returncode == 0
    run = write_run(tmp_path, "ours", 3)
    folder = RunFolder.open(run)
    with closing(folder.open_store()) as store:
        store.set_state(folder.id, "stopped", "for this test")
    status = command("hrfevo", "status", run, "--plugin", parts.name)
    assert f"hrfevo resume {run} --plugin {parts.name}" in " ".join(status.stdout.split()), status.stderr


def test_a_run_folder_brings_no_code_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    run = write_run(tmp_path, "theirs", 3)
    (run / "evil.py").write_text("raise SystemExit('code of a stranger')")
    (run / "folder").mkdir()
    (run / "folder" / "evil.py").write_text("raise SystemExit('code of a stranger')")
    monkeypatch.syspath_prepend(run)  # as `python -m` does with the current folder
    monkeypatch.syspath_prepend(tmp_path)
    file, settings = run / "run.json", json.loads((run / "run.json").read_text())
    for name, said in (
        ("evil", "remembers the plugin evil, which lies within it; no code of a run is run"),
        ("folder.evil", "which lies within it"),
        ("theirs.evil", "which lies within it"),
        ("__main__", "which is no name of a module"),
        (str(run / "evil.py"), "no code is run because a file of data names it"),
        ("evil.py", "no code is run because a file of data names it"),
        ("../evil", "which is no name of a module"),
        ("nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'; install it"),
    ):
        file.write_text(json.dumps(settings | {"started": {"plugins": [name]}}))
        with pytest.raises(InputError, match=re.escape(said)):
            RunFolder.open(run)
