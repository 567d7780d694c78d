"""Install the wheel beside the newest and beside the oldest packages that settings.ini allows, and use it there.

The wheel is built from a copy of the checkout without what git ignores, and every environment is new, outside the checkout, with the Python that runs this:
one with the wheel and nothing else, one with the lowest version of each requirement (uv's `lowest-direct`; what those require in turn is the
newest that fits), and one with the newest of everything the index offers, PyTorch and fastai included. In the last two, outside the checkout,
the package is imported, every command says its help, phantoms are drawn, audited, split and trained on with a flattened-image network and a
VGG, and predicted, explained and reported.

Held: each step ends without an error, with the wheel's own modules, and every image gets a verdict. `found` names the versions. It needs uv
(`pip install uv`), git, an index and some 15 GB for each environment in turn in the folder for temporary files and uv's cache. `quick` does
without the two large environments."""
import configparser, csv, io, json, os, shutil, subprocess, sys, tempfile, zipfile
from email.parser import Parser
from pathlib import Path

import pandas as pd

from .small import Cases

ROOT = Path(__file__).parent.parent
SHOWN = ("python", "torch", "torchvision", "fastai", "fastcore", "numpy", "scipy", "pandas", "scikit-learn", "pillow", "matplotlib", "nilearn", "cleanlab", "mapie", "captum", "ncnn",
         "imagehash", "safetensors", "joblib", "filelock", "fastprogress", "plum-dispatch")
ENVIRONMENTS = dict(oldest=["--resolution", "lowest-direct"], newest=["--upgrade"])

#: What is done in an environment, each as a program of its own; they run in one folder, one after the other.
STEPS = {
    "import": """
import brainmri, sys, pathlib
assert pathlib.Path(brainmri.__file__).is_relative_to(sys.prefix), brainmri.__file__
assert "torch" not in sys.modules
import brainmri.all as b
print(f"{len(b.__all__)} public names")""",
    "phantoms and training": """
from brainmri.data.phantom import make_phantoms
from brainmri.study.study import train_all
make_phantoms("images", n=120, seed=1, duplicates=2, progress=False)
res = train_all("images", recipes=["ann_optimized", "vgg16_aug_finetune"], preset="quick", weights=None, img_size=64, epochs=2, n_robust=8, out="run", progress=False)
assert list(res.table.recipe) == ["ann_optimized", "vgg16_aug_finetune"] and res.table.valid_macro_f1.between(0, 1).all() and res.table.test_macro_f1.notna().all()
assert res.learner("ann_optimized").validate()
print("validation macro-F1 " + ", ".join(f"{r.recipe} {r.valid_macro_f1:.3f}" for r in res.table.itertuples()))""",
    "prediction and explanation": """
from collections import Counter
from brainmri.use.answers import VERDICTS
from brainmri.use.predict import load
for recipe, precision in (("ann_optimized", "auto"), ("vgg16_aug_finetune", "fp32"), ("vgg16_aug_finetune", "winograd")):
    found = load(f"run/{recipe}", precision=precision).predict("images", progress=False)
    assert len(found) >= 120 and all(p.verdict in VERDICTS and (p.failed or abs(sum(p.probs.values()) - 1) < 1e-5) for p in found), found
e = next(p for p in found if not p.failed).explain()
assert e.cam.shape == e.image.shape[:2] and e.to_image().size[0] > 100 and "<img" in e._repr_html_() and found._repr_html_()
print(", ".join(f"{n} {v}" for v, n in sorted(Counter(p.verdict for p in found).items())) + ", one explained")"""}


def call(*args, cwd=None, env=None):
    "What a program prints; what it says is wrong, in one line, if it fails."
    done = subprocess.run(list(map(str, args)), cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        said = [o.strip() for o in (done.stderr.strip() or done.stdout.strip()).splitlines() if o.strip(" ^~")]
        raise RuntimeError(f"exit status {done.returncode}: {' '.join(said[-2:])[-300:]}")
    return done.stdout


def uv():
    "The program uv."
    found = os.environ.get("UV") or shutil.which("uv")
    if not found: raise SystemExit("This trial needs uv: pip install uv.")
    return found


def files(*below):
    "The files that belong to the checkout: not what git ignores."
    return [o for o in call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *below, cwd=ROOT).split("\0") if o]


def build(folder):
    "The wheel of a copy of the checkout."
    for name in files():
        if (ROOT/name).exists():
            (folder/"src"/name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT/name, folder/"src"/name)
    call(sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "-q", "-w", folder, cwd=folder/"src")
    return next(folder.glob("*.whl"))


def contents(wheel):
    "Which files a wheel holds, beside the package's, and which of the package's it lacks."
    names = zipfile.ZipFile(wheel).namelist()
    want = set(files("brainmri"))
    extra, missing = sorted(o for o in set(names) - want if ".dist-info/" not in o), sorted(want - set(names))
    if extra or missing: raise RuntimeError(f"too much: {', '.join(extra) or 'nothing'}; missing: {', '.join(missing) or 'nothing'}")
    return f"{len(want)} files of the package, its metadata, and nothing else"


#: The extra that is tried as well, for the arithmetic "winograd".
EXTRA = "fast"


