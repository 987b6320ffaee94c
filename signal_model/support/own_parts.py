"""Parts of models that are not the library's own: files and modules that `$SIGNAL_MODEL_PARTS` names.

The variable reaches every process that is started here, workers included; nothing that is read as data names code.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from signal_model.support.errors import InputError, one_line

VARIABLE = "SIGNAL_MODEL_PARTS"


def own_parts() -> list[ModuleType]:
    """The modules that the variable names, files ending in `.py` or importable names separated as in `$PATH`.

    Each is imported once in a process. Raises InputError for one that cannot be.
    """
    return [imported(entry, f"${VARIABLE}") for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]


def digests() -> dict[str, str]:
    """The start of the SHA-256 of each file of parts, by its path: what a run says that it was made with."""
    files = [Path(str(module.__file__)) for module in own_parts()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in files if file.is_file()}


def imported(entry: str, what: str) -> ModuleType:
    """A module by its file or its name. Raises InputError, naming `what` it was given as, if that fails."""
    try:
        return _from_file(Path(entry).absolute()) if entry.endswith(".py") else importlib.import_module(entry)
    except Exception as error:  # whatever the code of somebody does as it is imported
        raise InputError(f"{what}: {entry}: {type(error).__name__}: {one_line(error)}") from error


def _from_file(path: Path) -> ModuleType:
    name = f"signal_model_parts_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError("no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: what it does may ask for the parts again
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
