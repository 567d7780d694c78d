"""Kill a run at random moments, and go on with it.

Each case is a run with an empty folder and an empty cache that is killed (SIGKILL, so that nothing can be tidied up): at a moment drawn
evenly from the seconds that an undisturbed run takes, or within a third of a second after a file appeared that was drawn from all that it
writes, or several times. Held: every file that stands in the folder then can be
read to its end, every row that a cache calls done equals that of the undisturbed run, and the same call, made again, ends with the same table,
bit for bit, and leaves nothing temporary in the folder or in the cache."""
import contextlib, json, random, shutil, subprocess, tempfile, time
from pathlib import Path

import numpy as np, pandas as pd

from .small import Cases, Run, phantoms


def unreadable(folder):
    "The files of a run that can't be read to their end; what is still called temporary isn't a file of the run."
    from PIL import Image
    from safetensors import safe_open
    bad = []
    for f in (o for o in folder.rglob("*") if o.is_file() and not o.name.startswith(".")):
        try:
            if f.suffix == ".json": json.loads(f.read_text(encoding="utf-8"))
            elif f.suffix == ".csv": pd.read_csv(f)
            elif f.suffix == ".png": Image.open(f).load()
            elif f.suffix == ".html": assert f.read_text(encoding="utf-8").rstrip().endswith("</html>"), "cut off"
            elif f.suffix == ".safetensors":
                with safe_open(f, "np") as o: [o.get_tensor(k) for k in o.keys()]
        except Exception as e: bad.append(f"{f.relative_to(folder)}: {e}")
    return bad


def rows(cache):
    "Cache folder → the bytes of its file."
    return {f.parent.name: np.fromfile(f, np.uint8) for f in sorted(Path(cache).glob("*/rows.bin"))}


def wrong_rows(cache, whole, n):
    "Caches of `n` rows in which one that is called done isn't what the undisturbed run has there."
    bad, start = [], -(-n//4096)*4096  # a flag a row, in whole pages, then the rows
    for name, data in rows(cache).items():
        ref = whole.get(name, data[:0])
        if len(ref) != len(data): bad.append(f"{name} has another size"); continue
        done = np.flatnonzero(data[:n])
        wrong = (data[start:].reshape(n, -1)[done] != ref[start:].reshape(n, -1)[done]).any(1)
        if wrong.any(): bad.append(f"{name} row {done[wrong][0]}")
    return bad


def run(quick):
    rng, found = random.Random(0), Cases()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        images = phantoms(d/"images")
        status, table, err, seconds = Run(d/"cache", images=images, out=d/"whole").result()
        assert status == 0, err
        whole, n = rows(d/"cache"), len(pd.read_csv(d/"whole"/"index.csv"))
        files = sorted((o.relative_to(d/"whole") for o in (d/"whole").rglob("*") if o.is_file()), key=str)
        for i in range(3 if quick else 20):
            out, cache, bad, stages = d/"run", d/"killed", [], []
            for _ in range(1 if i % 5 else 3):  # every fifth is killed three times
                r, file, wait = Run(cache, images=images, out=out), rng.choice(files), rng.random()
                if i % 2: r.until(out/file)
                with contextlib.suppress(subprocess.TimeoutExpired): r.process.wait(wait/3 if i % 2 else wait*seconds)
                ended = r.process.poll() is not None
                r.kill()
                stages.append("had ended" if ended else stage(out, cache))
                bad += unreadable(out) + wrong_rows(cache, whole, n) if out.exists() else []
            status, again, err, _ = Run(cache, images=images, out=out).result()
            left = [str(o.relative_to(d)) for folder in (out, cache) for o in folder.rglob(".*.tmp")]
            held = status == 0 and again == table and not bad and not left
            why = "the same table, every file whole" if held else "; ".join([*bad, *(f"left behind: {o}" for o in left), err if status else "", "another table" if status == 0 and again != table else ""]).strip("; ")
            found.note(f"killed {'soon after a file was written' if i % 2 else 'at a random second'}: {', then '.join(stages)}", held, why)
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(cache, ignore_errors=True)
    return pd.DataFrame(found)


def stage(out, cache):
    "How far a run had come, from what is in its folder."
    has = lambda *names: (out.joinpath(*names)).exists()
    if has("report.html"): return "in or after the report"
    if has("test_opened.json"): return "scoring and trying"
    for r in ("vgg16_aug_finetune", "ann_optimized"):
        if has(r, "metrics.json"): return f"after {r}"
        if has(r): return f"within {r}"
    return "training begins" if has("config.json") else "reading images"
