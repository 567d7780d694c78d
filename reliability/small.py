"""What the trials share: the rows of a table, and a small run in a process of its own: python -m reliability.small '{"images": ..., "out": ...}'.

Prints "ready" when the packages are loaded, and at the end the run's table as one line of JSON."""
import contextlib, json, os, signal, subprocess, sys, threading, time
from pathlib import Path

#: What the run consists of: an ANN and a VGG of two phases, on images small enough that it takes seconds.
RECIPES = ["ann_optimized", "vgg16_aug_finetune"]


def settings(**kwargs):
    "Arguments of the run; in one arithmetic, since a new cache folder would measure anew which is the fastest."
    return {**dict(precision="fp32", recipes=RECIPES, preset="quick", weights=None, split="random", img_size=64, epochs=1, n_robust=4, progress=False), **kwargs}


def numbers(res):
    "The table of a run without its seconds, as JSON, in which two floats are equal if all their bits are."
    return json.dumps(res.table.drop(columns="seconds").to_dict("records"))


def phantoms(folder, n=60):
    from brainmri.data.phantom import make_phantoms
    make_phantoms(folder, n=n, seed=1, duplicates=2, progress=False)
    return Path(folder)


class Cases(list):
    "The rows of a trial's table, each of which is shown as it comes."
    def note(self, case, held, text):
        self.append(dict(case=case, found=text, held=bool(held)))
        print(self[-1], flush=True)


class Run:
    "`train_all` in another process; `ready` once its packages are loaded."
    def __init__(self, caches, threads=1, **kwargs):
        env = {**os.environ, "BRAINMRI_CACHE": str(caches), "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen([sys.executable, "-m", "reliability.small", json.dumps(settings(**kwargs), default=str)], env=env, text=True,
                                        cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.err = []
        threading.Thread(target=lambda: self.err.extend(self.process.stderr), daemon=True).start()
        self.ready = self.process.stdout.readline().strip() == "ready"
        self.start = time.perf_counter()
    def until(self, file):
        "Wait until `file` is there, or the run has ended."
        while not file.exists() and self.process.poll() is None: time.sleep(.002)
    def kill(self):
        with contextlib.suppress(ProcessLookupError): os.killpg(self.process.pid, signal.SIGKILL)  # it may have ended
        self.process.wait()
    def result(self, timeout=300):
        "Exit status, the table or None, the last line of the error stream, and seconds since it was ready."
        out = self.process.stdout.read()
        status = self.process.wait(timeout)
        lines, err = out.strip().splitlines(), "".join(self.err).strip().splitlines()
        return status, lines[-1] if status == 0 and lines else None, err[-1] if err else "", time.perf_counter() - self.start


if __name__ == "__main__":
    from brainmri.core import BrainMRIError
    from brainmri.study.study import train_all
    print("ready", flush=True)
    given = json.loads(sys.argv[1])
    try: print(numbers(train_all(given.pop("images"), **given)))
    except BrainMRIError as e: sys.exit(f"{type(e).__name__}: {e}")
