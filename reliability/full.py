"""Let the disk be full.

The run's folder and its caches lie on a small file system in memory (tmpfs), of a size at which the undisturbed run would run out of room
somewhere: while it fills a cache, writes a checkpoint, a table, a picture or the report. Held: the call ends with one of the library's own
errors, which names the disk; what was written before can be read; and when there is room, the same call ends with the table of the
undisturbed run. Needs the right to mount."""
import contextlib, os, shutil, subprocess, sys, tempfile
from pathlib import Path

import pandas as pd

from .kill import stage, unreadable
from .small import Cases, Run, phantoms


def used(folder): return sum(f.stat().st_blocks*512 for f in folder.rglob("*") if f.is_file())


def mount(folder, size, *options):
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", folder], check=True, capture_output=True)


def fill(disk, leave):
    "Take all of `disk` but `leave` bytes, while another process is writing to it."
    with open(disk/"ballast", "wb") as f:
        size, step = 0, shutil.disk_usage(disk).free - leave
        while step > 4096:
            with contextlib.suppress(OSError):
                os.posix_fallocate(f.fileno(), size, step)
                size += step
            step = (shutil.disk_usage(disk).free - leave)//2


def run(quick):
    found = Cases()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        d = Path(d)
        images, disk = phantoms(d/"images"), d/"disk"
        try: mount(disk, "4g")
        except (OSError, subprocess.CalledProcessError) as e: sys.exit(f"A small file system can't be mounted here ({e}): run this as root on Linux.")
        start = lambda: Run(disk/"cache", images=images, out=disk/"run")
        try:
            status, table, err, _ = start().result()
            assert status == 0, err
            caches, whole = used(disk/"cache"), used(disk)

            def fresh(size):
                subprocess.run(["umount", disk], check=True)
                mount(disk, size)

            def judge(case, r):
                status, again, err, _ = r.result()
                at, bad = stage(disk/"run", disk/"cache"), unreadable(disk/"run")
                said = err.startswith("RunError") and ("free" in err or "full" in err.lower())
                (disk/"ballast").unlink(missing_ok=True)
                subprocess.run(["mount", "-o", "remount,size=4g", disk], check=True)
                last, resumed, late, _ = start().result()
                held = (status == 0 and again == table or said) and not bad and last == 0 and resumed == table
                text = "it fitted" if status == 0 else err.replace(str(d), "").split(". ")[0][:160]
                then = "then the same table" if resumed == table else "then ANOTHER table"
                found.note(f"{case}: {at}", held, "; ".join(o for o in [text, *bad, "" if last == 0 else late, then] if o))

            # within the caches, and within each recipe's weights
            sizes = [caches*f for f in (.05, .3, .6, .9)] + [caches + (whole - caches)*f for f in (.02, .2, .5, .9)]
            for size in sizes[1::4] if quick else sizes:
                fresh(int(size))
                judge(f"room for {size/1e6:.1f} MB, {whole/1e6:.1f} are needed", start())
            # when only tables, pictures and the report are missing, the disk is filled by somebody else
            late = [("test_opened.json", 0), ("test_opened.json", 40_000), ("comparison.csv", 0), ("figures/comparison.png", 60_000)]
            for name, leave in late[2:3] if quick else late:
                fresh("4g")
                r = start()
                r.until(disk/"run"/name)
                fill(disk, leave)
                judge(f"filled when {name} was there, but for {leave/1000:.0f} kB", r)
        finally: subprocess.run(["umount", disk], capture_output=True)
    return pd.DataFrame(found)
