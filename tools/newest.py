"""Run notebooks under the newest fastai and fastcore, which users have and nbdev 2.4 can't be installed with.

    python tools/newest.py                          all notebooks, as many at once as there are cores
    python tools/newest.py nbs/data nbs/train       those in some folders, or single ones

The newest releases are put in a temporary folder that comes before the installed ones; everything else stays as it is installed.
A notebook fails if one of its cells does. The exit status is the number of notebooks that failed."""
import os, re, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NBS = Path(__file__).resolve().parent.parent/"nbs"
NEWEST = ["fastai>=2.8.12", "fastcore>=2", "fasttransform", "fastprogress", "plum-dispatch<2.10"]
LEFT_OUT = ("notest", "slow", "cuda", "eval: false")


def install(folder):
    "Put the newest releases in `folder`, and print which they are."
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, *NEWEST], check=True)
    names = sorted(o.name.removesuffix(".dist-info") for o in Path(folder).glob("*.dist-info"))
    print("With", ", ".join(names), flush=True)


def notebooks(paths):
    "The notebooks that `paths` name, all by default."
    for path in map(Path, paths or [NBS]):
        found = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        yield from (o for o in found if not any(part[0] in "._" for part in o.relative_to(path.anchor or ".").parts))


def is_test(cell):
    flags = [line for line in cell.source.splitlines() if line.startswith("#|")]
    return cell.cell_type == "code" and not any(o in line for o in LEFT_OUT for line in flags) and "nbdev_export" not in cell.source


def last_lines(error, n=8):
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without colors
    return "\n".join([o for o in text.splitlines() if o.strip()][-n:])


def run(path):
    "Run the cells of one notebook; what went wrong, or None."
    start, nb = time.perf_counter(), nbformat.read(path, 4)
    nb.cells = [c for c in nb.cells if is_test(c)]
    client = NotebookClient(nb, timeout=900, kernel_name="python3", resources=dict(metadata=dict(path=path.parent)))
    try: client.execute()
    except CellExecutionError as e: return f"{path}: {last_lines(e)}"
    finally: print(f"{path}: {time.perf_counter() - start:.0f} s", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        install(folder)
        paths = [folder, NBS.parent, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ.update(PYTHONPATH=os.pathsep.join(str(o) for o in paths if o), OMP_NUM_THREADS="1", MPLBACKEND="Agg")
        with ThreadPoolExecutor(os.cpu_count()) as pool: failed = [o for o in pool.map(run, notebooks(sys.argv[1:])) if o]
    print("\n\n".join(failed) or "All notebooks ran.")
    sys.exit(len(failed))


if __name__ == "__main__": main()
