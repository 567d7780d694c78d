"""Files that nobody should have to open, opened as users do.

Each case of `corpus` is given to everything that reads such a file: the index of its class folder, `image_array`, `predict` for the file alone, beside
a whole one and for its folder, `read_slices`, `load`, the command line. A bomb, which only an attacker makes, is given to `untrusted`, which opens
what strangers send. It held if each call answered, or refused the file by one of the package's
own errors: one line that names the file. It didn't if there was any other exception or a signal, if a call took over 10 s of processor time or waited for
half a minute, or if it took over 1 GB of memory beyond what the process had. A call runs in a process of its own, forked from one that has imported
everything."""
import json, os, re, resource, select, signal, subprocess, sys, tempfile, time, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from . import corpus

SECONDS, MEGABYTES, LETTERS = 10, 1000, 500


def calls(case, predictor):
    "What users do with `case`: names, and functions that return the lines in which something was refused."
    from brainmri.data.slices import read_slices
    from brainmri.core import DataWarning
    from brainmri.data.image import image_array, open_image
    from brainmri.data.worker import untrusted
    from brainmri.use.predict import load
    path, root = case.path, case.path.parents[1]
    def refused(found): return [p.reason for p in (found if isinstance(found, list) else [found]) if p.failed]
    def index(data):
        from brainmri.data.index import index_images, problems
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", DataWarning)
            df = index_images(data, classes="glioma", max_bad=1., workers=8, progress=False)
        assert len(df) and df.label.eq("glioma").all() and np.isfinite(df[["width", "height"]].to_numpy()).all(), f"a table that makes no sense: {df.iloc[:3].to_dict()}"
        assert all(len(o.splitlines()) == 1 for o in problems(df).problem), "a problem that is more than a line"
        return [str(o.message) for o in told if o.category is DataWarning]
    def pixels(source):
        a = image_array(source, 32)
        assert a.shape == (32, 32, 3) and a.dtype == np.uint8, f"{a.dtype} of shape {a.shape}"
    def answer(x, by=predictor):
        found = by.predict(x, progress=False)
        for p in found if isinstance(found, list) else [found]: assert p.failed or abs(sum(p.probs.values()) - 1) < 1e-6, f"probabilities {p.probs}"
        return refused(found)
    predict = {"predict a list": lambda: answer([path, path.parent/"whole.png"]), "predict its folder": lambda: answer(path.parent)}
    if case.kind == "picture": return {"index": lambda: index(root), "open_image": lambda: open_image(path) and None, "image_array": lambda: pixels(path), "predict": lambda: answer(path), **predict}
    if case.kind == "bomb": return {"untrusted": lambda: untrusted("brainmri.data.slices.read_arrays", path, seconds=5) and None}
    if case.kind == "several": return {"read_slices, by three threads": lambda: [None for _ in ThreadPoolExecutor(3).map(lambda o: (read_slices(o), None)[1], [path]*3)] and None}
    if case.kind == "volume": return {"read_slices": lambda: read_slices(path) and None, **predict}
    if case.kind == "table": return {"index": lambda: index(path)}
    if case.kind == "bundle": return {"load": lambda: answer(path.parent/"whole.png", load(path))}
    if case.kind == "memory":
        im = corpus._in_mode(Image.open(path), *case.extra)
        return {"image_array": lambda: pixels(im), "predict": lambda: answer([im])}
    return {"brainmri_predict": lambda: command(case, root.parent/"whole")}

def command(case, bundle):
    "What the command prints for a file in the folder that it works in, which it refuses with status 2."
    done = subprocess.run([Path(sys.executable).parent/"brainmri_predict", bundle, *case.extra, "--", case.path.name], cwd=case.path.parent, capture_output=True, timeout=2*SECONDS)
    text = done.stderr.decode(errors="replace")
    assert done.returncode in (0, 2) and "Traceback" not in text, f"status {done.returncode}: {text[-300:]}"
    lines = text.splitlines()
    assert len(lines) == (done.returncode == 2), f"status {done.returncode} with {len(lines)} lines: {text[:300]}"
    return lines

def _unclear(line, case):
    "What is wrong with the line in which `case` was refused; nothing if it is clear."
    named = {re.sub(r"[\W_]", "", o) for o in (case.path.name, case.path.parents[1].name)}
    if len(line) > LETTERS: return f"a message of {len(line):,} letters"
    if any(ord(o) < 32 or 127 <= ord(o) < 160 or o in "\u2028\u2029" for o in line): return "a message with control characters"
    if not any(o in re.sub(r"[\W_]", "", line) for o in named) and case.kind != "memory": return "a message that doesn't name the file"

