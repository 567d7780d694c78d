"""A training, or the stages of a run, in a process of its own.

Takes its arguments as JSON, and prints a line of JSON."""
import json, os, sys, time
from dataclasses import replace

import numpy as np

from bench.contenders import BODY, initial_state, split_folder


def train(data, recipe, weights=None, device=None, img_size=None, aug_views=2, seed=42, precision="auto", phases=None,
          epochs=None, learning=None):
    "Train `recipe` on the study's split; its scores, and seconds without what the caches already had."
    from brainmri.train import loop
    if learning: loop.learns_in_bf16 = lambda *args: learning == "bf16"  # whatever is faster here
    from brainmri.core import pick_device
    from brainmri.evaluate.metrics import macro_f1
    from brainmri.models.recipes import get_recipe
    device = pick_device(device)
    df = split_folder(data)
    r = get_recipe(recipe)
    r = replace(r, img_size=img_size or r.img_size, phases=r.phases[:phases])
    if epochs: r = replace(r, phases=tuple(replace(p, epochs=epochs) for p in r.phases))
    t = training(df, r, initial_state(r, weights), device, precision, seed, aug_views)
    start = time.perf_counter()
    history = t.fit()
    seconds = time.perf_counter() - start
    f1 = {}
    for part in ("valid", "test"):
        rows = np.flatnonzero(df.split == part)
        f1[f"{part}_macro_f1"] = float(macro_f1(df.y.values[rows], t.probs(rows).argmax(1)))
    return dict(recipe=recipe, img_size=r.img_size, aug_views=aug_views, seed=seed,
                precision=t.precision, seconds=seconds, epochs_seconds=float(history.seconds.sum()), **f1)


def training(df, r, state=None, device="cpu", precision="auto", seed=42, aug_views=2):
    "The `Training` of a recipe with a VGG's body, from cached features."
    from brainmri.data.loaders import mri_dls
    from brainmri.models.bodies import make_body
    from brainmri.models.learner import make_learner
    from brainmri.train.features import FeatureCache
    from brainmri.train.loop import Training
    body = make_body(BODY, state, img_size=r.img_size)
    how = dict(precision=precision, device=device, seed=seed, progress=False)
    features = FeatureCache(df, body, BODY, r.img_size, **how)
    learn = make_learner(mri_dls(df, r.img_size, r.bs, device=device), r, BODY, state, seed=seed)
    return Training(learn, df, r, BODY, features, aug_views=aug_views, **how)


def stages(folder):
    "Seconds of each stage of a run on `folder` at a small image size, and the memory after it."
    from brainmri.data.audit import audit
    from brainmri.data.cache import decoded
    from brainmri.data.index import index_images
    from brainmri.data.split import split_images
    from brainmri.models.recipes import get_recipe
    from brainmri.store import cache_dir
    from bench.measure import memory
    out, start = {}, time.perf_counter()
    def done(name):
        nonlocal start
        out[f"{name}_seconds"] = time.perf_counter() - start
        out[f"{name}_anonymous_mb"] = memory(os.getpid())[1]
        start = time.perf_counter()
    df = index_images(folder, progress=False)
    done("index")
    found = audit(df, progress=False)
    done("audit")
    df = split_images(df, how="grouped", audit=found)
    done("split")
    decoded(df, 64, progress=False)
    done("decode")
    r = replace(get_recipe("vgg16_finetune"), img_size=64)
    r = replace(r, phases=tuple(replace(p, epochs=1) for p in r.phases))
    t = training(df, r)
    t.features.fill(range(len(df)))
    done("features")
    t.fit()
    done("train")
    disk = sum(f.stat().st_size for f in cache_dir().rglob("*") if f.is_file())
    return dict(out, total_seconds=sum(v for k, v in out.items() if k.endswith("seconds")), cache_mb=disk/1e6)


def study(data, out, weights=None, device=None, img_size=None):
    "`train_all` on `data` at the study's settings."
    import brainmri
    start = time.perf_counter()
    res = brainmri.train_all(data, weights=weights, device=device, split="random", out=out, img_size=img_size, progress=False)
    seconds = time.perf_counter() - start
    f1 = {f"valid_{r}": v for r, v in zip(res.table.recipe, res.table.valid_macro_f1)}
    settings = {k: res.run.config[k] for k in ("precision", "aug_views")}
    return dict(images=len(res.run.index), seconds=seconds, **settings, **f1)


def main():
    args = json.loads(sys.argv[1])
    if "make" in args:
        from brainmri.data.phantom import make_phantoms
        make_phantoms(args["folder"], n=args["make"], seed=1, size=128, progress=False)
        out = {}
    elif "stages" in args: out = stages(args["stages"])
    elif "study" in args: out = study(args.pop("study"), **args)
    else: out = train(**args)
    print(json.dumps(out))


if __name__ == "__main__": main()
