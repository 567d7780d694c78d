"""The same seed on the same machine, and what a call leaves as it found it.

Held: fresh processes print the same table, bit for bit, with an empty cache and with a full one, without caches by no and by two decoding
processes; and after `train_all`, and after a call that failed, the random states, thread counts, matplotlib's backend and settings, the
warnings' filters, the working directory and the environment are what they were."""
import os, random, tempfile, warnings
from pathlib import Path

import pandas as pd

from .small import RECIPES, Cases, Run, phantoms, settings


def state():
    "What a library must not change for its caller."
    import matplotlib, numpy as np, torch
    return {"Python's random state": random.getstate(), "NumPy's random state": [o.tolist() if hasattr(o, "tolist") else o for o in np.random.get_state()], "PyTorch's random state": torch.get_rng_state().tolist(),
            "PyTorch's threads": (torch.get_num_threads(), torch.get_num_interop_threads()), "PyTorch's determinism": torch.are_deterministic_algorithms_enabled(), "PyTorch's default type": torch.get_default_dtype(),
            "gradients": torch.is_grad_enabled(), "matplotlib's backend": matplotlib.get_backend(), "matplotlib's settings": dict(matplotlib.rcParams), "open figures": matplotlib.pyplot.get_fignums(), "filters of warnings": list(warnings.filters),
            "the working directory": os.getcwd(), "the environment": dict(os.environ), "how tables and arrays are printed": (pd.get_option("display.max_rows"), np.get_printoptions())}


def run(quick):
    import matplotlib.pyplot, torchvision  # torchvision's import sets an environment variable and a filter of warnings
    from brainmri.core import BrainMRIError
    from brainmri.study.study import train_all
    found = Cases()
    note = found.note
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        images = phantoms(d/"images")
        def table(name, place="cache", **kwargs):
            status, out, err, _ = Run(d/place, images=images, out=d/name, **kwargs).result()
            return out if status == 0 else f"{err} ({status})"
        same = lambda a, b: "the same table" if a == b else f"{a}\n{b}"
        first = table("first")
        for case, other in {"again, with the cache that is there": table("second"), "again, with an empty cache": table("third", "cache3")}.items(): note(case, other == first, same(other, first))
        a, b, c = (table(f"w{i}", cache=False, num_workers=w) for i, w in enumerate((0, 2, 0)))
        note("without caches, twice", a == c, same(a, c))
        note("without caches, by two decoding threads", a == b, same(a, b))
        note("another seed (must differ)", table("seven", seed=7) != first, "another table")
        os.environ["BRAINMRI_CACHE"] = str(d/"here")
        matplotlib.pyplot.rcParams["axes.titlesize"] = 7
        random.seed(5)
        before = state()
        train_all(images, out=d/"here too", **settings(recipes=RECIPES[:1] if quick else RECIPES))
        after = state()
        for k in before: note(f"{k} after a run", before[k] == after[k], "as before" if before[k] == after[k] else "changed" + (f": {', '.join(o for o in {*before[k], *after[k]} if before[k].get(o) != after[k].get(o))}" if isinstance(before[k], dict) else ""))
        before = state()
        try: train_all(images, out=d/"here too", **settings(seed=7))  # refused, because it is the run of another seed
        except BrainMRIError as e: note("a call that is refused", "seed was 42, now 7" in str(e), str(e).replace(f"{d}/", ""))
        changed = [k for k in before if before[k] != state()[k]]
        note("all of it after a call that failed", not changed, ", ".join(changed) or "as before")
    return pd.DataFrame(found)
