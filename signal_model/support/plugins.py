"""Plugins: modules of others that define parts of models, objectives or algorithms as they are imported.

Known are those of installed packages, by their entry points of the group `signal_model.plugins`, and the modules and
files that `$SIGNAL_MODEL_PLUGINS` names, separated as in `$PATH`. The variable reaches every process that is started
here, workers included. Nothing that is read as data names a file of code.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from signal_model.support.errors import InputError, one_line

VARIABLE, GROUP = "SIGNAL_MODEL_PLUGINS", "signal_model.plugins"
# Between the package of a plugin and the digest of its files.
FILES = ", files "
REMEDY = "; one of your own needs its plugin: installed, or named with --plugin; in Python, imported"
EXPECTED = (
    "a plugin defines, as it is imported, a part of models (a subclass of MixerConfig, EmbeddingConfig, …), an "
    "objective (hrfevo.objective) or an algorithm (hrfevo.algorithm); see docs/plugins.md"
)

# The modules, other than those of these packages, of each part, objective and algorithm, in the order of definition.
_DEFINITIONS: list[str] = []
_OWN = ("signal_model", "hrfevo")


def note_definition(module: str) -> None:
    """Whoever keeps a part, an objective or an algorithm says here in which module it is defined."""
    if module.partition(".")[0] not in _OWN:
        _DEFINITIONS.append(module)


@dataclass(frozen=True)
class Plugin:
    """A module as it is named: by a name to import it by, or by a file that ends in `.py`."""

    name: str
    module: ModuleType
    package: str = ""
    """Name and version of the installed package that declares it; empty for one that the variable names."""

    @property
    def version(self) -> str:
        """What tells its code from any other: its package if it has one, `averages 1.2, files 3f0c…`, and the start of
        the SHA-256 of its files, which may change under one version."""
        found = hashlib.sha256()
        for file in sorted(self.place.rglob("*.py")) if self.place.is_dir() else [self.place]:
            found.update(file.read_bytes())
        digest = found.hexdigest()[:12]
        return f"{self.package}{FILES}{digest}" if self.package else digest

    @property
    def place(self) -> Path:
        """The folder of the topmost package that its module is in, or its file: what a node without it is sent."""
        top = sys.modules[self.module.__name__.partition(".")[0]]
        return Path(top.__path__[0] if hasattr(top, "__path__") else str(top.__file__))

    @property
    def name_elsewhere(self) -> str:
        """What to import it by where `place` was sent to."""
        return self.place.stem if self.name.endswith(".py") else self.module.__name__


def plugins() -> tuple[Plugin, ...]:
    """All that are known, each imported once in a process. Raises InputError for one that cannot be."""
    return (*_installed(), *_named(named()))


def named() -> tuple[str, ...]:
    """The modules and files, by their whole paths, that the variable names."""
    return tuple(_whole(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name)


Names = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""Modules by their names and files by their paths, or one of them."""


def use(names: Names, given_as: str = "--plugin") -> None:
    """Import these modules and files, and have the variable name them, for processes that are started from now on.

    Raises InputError for one that cannot be imported, or defines nothing, naming what it was `given_as`.
    """
    several = [names] if isinstance(names, str | os.PathLike) else [*names]
    if several:
        _installed()  # first: of two that give one name to two things, the one that is named here is to blame
    for name in map(str, several):
        before = len(_DEFINITIONS)
        module = imported(name, given_as)
        if len(_DEFINITIONS) == before and not _defines(module):
            raise InputError(f"{given_as} {name}: defines nothing; {EXPECTED}")
        _name(name)


def command(*words: object, plugins: Iterable[str] | None = None) -> str:
    """A command for the reader to paste: quoted for a shell, with the plugins that it needs.

    Those are the ones that were named to this process, unless others are given.

    Examples:
        >>> command("hrfevo", "resume", "my runs/first", plugins=["averages"])
        "hrfevo resume 'my runs/first' --plugin averages"
    """
    needed = map(_from_here, named()) if plugins is None else plugins
    return shlex.join([*map(str, words), *(word for name in needed for word in ("--plugin", name))])