def requirements(wheel):
    "What the wheel asks for, with `EXTRA` and without its other extras."
    with zipfile.ZipFile(wheel) as z:
        name = next(o for o in z.namelist() if o.endswith(".dist-info/METADATA"))
        text = z.read(name).decode()
    asked = [o.partition("; extra == ") for o in Parser().parsestr(text).get_all("Requires-Dist")]
    return [o for o, _, extra in asked if extra.strip("\"'") in ("", EXTRA)]


def bounded(wheel):
    "Whether each requirement says which version is the oldest."
    asked = requirements(wheel)
    loose = [o for o in asked if ">=" not in o]
    if loose: raise RuntimeError(f"no oldest version: {', '.join(loose)}")
    return f"all {len(asked)} say their oldest version"


class Environment:
    "A new virtual environment in `folder`, and what runs in it without the checkout."
    def __init__(self, folder, wheel, *options):
        self.folder, self.cwd = folder, folder/"work"
        call(uv(), "venv", "-q", "--python", sys.executable, folder)
        self.cwd.mkdir()
        call(uv(), "pip", "install", "-q", "--python", self.python, *options, wheel)
        unset = ("PYTHONPATH", "PYTHONHOME", "BRAINMRI_WEIGHTS", "VIRTUAL_ENV")
        self.env = {k: v for k, v in os.environ.items() if k not in unset} | {
            "BRAINMRI_CACHE": str(folder/"cache"), "TORCH_HOME": str(folder/"torch"), "MPLCONFIGDIR": str(folder/"matplotlib"), "MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"}
    @property
    def python(self): return self.folder/("Scripts/python.exe" if os.name == "nt" else "bin/python")
    def run(self, program): return call(self.python, "-c", program, cwd=self.cwd, env=self.env).strip().splitlines()[-1]
    def command(self, name, *args): return call(self.python.with_name(name), *args, cwd=self.cwd, env=self.env)
    def versions(self):
        rows = json.loads(call(uv(), "pip", "list", "--format", "json", "--python", self.python))
        found = {o["name"].lower(): o["version"] for o in rows} | dict(python=sys.version.split()[0])
        return {k: found[k] for k in SHOWN if k in found}


def commands():
    "The commands that settings.ini names."
    cfg = configparser.ConfigParser(delimiters=["="])
    cfg.read(ROOT/"settings.ini", encoding="utf-8")
    return [o.split("=")[0] for o in cfg["DEFAULT"]["console_scripts"].split()]


def helps(e):
    "Whether every command of the environment says its help."
    silent = [o for o in commands() if "usage:" not in e.command(o, "--help")]
    if silent: raise RuntimeError(f"no help: {', '.join(silent)}")
    return f"{len(commands())} commands"


def answers(e):
    "What the command for predictions prints for a spreadsheet."
    rows = list(csv.DictReader(io.StringIO(e.command("brainmri_predict", "run/ann_optimized", "images/glioma", "--csv"))))
    if not rows or any(o["verdict"] not in ("accepted", "ambiguous", "rejected") for o in rows): raise RuntimeError(f"no verdict in {rows[:1]}")
    return f"{len(rows)} images, each with a verdict"


def reports(e):
    "What the commands for the audit and the report write."
    e.command("brainmri_audit", "images", "--out", "audit.html")
    e.command("brainmri_report", "run")
    short = [o for o in ("audit.html", "run/report.html", "run/MODEL_CARD.md") if not (e.cwd/o).exists() or (e.cwd/o).stat().st_size < 5000]
    if short: raise RuntimeError(f"hardly anything in {', '.join(short)}")
    return "the audit's page, the report and the model card"


def attempt(found, case, f, *args):
    "Add a row for what `f` says or how it fails; is it held?"
    try: said, held = str(f(*args)).strip(), True
    except RuntimeError as e: said, held = str(e), False
    found.note(case, held, said.replace(str(tempfile.gettempdir()), "…"))
    return held


def try_environment(name, folder, wheel, found):
    "All steps in a new environment."
    asked, e = folder/f"{name}.txt", None
    asked.write_text("\n".join(requirements(wheel)))
    def make():
        nonlocal e
        e = Environment(folder/name, wheel, *ENVIRONMENTS[name], "-r", asked)
        return ", ".join(f"{k} {v}" for k, v in e.versions().items())
    if attempt(found, f"{name}: installs", make):
        attempt(found, f"{name}: requirements agree", lambda: call(uv(), "pip", "check", "--python", e.python) or "all of them")
        for step, program in STEPS.items(): attempt(found, f"{name}: {step}", e.run, program)
        for step, f in {"help of the commands": helps, "brainmri_predict": answers, "brainmri_audit and brainmri_report": reports}.items(): attempt(found, f"{name}: {step}", f, e)
    shutil.rmtree(folder/name, ignore_errors=True)


def run(quick):
    found = Cases()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        wheel = build(d)
        attempt(found, "the wheel's files", contents, wheel)
        attempt(found, "the wheel's requirements", bounded, wheel)
        attempt(found, "the wheel alone: import without any other package",
                lambda: Environment(d/"bare", wheel, "--no-deps").run("import sys, brainmri; from brainmri.data.classes import STUDY_CLASSES as found; assert found[3] == 'notumor' and 'torch' not in sys.modules; print('brainmri', brainmri.__version__)"))
        for name in [] if quick else ENVIRONMENTS: try_environment(name, d, wheel, found)
    return pd.DataFrame(found)
