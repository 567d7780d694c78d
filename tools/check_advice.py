"""Check that advice can be followed: what a message names exists where the user is.

    python tools/check_advice.py           print a line for every name that doesn't hold; exit with 1 if there is any
    python tools/check_advice.py --list    print every name with its message and the functions that may say it

Messages are the texts in the package that aren't docstrings. In them, `name`, name=, --name and words like
max_bad are checked: a parameter must be one of the function that the message names, or of every one of `DOORS`
from which the message can come; anything else in backticks must be public.
"""
import ast, functools, importlib, inspect, re, sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import brainmri
import pandas as pd
import torch
from fastai.learner import Learner
from PIL import Image
from sklearn.linear_model import LogisticRegression

ROOT = Path(brainmri.__file__).parent
DOORS = """train_all index_images audit split_images leakage find_groups make_phantoms mri_dls mri_block localize read_boxes
load Predictor Predictor.predict export_onnx serve train_many predict_folder validate_run Results Results.validate_on
Results.learner Results.predictor Results.robustness write_report write_card read_run fit_gate body_weights make_learner
brainmri_train brainmri_audit brainmri_predict brainmri_report brainmri_export brainmri_app""".split()
#: Attributes of what everybody uses; seen in code, they need not mean a method of this package
COMMON = {name for o in (pd.DataFrame, torch.nn.Module, torch.Tensor, dict, str, Path, Image.Image, Learner, LogisticRegression) for name in dir(o)}
NAMED = re.compile(r"`([^`]+)`|\b([a-z]\w*)=(?=\S)|--([a-z][\w-]+)|\b([a-z]+_[a-z_]+)\b")


@dataclass
class Definition:
    "A function or method: what it uses, and what it says."
    name: str
    module: str
    owner: str = ""
    uses: set = field(default_factory=set)
    says: list = field(default_factory=list)

    @property
    def called(self): return f"{self.owner}.{self.name}" if self.owner else self.name


def text_of(node):
    "The text of a string or f-string, with {} for what is filled in."
    if isinstance(node, ast.Constant): return node.value if isinstance(node.value, str) else ""
    return "".join("{}" if isinstance(o, ast.FormattedValue) else text_of(o) for o in node.values)


def read(function, module, owner):
    "A `Definition` from the syntax tree of a function."
    patched = any("patch" in ast.unparse(o) for o in function.decorator_list)
    if patched and function.args.args: owner = ast.unparse(function.args.args[0].annotation)
    d = Definition(function.name, module, owner)
    docs = {id(o.body[0].value) for o in ast.walk(function) if isinstance(o, ast.FunctionDef) and ast.get_docstring(o)}
    inner = {id(part) for o in ast.walk(function) if isinstance(o, ast.JoinedStr) for part in o.values}
    own = {o.arg for o in ast.walk(function) if isinstance(o, ast.arg)}
    own |= {o.id for o in ast.walk(function) if isinstance(o, ast.Name) and isinstance(o.ctx, ast.Store)}
    for o in ast.walk(function):
        if isinstance(o, ast.Name) and o.id not in own: d.uses.add(o.id)
        if isinstance(o, ast.Attribute) and o.attr not in COMMON: d.uses.add(f".{o.attr}")
        if isinstance(o, (ast.Constant, ast.JoinedStr)) and id(o) not in docs | inner: d.says.append(text_of(o))
    return d


def definitions():
    "All functions and methods of the package."
    for file in sorted(ROOT.rglob("*.py")):
        module = ".".join(("brainmri", *file.relative_to(ROOT).with_suffix("").parts))
        if file.name.startswith("_"): continue
        for o in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(o, ast.FunctionDef): yield read(o, module, "")
            if isinstance(o, ast.ClassDef):
                yield from (read(f, module, o.name) for f in o.body if isinstance(f, ast.FunctionDef))


ALL = list(definitions())
USERS = defaultdict(list)  # name, or .name of a method, or a class → definitions that use it
for d in ALL:
    for name in d.uses: USERS[name].append(d)


def sources(d):
    "The definitions from which `d` is reached, itself included."
    found, todo = {}, [d]
    while todo:
        o = todo.pop()
        if o.called in found: continue
        found[o.called] = o
        name = o.owner if o.name in ("__init__", "__post_init__") else f".{o.name}" if o.owner else o.name
        todo += [user for user in USERS[name] if user.module == o.module or not o.name.startswith("_") or o.owner]
    return found


@functools.lru_cache(None)
def parameters(called):
    "The names of the parameters of a public function, method or class."
    owner, _, name = called.partition(".")
    o = getattr(brainmri, owner, None)
    o = getattr(o, name, None) if name else o
    try: found = set(inspect.signature(o).parameters) if callable(o) else set()
    except (TypeError, ValueError): found = set()
    return frozenset(found | set(getattr(o, "__dataclass_fields__", ())))


def known_parameters(): return {p for o in dir(brainmri) for p in parameters(o)}


def advice():
    "Each name in a message, with the definition that says it and the message."
    every = known_parameters()
    for d in ALL:
        for text in d.says:
            if not re.search("[a-z] [a-z]", text) or re.search("[<=]\"|`{}`", text): continue
            for quoted, assigned, option, word in NAMED.findall(text):
                called = re.fullmatch(r"(\w+)\((?:(\w+)=?.*)?\)", quoted)
                name = (quoted or assigned or option.replace("-", "_") or word).strip()
                if word and word not in every or f"{assigned}={{}}" in text: continue  # a value that the caller gave
                yield d, text, name, called, bool(quoted)


def problem(d, text, name, called, quoted):
    "What is wrong with a name in a message; None if it holds."
    public = set(dir(brainmri))
    if called: return None if called[1] in public and (not called[2] or called[2] in parameters(called[1])) else "no such call"
    if quoted and name.split(".")[0] in public: return None
    named = [o for o in re.findall(r"\w+", text) if o in public and callable(getattr(brainmri, o))]
    if any(name in parameters(o) for o in named): return None
    doors = [o for o in sources(d) if o in DOORS] or [d.called]*(d.called in public)
    without = [o for o in doors if name not in parameters(o)]
    return f"not in {', '.join(without)}" if without else None if doors else "reached from no door"


if __name__ == "__main__":
    found = [(*o, problem(*o)) for o in advice()]
    if "--list" in sys.argv: print(*(f"{d.module}.{d.called}: {name}: {text}" for d, text, name, *_ in found), sep="\n")
    wrong = [f"{d.module}.{d.called}: {name}: {why}. It says: {text}" for d, text, name, _, _, why in found if why]
    print("\n".join(wrong) or f"All {len(found)} names in messages can be followed.")
    sys.exit(bool(wrong))