def use_again(names: Iterable[str], folder: Path) -> None:
    """Use the plugins that the file of a run remembers, in its `folder`.

    It is data, perhaps of somebody else. So it can choose among the modules that are installed here, and no more.
    Raises InputError for a file, unless who reads the run has named one that is called the same, and for code within
    the folder.
    """
    known = {Path(name).name for name in named()}
    for name in names:
        if Path(name).name in known:
            continue
        if name.endswith(".py"):
            raise InputError(
                f"{folder}: was started with --plugin {name}; no code is run because a file of data names it. "
                f"If it is yours, name it, wherever it is now, with --plugin or in ${VARIABLE}"
            )
        if not _names_a_module(name):
            raise InputError(f"{folder}: remembers the plugin {name!r}, which is no name of a module")
        if any(folder.resolve() in (place, *place.parents) for place in _places(name)):
            raise InputError(f"{folder}: remembers the plugin {name}, which lies within it; no code of a run is run")
        imported(name, f"{folder}: was started with --plugin")  # though an early one may define nothing
        _name(name)


def imported(entry: str, what: str) -> ModuleType:
    """A module by its file or its name. Raises InputError, naming `what` it was given as, if that fails."""
    is_file = entry.endswith(".py")
    if not is_file and not _names_a_module(entry):
        raise InputError(f"{what}: {entry!r} is no name of a module, nor a file that ends in .py")
    try:
        return _from_file(Path(entry).resolve()) if is_file else importlib.import_module(entry)
    except (Exception, SystemExit) as error:  # whatever the code of somebody does as it is imported
        absent = isinstance(error, ModuleNotFoundError) and error.name == entry.partition(".")[0]
        remedy = "; install it, put its folder on $PYTHONPATH, or name a file that ends in .py" if absent else ""
        raise InputError(f"{what}: {entry}: {type(error).__name__}: {one_line(error)}{remedy}") from error


@cache
def _installed() -> tuple[Plugin, ...]:
    found = []
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.value, entry.name)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package"
        found.append(Plugin(entry.module, _first(entry.module, f"plugin of the installed {package}"), package))
    return tuple(found)


@cache
def _named(names: tuple[str, ...]) -> tuple[Plugin, ...]:
    return tuple(Plugin(name, _first(name, f"${VARIABLE}")) for name in names)


def _first(name: str, what: str) -> ModuleType:
    """As `imported`. Raises InputError, too, for a module that defines nothing and that nobody had imported before:
    one that is asked for again while it is imported, has yet to define what it does."""
    there, before = set(sys.modules), len(_DEFINITIONS)
    module = imported(name, what)
    if module.__name__ not in there and len(_DEFINITIONS) == before and not _defines(module):
        raise InputError(f"{what}: {name}: defines nothing; {EXPECTED}")
    return module


def _defines(module: ModuleType) -> bool:
    """Whether a module has a definition, or what it names is one or a module that has one."""
    return any(within(one, home) for one in _DEFINITIONS for home in homes_of(module))


def homes_of(module: ModuleType) -> set[str]:
    """The modules in which may be defined what a module brings: its topmost package, and those that it names."""
    named = (value.__name__ if isinstance(value, ModuleType) else _home(value) for value in vars(module).values())
    return {name for name in (module.__name__.partition(".")[0], *named) if name and name not in _OWN}


def within(module: str, home: str) -> bool:
    """Whether a module is another one or below it, by their names."""
    return module == home or module.startswith(f"{home}.")


def _home(value: object) -> str | None:
    home = getattr(value, "__module__", None) if callable(value) else None
    return home if isinstance(home, str) else None


def _name(name: str) -> None:
    if _whole(name) not in named():
        os.environ[VARIABLE] = os.pathsep.join([*named(), _whole(name)])


def _from_here(name: str) -> str:
    """The path of a file as it is from the working folder, if it lies within."""
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else name


def _imported_from(path: Path) -> ModuleType | None:
    """The module that a file is already, as one of an installed plugin: twice, it would define each part twice."""
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if name != "__main__" and isinstance(file, str) and file.endswith(path.name) and Path(file).resolve() == path:
            return module
    return None


def _names_a_module(name: str) -> bool:
    return name != "__main__" and all(part.isidentifier() for part in name.split("."))


def _places(name: str) -> list[Path]:
    """Where a module may lie, found without importing anything of it. A package without `__init__.py` has no file of
    its own, and several folders."""
    top, *rest = name.split(".")
    found = importlib.util.find_spec(top)
    if found is None:
        return []
    if found.submodule_search_locations is None:
        return [Path(found.origin or top).resolve()]
    return [Path(folder, *rest).resolve() for folder in found.submodule_search_locations]


def _whole(name: str) -> str:
    return str(Path(name).resolve()) if name.endswith(".py") else name


def _from_file(path: Path) -> ModuleType:
    if there := _imported_from(path):
        return there
    name = f"signal_model_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError("no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: what it does may ask for the plugins again
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
