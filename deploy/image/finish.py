# ruff: noqa: INP001 — a script that the Dockerfile runs, no package
"""Makes what pip installed into what the image holds: `finish.py install LIB`, then `finish.py warm`.

Run by the Dockerfile alone, with the standard library alone.
"""

import compileall
import importlib
import pkgutil
import py_compile
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Final

PROGRAM: Final = "netbird_streaming.__main__"
COMMANDS: Final = "netbird_streaming.cli"
"""The package whose modules are imported only when they are called."""
PLACE: Final = "/app/lib"
"""Where the folder will be; it is what tracebacks name."""
# The Kubernetes client has a module for each kind and each API group there is, twice: 123 of its 126 MB. It loads one
# when its name is first asked for, and what the program asks for is loaded as it starts.
GENERATED: Final = tuple(
    f"kubernetes/{client}/{folder}" for client in ("client", "aio/client") for folder in ("api", "models")
)
# Sources of compiled modules, type stubs, and packages' own tests: nothing reads them at run time.
UNREAD: Final = ("*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "*.pyi")
UNUSED: Final = ("bin", "aiohttp/.hash", "aiohttp/_websocket/.hash")
COMMAND: Final = Path("/usr/local/bin/netbird-streaming-operator")
"""What `kubectl exec` runs: a container's entry point has no name."""
SCRIPT: Final = """#!{python}
import sys
from netbird_streaming.__main__ import main
sys.exit(main())
"""
MODE: Final = py_compile.PycInvalidationMode.UNCHECKED_HASH
"""Files of an image never change, and some builders change their times."""


def install(lib: Path) -> None:
    """Describe the program as an installed one, leave out what it does not use, and compile the rest."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = lib / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    folder.mkdir()
    # What `--version` reads. Building a wheel for it would fetch a build backend that the lock does not cover.
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    _prune(lib)
    if not compileall.compile_dir(lib, quiet=1, stripdir=str(lib), prependdir=PLACE, invalidation_mode=MODE):
        sys.exit("not every module could be compiled")


def warm() -> None:
    """Compile those modules of the standard library that the program imports, and give the program a name."""
    _import_program()
    COMMAND.parent.mkdir(parents=True, exist_ok=True)
    COMMAND.write_text(SCRIPT.format(python=sys.executable), encoding="utf-8")
    COMMAND.chmod(0o755)
    for module in list(sys.modules.values()):
        source = getattr(module, "__file__", None) or ""
        # This script itself is not there when the program runs.
        if module is not sys.modules["__main__"] and source.endswith(".py") and not source.startswith(PLACE):
            py_compile.compile(source, doraise=True, invalidation_mode=MODE)


def _import_program() -> None:
    """Import every module that any command needs."""
    importlib.import_module(PROGRAM)
    for module in pkgutil.iter_modules(importlib.import_module(COMMANDS).__path__, f"{COMMANDS}."):
        importlib.import_module(module.name)


def _prune(lib: Path) -> None:
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(lib))
    _import_program()
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for each in GENERATED:
        for source in (lib / each).glob("*.py"):
            if str(source) not in loaded and source.name != "__init__.py":
                source.unlink()
    for pattern in UNREAD:
        for path in lib.rglob(pattern):
            path.unlink()
    for each in UNUSED:
        shutil.rmtree(lib / each, ignore_errors=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["install", where]:
            install(Path(where).resolve())
        case ["warm"]:
            warm()
        case _:
            sys.exit(__doc__)