def _tried(f, case):
    "Whether the call held, and what was found."
    from brainmri.core import BrainMRIError
    try: lines, answered = f() or [], True
    except BrainMRIError as e: lines, answered = [str(e)], False
    except AssertionError as e: return False, str(e)
    except BaseException as e: return False, f"{type(e).__name__}: {e}"
    for o in lines:
        if bad := _unclear(o, case): return False, f"{bad}: {o}"
    return True, lines[0] if lines else "answered"

def _child(case, call, out):
    "Make a `call` for `case`, and write to the pipe `out` what comes of it."
    quiet = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2): os.dup2(quiet, fd)
    os.setsid()
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1000
    before, start = peak(), _used(os.getpid())[0]
    if case.closed and os.getuid() == 0: os.setgroups([]), os.setgid(65534), os.setuid(65534)  # permissions don't bind root
    warnings.simplefilter("ignore")
    held, found = _tried(call, case)
    most = sum(int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{o}/status").read_text())[1])/1000 for o in _children(os.getpid()))
    os.write(out, json.dumps(dict(held=held, found=found[:1000], mb=peak() - before + most, seconds=_used(os.getpid())[0] - start)).encode())

def _children(pid):
    "The processes that `pid` has started and that live."
    try: return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError: return []

def _forked(case, call):
    "What a process of its own says of a `call` for `case`, or why it ended before its time."
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            _child(case, call, into)
            status = 0
        finally: os._exit(status)
    os.close(into)
    end, begun = None, time.monotonic()
    while not select.select([out], [], [], .05)[0]:
        end = end or _over(pid, begun)
        if end: os.killpg(pid, signal.SIGKILL)
    text = os.read(out, 65536)
    os.close(out)
    status = os.waitpid(pid, 0)[1]
    if text: return json.loads(text)
    return dict(held=False, found=end or (f"ended by {signal.Signals(status & 127).name}" if status & 127 else "ended with a traceback"), mb=0, seconds=0)

def _over(pid, begun):
    "What process `pid`, which was `begun` then, has had too much of, if anything."
    seconds, mb = _used(pid)
    if seconds > SECONDS: return f"took over {SECONDS} s"
    if time.monotonic() - begun > 3*SECONDS: return f"waited for over {3*SECONDS} s"
    if mb > 6*MEGABYTES: return f"took over {6*MEGABYTES//1000} GB"

def _used(pid):
    "Seconds of processor time, and MB of memory, of the process `pid` and those that it has started."
    seconds = mb = 0
    for o in (pid, *_children(pid)):
        try: stat = Path(f"/proc/{o}/stat").read_text().rpartition(")")[2].split()
        except OSError: continue
        seconds += sum(map(int, stat[11:15 if o == pid else 13]))/os.sysconf("SC_CLK_TCK")  # with the children that have ended
        mb += int(stat[21])*resource.getpagesize()/1e6
    return seconds, mb

def _row(case, predictor):
    "Make all calls for `case`; the row of the table."
    done = {k: _forked(case, f) for k, f in calls(case, predictor).items()}
    for o in done.values():
        if o["held"] and o["mb"] > MEGABYTES: o.update(held=False, found=f"took {o['mb']:,.0f} MB")
    mb, seconds = (max(o[k] for o in done.values()) for k in ("mb", "seconds"))
    bad = next((f"{k}: {o['found']}" for k, o in done.items() if not o["held"]), None)
    found = bad or next((o["found"] for o in done.values() if o["found"] != "answered"), "answered")
    for o in (str(case.path.parent), str(case.path.parents[1]), str(case.path.parents[2])): found = found.replace(o + "/", "").replace(o, "the folder")
    shown = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", "?", found)
    return dict(case=case.name.encode(errors="replace").decode(), kind=case.kind, found=shown[:200] + "…"*(len(shown) > 200), held=not bad, seconds=round(seconds, 1), mb=round(mb))

def run(quick):
    "The table of all cases."
    import brainmri.all, encodings.utf_8_sig, nibabel, pydicom, pydicom.pixels.decoders  # a case's process has them all
    import torch
    from brainmri.use.predict import load
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        whole = corpus.write_untrained(Path(root)/"whole")
        cases, predictor = corpus.build(root, whole, quick), load(whole)
        rows = [_row(o, predictor) for o in (cases[::8] if quick else cases)]
        for o in (o for o in cases if o.closed):
            for folder in (o.path.parent, o.path): folder.chmod(0o700)  # so that it can be deleted
        sys.setrecursionlimit(10_000)  # deleting a folder calls itself for each level
    return pd.DataFrame(rows)
