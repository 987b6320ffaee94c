"""Asking a run questions from Python: `python examples/explore_a_run.py [RUN]`, or cell by cell in an editor.

Without a run folder it makes a small one first, in a folder that it says, in about a quarter of a minute.
"""

# %% A run to look at
import sys
import tempfile
from pathlib import Path

import hrfevo

SPACE = {
    "name": "example",
    "corpus": "python",
    "model": {"context": 32, "width": 64, "layers": [{"mixer": {"kind": "harmonic", "bases": 4}}]},
    "training": {"batch_size": 4, "validation_tokens": 1024},
    "genes": {
        "training.learning_rate": {"type": "float", "low": 1e-3, "high": 3e-2, "log": True},
        "embedding.kind": {"type": "choice", "values": ["standard", "spectral"]},
        "embedding.bases": {"type": "int", "low": 2, "high": 12, "when": {"embedding.kind": "spectral"}},
    },
    "objectives": {"bits_per_byte": "minimize", "parameters": "minimize"},
    "rungs": [10, 30],
    "population": 4,
    "budget": {"evaluations": 16},
}

given = [argument for argument in sys.argv[1:] if Path(argument).is_dir()]
if given:
    run = hrfevo.load(given[0])
else:
    run = hrfevo.search(SPACE, out=tempfile.mkdtemp(prefix="hrfevo-"), backend="inline", confirm=False)
print(run)

# %% What is best, and what does it cost?
shown = [*run.space.objectives, "step_time", "generation", "operator"]
print(run.front.set_index("genome")[shown].to_string())

# %% What did each kind of embedding reach?
frame = run.evaluations
top = frame[(frame["status"] == "finished") & (frame["rung"] == frame["rung"].max())]
if "gene:embedding.kind" in frame:
    print(top.groupby("gene:embedding.kind")["bits_per_byte"].describe()[["count", "min", "50%"]])

# %% How well does a short training foretell a long one?
lower = frame[(frame["status"] == "finished") & (frame["rung"] == 0)]
both = lower.merge(top, on="genome", suffixes=(" short", " long"))
if len(run.space.rungs) > 1 and len(both) > 2:
    agreement = both["bits_per_byte short"].corr(both["bits_per_byte long"], method="kendall")
    print(f"Kendall's tau between the rungs: {agreement:.2f} over {len(both)} genomes")

# %% The best genome, its recipe, its model
best = run.genome()
model = run.model(best.id)
print(best.id, dict(best.values))
print(f"{sum(p.numel() for p in model.parameters() if p.requires_grad):,} parameters, as its training began")

# %% A figure
page = run.folder.path / "fitness.html"
if "fitness" in run.figures:
    run.figures["fitness"].write_html(page)
    print(f"figure: {page}")
