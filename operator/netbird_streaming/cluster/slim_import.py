"""Parts of a package without the whole of it."""

import sys
from importlib.util import find_spec, module_from_spec


def import_submodules_only(*packages: str) -> None:
    """Let parts of these packages be imported without what the packages themselves would import.

    To import `a.b` runs the code of `a` first. Afterwards `a` is there, as where its parts are found, and empty.
    Does nothing for a package that is imported already.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    for name in packages:
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(name=name)
        if name not in sys.modules:
            sys.modules[name] = module_from_spec(spec)
