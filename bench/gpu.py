"""Everything of the GPU path that a CPU can't show, within a time limit: right first, then fast.

    python -m bench gpu --data IMAGES --weights FILE            # on the GPU
    python -m bench gpu --device cpu --minutes 3 --size 64      # the same code on a CPU, as a stand-in

Each check is one row: what, the figure, what was expected, and whether it held. A check for which no time is left,
or that is still running when the time is over, is a row that says "not measured". `--images N` takes so many of the images."""
import json, shutil, signal, subprocess, sys, tempfile, threading, time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from . import measure

#: Largest difference between two losses of the same training: in float32, and where bfloat16's rounding is between them.
CLOSE = dict(fp32=2e-3, bf16=.15)


class Setting:
    "What every check needs: where to run, on which images, and until when."
    def __init__(self, data, weights, device, size, minutes, out):
        self.data, self.weights, self.device, self.size, self.out = data, weights, device, size, Path(out)
        self.ends = time.perf_counter() + 60*minutes
        self.on_gpu, self.study = device != "cpu", None  # the second is filled by `whole_study`

    def left(self):
        "Seconds until the time limit."
        return self.ends - time.perf_counter()


def small_set(s, n=96):
    "The first phantoms of a seed, split; enough for a history to be compared."
    from brainmri.data.index import index_images
    from brainmri.data.phantom import make_phantoms
    from brainmri.data.split import split_images
    folder = s.out/"small"
    if not folder.exists(): make_phantoms(folder, n=n, seed=7, size=128, progress=False)
    return split_images(index_images(folder, progress=False), how="random")


def make_training(s, df, recipe="vgg16_finetune", device=None, precision="fp32", epochs=2, **kwargs):
    "A `Training` of a shortened recipe, with its activations cached unless told otherwise."
    from dataclasses import replace
    from brainmri.data.loaders import mri_dls
    from brainmri.models.bodies import make_body
    from brainmri.models.learner import make_learner
    from brainmri.models.recipes import get_recipe
    from brainmri.train.features import FeatureCache
    from brainmri.train.loop import Training
    device = device or s.device
    r = get_recipe(recipe)
    phases = tuple(replace(p, epochs=epochs, lr=min(p.lr, 1e-4)) for p in r.phases)
    r = replace(r, img_size=s.size, bs=16, phases=phases)
    how = dict(precision=precision, device=device, progress=False)
    features = None
    if kwargs.get("cache", True) and r.body != "pixels":
        features = FeatureCache(df, make_body("vgg16_bn", seed=0, img_size=s.size), "vgg16_bn", s.size, **how)
    learn = make_learner(mri_dls(df, s.size, r.bs, device=device), r, "vgg16_bn", None, seed=0)
    without_dropout(learn.model)
    return Training(learn, df, r, "vgg16_bn", features, aug_views=0, **how, **kwargs)


def without_dropout(model):
    "Switch off dropout, whose masks a GPU draws otherwise than a CPU."
    import torch
    for m in model.modules():
        if isinstance(m, torch.nn.Dropout): m.p = 0


@contextmanager
def own_cache():
    "An empty cache folder, so that nothing is read that another device or call computed."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache, patch.dict("os.environ", BRAINMRI_CACHE=cache): yield


def farthest(a, b):
    "The largest difference between the losses of two histories."
    columns = ["train_loss", "valid_loss"]
    return float(np.abs(a[columns].values - b[columns].values).max())


def same_history(s, recipe, precision):
    "A training here and on the CPU in float32, epoch by epoch, each from an empty cache."
    import torch
    df = small_set(s)
    with own_cache(), torch.backends.cudnn.flags(allow_tf32=False): here = make_training(s, df, recipe, precision=precision).fit()
    with own_cache(): there = make_training(s, df, recipe, device="cpu").fit()
    return farthest(here, there), f"at most {CLOSE[precision]}", farthest(here, there) <= CLOSE[precision]


def cached_is_uncached(s):
    "A training from stored activations and one from files."
    df = small_set(s)
    difference = farthest(make_training(s, df).fit(), make_training(s, df, cache=False).fit())
    return difference, f"at most {CLOSE['fp32']}", difference <= CLOSE["fp32"]


def resumed_is_undisturbed(s):
    "A training that stops after its first phase and goes on in a new object."
    df, folder = small_set(s), s.out/"resumed"
    shutil.rmtree(folder, ignore_errors=True)
    whole = make_training(s, df).fit()
    first = make_training(s, df)
    first.fit_phase(0)
    first._note(folder, 0)
    difference = farthest(whole, make_training(s, df).fit(folder=folder))
    return difference, f"at most {CLOSE['fp32']}", difference <= CLOSE["fp32"]


