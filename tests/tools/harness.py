"""What `lm_eval` says of an exported model, beside `signal-model evaluate`.

    pip install lm_eval accelerate
    python -m tests.tools.harness CHECKPOINT TEXT

CHECKPOINT is a folder of `signal-model train`, TEXT a file. The model is exported and scored by the stock command line
`lm_eval --model hf --model_args pretrained=FOLDER,trust_remote_code=True`, with no `max_length`, as one document of a
task of its own. Ends with exit code 1 if bits per byte differ by more than 0.001.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOLERANCE = 1e-3  # bits per byte; lm_eval gives the last window more of a past, and does not score the end of the text
TASK = """
task: heldout
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list: [{{metric: bits_per_byte}}]
"""


def output_of(*command: str | Path) -> str:
    """What a program prints. Raises SystemExit with what it complains of."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stderr}")
    return done.stdout


def by_lm_eval(folder: Path, text: Path, work: Path) -> float:
    """Bits per byte of a folder of `transformers` on a file, as the command line of lm_eval has them."""
    data, results = work / "heldout.json", work / "results"
    data.write_text(json.dumps({"text": text.read_text("utf-8")}), "utf-8")
    (work / "heldout.yaml").write_text(TASK.format(data=data), "utf-8")
    output_of(
        "lm_eval", "--model", "hf", "--model_args", f"pretrained={folder},trust_remote_code=True",
        "--tasks", "heldout", "--include_path", work, "--device", "cpu", "--batch_size", "16", "--output_path", results,
    )  # fmt: skip
    (file,) = results.rglob("results_*.json")
    score = json.loads(file.read_text())["results"]["heldout"]["bits_per_byte,none"]
    return float(score)


def by_signal_model(checkpoint: Path, text: Path) -> float:
    """The same by `signal-model evaluate`."""
    told = output_of("signal_model", "evaluate", checkpoint, "--corpus", text, "--device", "cpu")
    found = re.search(r"([\d.]+) bits per byte", told)
    assert found is not None, told
    return float(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("text", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        output_of("signal_model", "export", arguments.checkpoint, "--output", work / "hub")
        theirs = by_lm_eval(work / "hub", arguments.text, work)
    ours = by_signal_model(arguments.checkpoint, arguments.text)
    print(f"lm_eval {theirs:.6f}, signal-model evaluate {ours:.6f} bits per byte")
    return 0 if abs(theirs - ours) <= TOLERANCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
