"""Two runs at once: on one cache, on one folder, and on the same fresh phantoms.

Held: on one cache both end with the table of a run that was alone; on one folder a second that comes later is refused in one line, in
less than half of the first's time, and the first ends undisturbed."""
import tempfile
from pathlib import Path

import pandas as pd

from .small import Cases, Run, phantoms


def run(quick):
    found = Cases()
    note = found.note
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        images = phantoms(d/"images")
        table = Run(d/"alone", images=images, out=d/"one").result()[1]
        for i in range(1 if quick else 3):
            pair = [Run(d/f"cache{i}", images=images, out=d/f"{i}{o}") for o in "ab"]
            results = [r.result() for r in pair]
            note(f"two runs on one empty cache, {i+1}", all(r[:2] == (0, table) for r in results), "both with the table of the run alone" if all(r[1] == table for r in results) else str([r[:3] for r in results]))
        first = Run(d/"cache", images=images, out=d/"same")
        first.until(d/"same"/"config.json")
        b, a = Run(d/"cache", images=images, out=d/"same").result(), first.result()
        refused = b[0] != 0 and "being written by another process" in b[2]
        note("two runs on one folder", a[:2] == (0, table) and refused and b[3] < a[3]/2, f"one with its table after {a[3]:.0f} s, the other after {b[3]:.1f} s: {b[2].replace(str(d), '')[:120]}")
        status, again, err, _ = Run(d/"cache", images=images, out=d/"same").result()
        note("a third call on that folder, when both have ended", again == table, "the same table" if again == table else err)
        dead = Run(d/"cache", images=images, out=d/"killed")
        dead.until(d/"killed"/"config.json")
        dead.kill()
        status, again, err, _ = Run(d/"cache", images=images, out=d/"killed").result()
        note("a folder whose process was killed", again == table, "isn't locked: the same table" if again == table else err)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        pair = [Run(f"{d}/cache", images=None, out=f"{d}/{o}", recipes=["ann_baseline"], n_robust=0) for o in "ab"]
        results = [r.result() for r in pair]
        note("two first runs that both draw the phantoms", results[0][1] == results[1][1] and not any(r[0] for r in results), "one drew them, the same tables" if results[0][1] == results[1][1] else str([r[2] for r in results]))
    return pd.DataFrame(found)