def memory_halves_the_batch(s):
    """Memory for less than one batch: the training goes on with fewer images at a time, to the same history.

    It is that of the head, since the BatchNorm of a last stage that learns sees a batch in two halves differently."""
    import torch
    df = small_set(s)
    roomy, short = make_training(s, df), make_training(s, df)
    def narrow(module, inputs):
        if module.training and len(inputs[0]) > 8: raise torch.cuda.OutOfMemoryError("as if memory had run out")
    short.learn.model.register_forward_pre_hook(narrow)
    short.learn.model[1].register_forward_pre_hook(narrow)
    short._may_run_out = lambda: True
    difference = farthest(roomy.fit_phase(0), short.fit_phase(0))
    return difference, "half the batch, at most 0.05", short.held <= 8 and difference <= .05


def real_memory(s):
    "The same with memory that really ends: this process may have a sliver of the GPU."
    import torch
    if not s.on_gpu: return np.nan, "only on a GPU", None
    df, total = small_set(s), torch.cuda.get_device_properties(0).total_memory
    wide = make_training(s, df, "vgg16_finetune", cache=False)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1., (torch.cuda.memory_reserved() + 6e8)/total))
    try: wide.fit()
    finally: torch.cuda.set_per_process_memory_fraction(1.)
    return wide.held, f"fewer than {wide.recipe.bs} images held at once", wide.held < wide.recipe.bs and len(wide.history) > 0


def marked_cells(s):
    "The notebook cells marked `#| cuda`."
    if not s.on_gpu: return np.nan, "only on a GPU", None
    call = "import sys; from nbdev.test import nbdev_test; sys.exit(nbdev_test(flags='cuda', path='nbs/tutorials/gpu_box.ipynb'))"
    command = [sys.executable, "-c", call]  # no script is on PATH where wheels were unpacked into a folder
    done = subprocess.run(command, capture_output=True, text=True, timeout=max(1, s.left()))
    return done.returncode, "0", done.returncode == 0


class Busy:
    "How busy the GPU is while a block runs, in percent, asked of `nvidia-smi` twice a second."
    def __enter__(self):
        self.values, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self):
        "Ask until the block has ended."
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self.over.wait(.5):
            answer = subprocess.run(command, capture_output=True, text=True).stdout.split()
            if answer: self.values.append(float(answer[0]))

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()

    def share(self):
        "The mean share of time in which something ran."
        return float(np.mean(self.values))/100 if self.values else np.nan


