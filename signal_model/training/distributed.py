"""Training on several devices or machines, by Ray Train: one process each, gradients averaged."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

from signal_model.config import Recipe
from signal_model.support.errors import InputError, counted, one_line
from signal_model.training.checkpoints import load_figures
from signal_model.training.folder import LOG, train_in_folder
from signal_model.training.logs import Log
from signal_model.training.trainer import CurvePoint, Diverged, Replica

POLL_SECONDS = 0.5


def train_with_ray(
    recipe: Recipe,
    folder: Path,
    *,
    workers: int,
    gpus: bool,
    threads: int,
    resume: bool,
    tensorboard: bool,
    shown: Log,
) -> dict[str, Any]:
    """As `train_in_folder`, with `workers` processes that each compute their share of every batch.

    The gradients, and so the model, are those of one process but for rounding. Each worker takes a GPU, or
    `threads` CPUs, of the cluster at the variable RAY_ADDRESS or else of a Ray of our own. `folder` must be one
    that all machines see; `shown` hears of the points that are written there. Raises InputError where Ray Train or
    the resources are missing, what `train_in_folder` raises in a worker, and RuntimeError where the training fails
    otherwise.
    """
    try:
        import ray
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError
    except ImportError as error:
        raise InputError(f"--workers: Ray Train is incomplete ({error}); pip install 'hrfevo[distributed]'") from None

    if recipe.training.batch_size % (workers * recipe.training.accumulation):
        raise InputError(
            f"--workers {workers}: must divide the batch_size of {counted(recipe.training.batch_size, 'window')}"
            f" in {recipe.training.accumulation} parts"
        )
    if not ray.is_initialized():
        # Without an address Ray would join whatever cluster was started last on this machine, even one that is gone.
        address = os.environ.get("RAY_ADDRESS") or "local"
        try:
            ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="error")
        except ConnectionError as error:
            raise InputError(f"RAY_ADDRESS {address}: no Ray cluster answers there ({one_line(error)})") from None
    needed = {"GPU": workers} if gpus else {"CPU": workers * threads}
    for kind, count in needed.items():
        if (there := ray.cluster_resources().get(kind, 0)) < count:
            raise InputError(f"--workers {workers}: needs {count} {kind}s, Ray has {there:g}")
    settings = {
        "recipe": recipe.to_dict(),
        "folder": str(folder.resolve()),
        "threads": threads,
        "resume": resume,
        "tensorboard": tensorboard,
    }
    resources = {"GPU": 1} if gpus else {"CPU": threads}
    trainer = TorchTrainer(
        _work,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus, resources_per_worker=resources),
        run_config=RunConfig(storage_path=str(folder.resolve() / "ray")),
    )
    if not resume:
        (folder / LOG).unlink(missing_ok=True)
    done = threading.Event()
    follower = threading.Thread(target=_follow, args=(folder / LOG, shown, done), daemon=True)
    follower.start()
    try:
        trainer.fit()
    except TrainingFailedError as error:
        for failure in getattr(error, "worker_failures", {}).values():
            cause = getattr(failure, "_base_exc", failure)  # Ray wraps what a worker raised
            if isinstance(cause, (InputError, Diverged)):
                raise cause from None
        raise RuntimeError(f"training failed in a worker: {error}") from error
    finally:
        shutil.rmtree(folder / "ray", ignore_errors=True)  # what Ray Train notes of its own workings
        done.set()
        follower.join()
        shown.close()
    return load_figures(folder)


def _follow(log: Path, shown: Log, done: threading.Event) -> None:
    """Tell `shown` of every point that the first worker writes."""
    seen = len(log.read_text().splitlines()) if log.exists() else 0
    while True:
        last_look = done.wait(POLL_SECONDS)
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        for line in lines[seen:]:
            if line.endswith("\n"):
                record = json.loads(line)
                shown.step(record["step"])
                shown.point(CurvePoint(**{name: record[name] for name in CurvePoint.__dataclass_fields__}))
                seen += 1
        if last_look:
            return


def _work(settings: dict[str, Any]) -> None:
    """What each process does."""
    import ray.train
    import torch
    from ray.train.torch import get_device

    from signal_model.data.corpus import load_corpus

    torch.set_num_threads(settings["threads"])
    recipe = Recipe.model_validate(settings["recipe"])
    assert recipe.corpus is not None
    context = ray.train.get_context()
    train_in_folder(
        recipe,
        load_corpus(recipe.corpus, recipe.tokenizer),
        get_device(),
        Path(settings["folder"]),
        resume=settings["resume"],
        tensorboard=settings["tensorboard"],
        replica=Replica(context.get_world_rank(), context.get_world_size()),
    )
