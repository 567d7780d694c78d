"""Check that every public symbol is documented: a docstring, a comment for each parameter, and an example in its own notebook.

    python tools/check_api.py    print a line for everything that is missing; exit with 1 if there is any

What counts as an example is a cell that isn't exported and names the symbol; of a class, each public method and property too.
"""
import importlib, inspect, json, re, sys, typing
from pathlib import Path

from fastai.callback.core import Callback
from fastcore.docments import docments

NBS = Path(__file__).resolve().parent.parent/"nbs"


def notebooks():
    "The module that each reference notebook exports, and the source of its tests."
    for file in sorted(NBS.rglob("[0-9]*.ipynb")):
        cells = ["".join(c["source"]) for c in json.loads(file.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        name = next((m[1] for c in cells if (m := re.search(r"^#\| *default_exp +(\S+)", c))), None)
        if name: yield file.relative_to(NBS).as_posix(), importlib.import_module(f"brainmri.{name}"), "\n".join(c for c in cells if not re.match(r"#\| *export", c))


def undocumented(f):
    "The parameters of the function `f` that have no comment; a result has one unless it is None."
    kinds, hints = inspect.signature(f).parameters, typing.get_type_hints(f, include_extras=True) if f.__module__.endswith(".cli") else {}
    try: found = docments(f, full=True)
    except OSError:  # a generated function that it delegates to has no source
        yield "any parameter that fastcore could read"
        return
    for name, d in found.items():
        if name in ("self", "cls") or d.docment or hasattr(hints.get(name), "__metadata__") or hasattr(hints.get(name), "help"): continue  # positional arguments of commands
        if name == "return": yield from ["the result"]*(d.anno not in (inspect.Parameter.empty, None, "None", type(None)))
        elif kinds[name].kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL): yield name


def members(c):
    "The public functions that the class `c` adds to its bases, and whether each is a property; fastai calls a callback's events by itself."
    for name, o in vars(c).items():
        f = o.fget if isinstance(o, property) else getattr(o, "func", getattr(o, "__func__", o))
        event = issubclass(c, Callback) and re.match("(before|after)_", name)
        if not name.startswith("_") and inspect.isfunction(f) and not event and not any(hasattr(b, name) for b in c.__mro__[1:]): yield name, f, f is not o


def problems():
    "A line for everything that is missing."
    for file, module, tests in notebooks():
        for name in module.__all__:
            o, what = getattr(module, name), f"{file}: {name}"
            if not re.search(rf"\b{name}\b", tests): yield f"{what} has no example"
            if not (inspect.isclass(o) or inspect.isfunction(o)): continue
            if not (o.__doc__ or "").strip() or inspect.isclass(o) and "__doc__" not in vars(o): yield f"{what} has no docstring"
            own_init = inspect.isclass(o) and "__init__" in vars(o) and not hasattr(o, "__dataclass_fields__")
            for p in undocumented(o.__init__ if own_init else o) if own_init or inspect.isfunction(o) else (): yield f"{what} has no comment for {p}"
            for method, f, derived in members(o) if inspect.isclass(o) else ():
                if not f.__doc__: yield f"{what}.{method} has no docstring"
                if not re.search(rf"\.{method}\b", tests): yield f"{what}.{method} has no example"
                for p in () if derived else undocumented(f): yield f"{what}.{method} has no comment for {p}"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) or "Every public symbol has a docstring, comments for its parameters, and an example.")
    sys.exit(bool(found))
