"""Beyond one machine: two processes that train together, and work that a Ray cluster does, with a process killed in the middle.

Two CPU processes are launched by Accelerate. Held: they end with the split and the choice of one process; the losses of each training's first
epoch are equal within `TOLERANCE`, and in every epoch at most one validation image more or less is right (sums are added in another order, and
training magnifies any rounding); there is one run folder with the files of one process; and if one of them is killed, the same launch goes on
and ends as if nothing had happened. On a local Ray with two workers, held: trainings of which one was killed are, bit for bit, the trainings done
one after another; the answers for a folder have each file once, as `Predictor` answers it, also after a worker or everything was killed."""
import importlib.util, json, os, subprocess, sys, tempfile, threading, time
from pathlib import Path

import numpy as np, pandas as pd

from .small import Cases, phantoms

#: Largest difference between the losses of one process and two, in the first epoch.
TOLERANCE = 1e-3
NEEDED = dict(accelerate="accelerate", ray="ray", pyarrow="ray")
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
COLUMNS = ["train_loss", "valid_loss", "macro_f1", "accuracy"]


def command(caches, out, *args, together=True):
    "`brainmri_train` as a module, in two processes or in one."
    options = dict(preset="quick", weights="none", img_size="64", n_robust="0", split="random", device="cpu", out=str(out))
    given = [text for k, v in options.items() for text in (f"--{k}", v)]
    program = ["-m", "brainmri.study.cli", "train", "images", *given, *args]
    if together: program = [*LAUNCH, *program]
    env = os.environ | dict(BRAINMRI_CACHE=str(caches), OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    return subprocess.Popen([sys.executable, *program], env=env, cwd=caches.parent, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def train(*args, **kwargs):
    "Until it has ended."
    p = command(*args, **kwargs)
    err = p.communicate(timeout=600)[1]
    assert p.returncode == 0, err[-2000:]


def histories(run): return {f.parent.relative_to(run): pd.read_csv(f) for f in sorted(run.rglob("history.csv"))}


def apart(a, b, epochs=None):
    "The largest difference between the histories of two runs in each column, in the first `epochs` or all; infinite if they aren't of the same trainings."
    a, b = histories(a), histories(b)
    if list(a) != list(b) or any(len(a[k]) != len(b[k]) for k in a): return dict.fromkeys(COLUMNS, np.inf)
    return {c: max(np.abs(a[k][c] - b[k][c])[:epochs].max() for k in a) for c in COLUMNS}


def written(run):
    "What a run consists of; pictures of calibration are drawn for those whose test set was opened."
    return sorted(str(o.relative_to(run)) for o in run.rglob("*") if o.is_file() and not o.name.startswith("reliability_"))


def same_run(one, two):
    "Whether two run folders are the same within `TOLERANCE`, and in words how far they are apart."
    from brainmri.study.results import Results
    from brainmri.store import read_json
    a, b, far, first = Results(one), Results(two), apart(one, two), apart(one, two, 1)
    opened = [sorted(r for o in read_json(f/"test_opened.json") for r in o["recipes"]) for f in (one, two)]
    start, images = max(first["train_loss"], first["valid_loss"]), far["accuracy"]*(a.run.index.split == "valid").sum()
    checks = {"the same split": (one/"index.csv").read_bytes() == (two/"index.csv").read_bytes(), "the same best": a.best == b.best, "the same files": written(one) == written(two),
              "the test set opened once, for the same": opened[0] == opened[1], f"the first losses ({start:.0e} apart)": start <= TOLERANCE, f"right images ({images:.0f} apart)": images < 1.5}
    wrong = [k for k, v in checks.items() if not v]
    text = f"{a.best.replace('_', ' ')} best in both, first losses {start:.0e} apart, macro-F1 of any epoch at most {far['macro_f1']:.3f} ({images:.0f} of {(a.run.index.split == 'valid').sum()} images)"
    return not wrong, text if not wrong else f"not so: {', '.join(wrong)}"


def processes(name):
    "This process's descendants that carry `name`."
    import psutil
    found = []
    for p in psutil.Process().children(recursive=True):
        try:
            if name in " ".join(p.cmdline()): found.append(p)
        except psutil.Error: pass
    return found


def kill_one(name, when):
    "In the background, kill the first of this process's descendants that carries `name` as soon as `when()`."
    killed = []
    def wait():
        while not (when() and (found := processes(name))): time.sleep(.02)
        found[0].kill()
        killed.append(found[0].pid)
    threading.Thread(target=wait, daemon=True).start()
    return killed


def accelerated(d, quick, note):
    "One process against two."
    args = ["--recipes", "ann_baseline,ann_optimized,vgg16_finetune", "--epochs", "2" if quick else "4"]
    train(d/"cache", d/"one", *args, together=False)
    train(d/"cache2", d/"two", *args)
    note("three recipes in two processes instead of one", *same_run(d/"one", d/"two"))
    if quick: return
    args = ["--recipes", "ann_optimized,vgg16_aug_finetune", "--epochs", "2", "--n_seeds", "2"]
    kinds = dict(stored=([], "augmented views from the cache"), fresh=(["--aug_views", "0"], "new views in every epoch"),
                 uncached=(["--no-cache"], "nothing cached"))
    for name, (more, text) in kinds.items():
        for k in (False, True): train(d/"cache", d/f"{name}{k}", *args, *more, together=k)
        note(f"two seeds, {text}", *same_run(d/f"{name}False", d/f"{name}True"))
    p = command(d/"cache", d/"killed", *args)
    killed = kill_one("-u -m brainmri.study.cli", lambda: any((d/"killed").glob("*/phase1.safetensors")))  # a process, not the launcher
    p.communicate(timeout=300)
    train(d/"cache", d/"killed", *args)
    far = apart(d/"storedTrue", d/"killed")
    note("one of two processes killed after a phase, and launched again", p.returncode != 0 and killed and max(far.values()) == 0, "the histories of the undisturbed two, bit for bit" if max(far.values()) == 0 else f"histories differ by {max(far.values()):.4f}")


def trained(d, quick, note):
    "`train_many` with a worker killed, against the same trainings one after another."
    import torch
    from brainmri.store import read_json
    from brainmri.study.cluster import train_many
    from brainmri.study.study import train_all
    torch.set_num_threads(1)  # as a task of Ray has; two threads add in another order
    recipes = ["ann_baseline", "ann_optimized"] if quick else ["ann_optimized", "vgg16_finetune"]
    seeds = 2
    common = dict(preset="quick", weights=None, img_size=64, epochs=2, split="random", progress=False)
    killed = kill_one("ray::_train_one", lambda: any((d/"many").rglob("progress.json")))
    table = train_many(d/"images", d/"many", recipes=recipes, n_seeds=seeds, test_top=1, n_robust=0, **common)
    wrong = []
    for r in recipes:
        for s in range(42, 42 + seeds):
            train_all(d/"images", recipes=[r], seed=s, split_seed=42, test_top=0, n_robust=0, out=d/"alone"/r/f"seed-{s}", **common)
            a, b = [d/o/r/f"seed-{s}" for o in ("many", "alone")]
            ma, mb = [read_json(o/r/"metrics.json")["valid"] for o in (a, b)]
            if max(apart(a, b).values()) or ma != mb or (a/r/"model.safetensors").read_bytes() != (b/r/"model.safetensors").read_bytes(): wrong.append(f"{r} from seed {s}")
    best, opened = table.recipe[table.valid_mean.idxmax()], table.recipe[table.test_mean.notna()].tolist()
    held = not wrong and killed and opened == [best] and (table.seeds == seeds).all()
    note(f"{len(recipes)} recipes × {seeds} seeds on two Ray workers, one of them killed", held,
         "histories, scores and weights of the trainings done one after another, bit for bit; the test set opened for the best alone" if held else f"other trainings: {wrong}, opened for {opened}, best {best}, killed {len(killed)}")


def answered(out, plain):
    "Whether the answers in the folder `out` are those of the table `plain`, each file once; and in words."
    got = pd.read_parquet(out)
    again, lost = len(got) - got.source.nunique(), len(set(plain.source) - set(got.source))
    a, b = got.set_index("source").sort_index(), plain.set_index("source").sort_index()
    same = not again and not lost and len(a) == len(b) and all((a[c].fillna("") == b[c].fillna("")).all() for c in ("label", "verdict", "set", "reason"))
    far = np.abs(a.filter(like="prob_").to_numpy(float) - b.filter(like="prob_").to_numpy(float)) if same else np.array([np.inf])
    return bool(same and np.nanmax(far) < 1e-6), f"{len(got)} rows for {len(plain)} files, {again} twice, {lost} lost, {'the' if same else 'not the'} answers of Predictor, probabilities within {np.nanmax(far):.0e}"


def folder(d, quick, note):
    "`predict_folder` with a worker killed, and killed as a whole."
    import psutil
    from brainmri.data.phantom import make_phantoms
    from brainmri.study.cluster import list_files, predict_folder
    from brainmri.use.predict import load
    make_phantoms(d/"many images", n=60 if quick else 320, seed=3, unreadable=2, progress=False)
    bundle, files = d/"one"/"ann_baseline", list_files(d/"many images")
    plain, shard = load(bundle).predict(files, progress=False).to_frame(), len(files)//30
    parts = lambda out: len(list(out.glob("*.parquet")))
    at = []
    def middle(): return parts(d/"answers") >= 3 and not at.append(parts(d/"answers"))
    killed = kill_one("ray::MapWorker", middle)
    predict_folder(bundle, d/"many images", d/"answers", shard=shard, progress=False)
    held, text = answered(d/"answers", plain)
    total = parts(d/"answers")
    note(f"a folder on two Ray workers, one of them killed after {at[-1] if killed else '?'} of {total} shards", held and killed and at[-1] < total, text)
    script = f"import ray\nray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\nfrom brainmri.study.cluster import predict_folder\npredict_folder({str(bundle)!r}, {str(d/'many images')!r}, {str(d/'again')!r}, shard={shard}, progress=False)"
    p = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while parts(d/"again") < 3 and p.poll() is None: time.sleep(.01)
    for o in [psutil.Process(p.pid), *psutil.Process(p.pid).children(recursive=True)] if p.poll() is None else []: o.kill()
    p.wait()
    before = {o: o.stat().st_mtime_ns for o in (d/"again").glob("*.parquet")}
    predict_folder(bundle, d/"many images", d/"again", shard=shard, progress=False)
    held, text = answered(d/"again", plain)
    kept = all(o.stat().st_mtime_ns == t for o, t in before.items())
    note(f"everything killed after {len(before)} of {parts(d/'again')} shards, and called again", held and kept and len(before) < parts(d/"again"), text + (", what was there not written again" if kept else ", shards written again"))


def run(quick):
    found, missing = Cases(), sorted({o for k, o in NEEDED.items() if importlib.util.find_spec(k) is None})
    note = found.note
    if missing: return pd.DataFrame([dict(case="packages", found=f"not tried without them: pip install 'brainmri[{','.join(missing)}]'", held=False)])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        phantoms(d/"images", 60 if quick else 80)
        accelerated(d, quick, note)
        import ray
        os.environ["BRAINMRI_CACHE"] = str(d/"cache")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        try:
            trained(d, quick, note)
            folder(d, quick, note)
        finally: ray.shutdown()
    return pd.DataFrame(found)
