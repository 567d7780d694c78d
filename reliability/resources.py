"""Whether twenty small runs in one process leave anything behind, and whether decoding processes can be started afresh.

Held: between the fifth and the last run the open files, threads and child processes of the process don't grow, and its memory grows by
less than 3 MB a run. Loaders with worker processes work by spawn, as on Windows and macOS, from a script without a guard."""
import gc, multiprocessing, os, subprocess, sys, tempfile, threading
from pathlib import Path

import pandas as pd

from .small import Cases, phantoms, settings


def held_now():
    import psutil
    gc.collect()
    p = psutil.Process()
    return dict(files=p.num_fds() if hasattr(p, "num_fds") else p.num_handles(), threads=p.num_threads(), python_threads=threading.active_count(), children=len(p.children(recursive=True)), mb=p.memory_info().rss/1e6)


SPAWNED = """
import multiprocessing, os, sys
multiprocessing.set_start_method("spawn", force=True)
if __name__ == "__main__":
    from brainmri.data.index import index_images
    from brainmri.data.loaders import mri_dls
    from brainmri.data.split import split_images
    df = split_images(index_images(sys.argv[1], progress=False), "random")
    dls = [mri_dls(df, 64, bs=8, num_workers=w, device="cpu") for w in (0, 2)]
    a, b = ([x.sum().item() for x, _ in o.valid] for o in dls)
    assert a == b and len(a) > 0, (a, b)
    print("same batches")
"""


def run(quick):
    from brainmri.study.study import train_all
    found, seen, n = Cases(), [], 4 if quick else 20
    note = found.note
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        images = phantoms(d/"images", 40)
        os.environ["BRAINMRI_CACHE"] = str(d/"cache")
        for i in range(n):
            train_all(images, out=d/f"run{i}", **settings(recipes=["ann_baseline"], n_robust=0))
            seen.append(held_now())
        t = pd.DataFrame(seen)
        start = t.iloc[min(4, n//2)]
        for k in ("files", "threads", "python_threads", "children"): note(f"{k.replace('_', ' ')} after {n} runs", t[k].iloc[-1] <= start[k], f"{t[k].iloc[-1]:.0f}, after a few {start[k]:.0f}")
        growth = (t.mb.iloc[-1] - start.mb)/(n - 1 - start.name)
        note(f"memory after {n} runs", growth < 3, f"{t.mb.iloc[-1]:.0f} MB, after a few {start.mb:.0f} MB: {growth:+.1f} MB a run")
        script = d/"spawned.py"
        script.write_text(SPAWNED)
        r = subprocess.run([sys.executable, script, images], capture_output=True, text=True, timeout=300, cwd=d)
        note("loaders whose two processes are spawned", r.stdout.strip() == "same batches", r.stdout.strip() or r.stderr.strip().splitlines()[-1])
        script.write_text("import multiprocessing, sys\nmultiprocessing.set_start_method('spawn', force=True)\nfrom brainmri.all import *\n"
                          "df = index_images(sys.argv[1], progress=False)\nprint(len(decoded(df, 64, progress=False, processes=True)[:2]))\n")  # no guard, as in a notebook or a short script
        r = subprocess.run([sys.executable, script, images], capture_output=True, text=True, timeout=300, cwd=d)
        note("decoding processes, from a script without a guard", r.stdout.strip() == "2", r.stdout.strip() or r.stderr.strip().splitlines()[-1])
    return pd.DataFrame(found)
