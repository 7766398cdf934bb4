"""The Python of the image: `python -m tests.harness.interpreter [install]` prints its path.

Tests start the operator with it, because a minor version can change, for example, how TLS certificates are verified.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
RUNTIME: Final = ROOT / ".venv-runtime" / "bin" / "python"
"""Made by `make runtime`: the image's minor version and the image's dependencies."""
_PRINT_MINOR: Final = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


def image_minor() -> str:
    """Return the minor version of Python that the Dockerfile names, such as `3.13`."""
    found = re.search(r"^ARG BUILD_IMAGE=\S*python:(\d+\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None, "the Dockerfile names no version of Python"
    return found[1]


@cache
def operator_python() -> str:
    """Return the interpreter of operators in tests: the image's, or this one if there is none."""
    return str(RUNTIME) if _minor_of(RUNTIME) == image_minor() else sys.executable


def description() -> str:
    """Return a sentence about the Python of operators in tests."""
    minor = image_minor()
    if operator_python() == str(RUNTIME):
        return f"operators run on Python {minor}, as in the image"
    return (
        f"WARNING: operators run on Python {sys.version_info[0]}.{sys.version_info[1]}, and in the image on {minor}: "
        f"install Python {minor} (pyenv, uv or the system's packages), then run `make runtime`"
    )


def find(minor: str) -> Path | None:
    """Return an interpreter of the minor version that can make virtual environments, or None."""
    return next((each for each in _candidates(minor) if _minor_of(each) == minor), None)


def install(minor: str) -> Path | None:
    """Install the interpreter from the system's packages, by pyenv or by uv. Return None if none provides it.

    Raises:
        subprocess.CalledProcessError: The system has the package and can't install it.
    """
    package = f"python{minor}"
    if shutil.which("apt-get") and os.geteuid() == 0 and _has_package(package):
        subprocess.run(["apt-get", "install", "--yes", "--quiet", package, f"{package}-venv"], check=True, stdout=2)
    elif shutil.which("pyenv"):
        subprocess.run(["pyenv", "install", "--skip-existing", minor], check=False, stdout=2)
    else:
        subprocess.run([ROOT / ".venv" / "bin" / "uv", "python", "install", minor], check=False, stdout=2)
    return find(minor)


def _candidates(minor: str) -> Iterator[Path]:
    name = f"python{minor}"
    for folder in os.get_exec_path():
        yield Path(folder) / name
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{minor}*/bin/{name}"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local" / "share" / "uv" / "python"))
    yield from sorted(uv.glob(f"cpython-{minor}*/bin/{name}"))


def _minor_of(python: Path) -> str | None:
    """Return the minor version, or None if it does not run: a shim of pyenv can name a version that is not active."""
    if not python.exists():
        return None
    answer = subprocess.run([python, "-I", "-c", _PRINT_MINOR], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def _has_package(package: str) -> bool:
    answer = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return answer.returncode == 0


def main(arguments: list[str]) -> int:
    """Print its path. Return 1 if it is missing; with `install`, only if an installation was possible and failed."""
    minor, installing = image_minor(), arguments == ["install"]
    found = find(minor) or (install(minor) if installing else None)
    if found is None:
        print(f"Python {minor}, which the image has, was not found", file=sys.stderr)
        return 0 if installing else 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