def whole_study(s):
    "The five recipes in one call from an empty cache: seconds, and the share of time in which the GPU was busy."
    args = dict(study=str(s.data), weights=s.weights, device=s.device, out=str(s.out/"run"), img_size=None if s.on_gpu else s.size)
    shutil.rmtree(s.out/"run", ignore_errors=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache, Busy() if s.on_gpu else _Idle() as busy:
        done = measure.run(["-m", "bench.training", json.dumps(args)], timeout=max(1, s.left()), BRAINMRI_CACHE=cache)
    s.study = done | dict(busy=busy.share())
    return done["seconds"], "at most 60 s on a GPU", done["seconds"] <= 60 if s.on_gpu else None


class _Idle:
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def share(self): return np.nan


def peak_share(s):
    """Share of the machine's matrix product that the whole study reaches: the operations of its convolutions over its seconds.

    Counted are the frozen body once for each image, and forward and backward the last stage where it learns; new views are not."""
    if s.study is None: return np.nan, "not measured: the study didn't end", None
    from brainmri.models.bodies import make_body
    body, n, size = make_body("vgg16_bn").eval(), s.study["images"], 224 if s.on_gpu else s.size
    early = measure.conv_flops(body[0], (3, size, size))
    last = measure.conv_flops(body[1], (512, size//16, size//16))
    flops = n*(early + last) + 12*.7*n*3*last  # twelve epochs of the last stage, backward twice as much as forward
    return flops/s.study["seconds"]/measure.machine_limit(s.device)[0], "no target", None


def busy_share(s):
    "Share of the study's time in which the GPU was busy."
    if s.study is None: return np.nan, "not measured: the study didn't end", None
    return s.study["busy"], "no target", None


def frozen_share(s):
    "Share of the machine's matrix product that the frozen body reaches, in the arithmetic that `auto` picks."
    import torch
    from brainmri.models.bodies import make_body
    from brainmri.train.frozen import FrozenNet
    from brainmri.train.precision import pick_precision
    net, size = make_body("vgg16_bn").eval(), 224 if s.on_gpu else s.size
    flops, (top, _) = measure.conv_flops(net, (3, size, size)), measure.machine_limit(s.device)
    body = FrozenNet(net, pick_precision("auto", s.device), s.device)
    x = torch.rand(256 if s.on_gpu else 4, 3, size, size, device=s.device)
    def f():
        body(x)
        if s.on_gpu: torch.cuda.synchronize()
    share = len(x)*flops/measure.best_of(3, f)/top
    return share, "at least 0.6 on a GPU", share >= .6 if s.on_gpu else None


def against_the_loop(s, recipe):
    "Seconds of the reference loop for all epochs of a recipe, from one of them, over ours."
    from .__main__ import HERE
    from brainmri.models.recipes import get_recipe
    common = ["--recipe", recipe, "--device", s.device, *(["--weights", s.weights] if s.weights else [])]
    ours = measure.run(["-m", "bench.contenders", "ours", s.data, *common], timeout=max(1, s.left()))
    loop = measure.run([HERE/"reference_loop.py", s.data, "--epochs", 1, *common], timeout=max(1, s.left()))
    ratio = loop["seconds_per_epoch"]*get_recipe(recipe).epochs/ours["seconds"]
    return ratio, "at least 10 on a GPU", ratio >= 10 if s.on_gpu else None


def predictions(s):
    "Images per second of a bundle's answers, 128 of them in one call."
    from brainmri.data.index import index_images
    from brainmri.use.predict import load
    from .prediction import bundle
    files = [str(f) for f in index_images(s.data, progress=False).filepath[:128 if s.on_gpu else 8]]
    with tempfile.TemporaryDirectory() as tmp:
        answer = load(bundle(tmp, *([s.weights] if s.weights else [])), device=s.device)
        rate = len(files)/measure.best_of(2, lambda: answer.predict(files))
    return rate, "no target", None


def checks():
    "Name → check, with the seconds it should have left to begin, in the order of what matters most."
    named = {f"history of {r} in {p} here and on a CPU": (partial(same_history, recipe=r, precision=p), 20)
             for r, p in (("ann_baseline", "fp32"), ("vgg16_finetune", "fp32"), ("vgg16_finetune", "bf16"))}  # an ANN never learns in bf16
    named |= {
        "cached against uncached": (cached_is_uncached, 15), "resumed against undisturbed": (resumed_is_undisturbed, 15),
        "out of memory (played)": (memory_halves_the_batch, 15), "out of memory (real)": (real_memory, 15),
        "frozen body, share of the limit": (frozen_share, 20), "whole study, seconds": (whole_study, 60),
        "whole study, GPU busy": (busy_share, 0), "whole study, share of the limit": (peak_share, 5), "predictions, images per second": (predictions, 15)}
    named |= {f"{r}, times as fast as the reference loop": (partial(against_the_loop, recipe=r), 40)
              for r in ("vgg16_frozen", "vgg16_finetune")}
    return named | {"cells marked for a GPU": (marked_cells, 60)}


def in_time(s, check, needs):
    "The result of a check, if it begins and ends before the time is over."
    if s.left() <= needs: return np.nan, "not measured: no time left", None
    def over(*_): raise TimeoutError
    signal.signal(signal.SIGALRM, over)
    signal.alarm(max(1, int(s.left())))
    try: return check(s)
    except (TimeoutError, subprocess.TimeoutExpired): return np.nan, "not measured: the time was over", None
    finally: signal.alarm(0)


def table(s):
    "One row per check; an error is a row as well."
    rows = []
    for name, (check, needs) in checks().items():
        start = time.perf_counter()
        try: value, expected, held = in_time(s, check, needs)
        except Exception as e: value, expected, held = np.nan, f"{type(e).__name__}: {str(e)[:200]}", False
        except SystemExit as e: value, expected, held = np.nan, str(e)[-200:], False  # a process that failed
        rows.append(dict(what=name, value=value, expected=expected, held=held, seconds=time.perf_counter() - start))
        print(f"{name}: {value:.4g} ({expected}) {'' if held is None else 'held' if held else 'MISSED'}", flush=True)
    return pd.DataFrame(rows)


def gpu(a, data):
    "Correctness and speed on a GPU within eight minutes, each check a row; on a CPU a stand-in that shows the code."
    from brainmri.core import pick_device
    device = pick_device(a.device)
    size = a.size if device == "cpu" else 224
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        out = table(Setting(data, a.weights, device, size, a.minutes, tmp))
    return out, [f"{o.what}: {o.value:.4g}, {o.expected}" for o in out.itertuples() if o.held is False or o.held == 0]
