"""A training, or the stages of a run, in a process of its own; takes its arguments as JSON and prints a line of it."""
import contextlib, json, sys, time
from pathlib import Path
from unittest.mock import patch


def train(data, recipe, weights=None, device=None, img_size=None, aug_views=2, seed=42, precision="auto", phases=None):
    "Train `recipe` on the study's split; its scores, and seconds without decoding and features that were in the cache."
    from brainmri.train.features import FeatureCache
    from brainmri.train.loop import Training
    from brainmri.models.recipes import get_recipe, vgg_learner, vgg_network, vgg_weights
    from brainmri.data.index import index_images
    from brainmri.evaluate.metrics import macro_f1
    from brainmri.data.loaders import mri_dls
    from brainmri.core import pick_device
    from brainmri.data.split import split_images
    from dataclasses import replace
    device = pick_device(device)
    df = split_images(index_images(data, progress=False), how="random")
    r = get_recipe(recipe)
    r = replace(r, img_size=img_size or r.img_size, phases=r.phases[:phases])
    state = vgg_weights(weights, "vgg16_bn")[0]
    with bf16_stored() if precision == "bf16" and device == "cpu" else contextlib.nullcontext():
        features = FeatureCache(df, vgg_network("vgg16_bn", state, top=False), img_size=r.img_size, device=device, precision=precision, seed=seed, progress=False)
        learn = vgg_learner(mri_dls(df, r.img_size, r.bs, device=device), r, "vgg16_bn", state, seed)
        t = Training(learn, df, r, features=features, img_size=r.img_size, aug_views=aug_views, precision=precision, device=device, seed=seed, progress=False)
        start = time.perf_counter()
        history = t.fit()
        seconds = time.perf_counter() - start
        f1 = {}
        for s in ("valid", "test"):
            rows = (df.split == s).values.nonzero()[0]
            f1[f"{s}_macro_f1"] = float(macro_f1(df.y.values[rows], t.probs(rows).argmax(1)))
    return dict(recipe=recipe, img_size=r.img_size, aug_views=aug_views, seed=seed, precision=features.precision, seconds=seconds,
                epochs_seconds=float(history.seconds.sum()), **f1)


@contextlib.contextmanager
def bf16_stored():
    "Where the CPU has no bfloat16 arithmetic: convolutions whose weights and activations are stored in bfloat16 and summed in float32."
    from brainmri import fast
    from bench.measure import cpu_has_bf16
    if cpu_has_bf16(): yield; return
    make, init = fast.FrozenNet.__init__, fast._Winograd.__init__
    def frozen(self, module, precision="fp32", device="cpu"): make(self, module, "winograd" if precision == "bf16" else precision, device)
    def stored(self, text, weights, out): init(self, text, weights, out, bf16=True)
    with patch.object(fast.FrozenNet, "__init__", frozen), patch.object(fast._Winograd, "__init__", stored): yield


def stages(folder):
    "Seconds of each stage of a run on `folder` at a small image size, and the memory after it."
    import os
    from brainmri.train.features import FeatureCache
    from brainmri.train.loop import Training
    from brainmri.data.audit import audit
    from brainmri.store import cache_dir
    from brainmri.data.index import index_images
    from brainmri.data.loaders import mri_dls
    from brainmri.data.cache import decoded
    from brainmri.data.split import split_images
    from brainmri.models.recipes import vgg_learner, vgg_network, get_recipe
    from bench.measure import memory
    from dataclasses import replace
    out, start = {}, time.perf_counter()
    def done(name):
        nonlocal start
        out[f"{name}_seconds"], out[f"{name}_anonymous_mb"] = time.perf_counter() - start, memory(os.getpid())[1]
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
    features = FeatureCache(df, vgg_network("vgg16_bn", top=False), img_size=64, progress=False)
    features.fill(range(len(df)))
    done("features")
    t = Training(vgg_learner(mri_dls(df, 64, r.bs), r), df, r, features=features, img_size=64, progress=False)
    t.fit()
    done("train")
    disk = sum(f.stat().st_size for f in cache_dir().rglob("*") if f.is_file())
    return dict(out, total_seconds=sum(v for k, v in out.items() if k.endswith("seconds")), cache_mb=disk/1e6)


def study(data, out, weights=None, device=None):
    "`train_all` on `data` at the study's settings."
    import brainmri
    start = time.perf_counter()
    res = brainmri.train_all(data, weights=weights, device=device, split="random", out=out, progress=False)
    seconds = time.perf_counter() - start
    f1 = {f"valid_{r}": v for r, v in zip(res.table.recipe, res.table.valid_macro_f1)}
    return dict(images=len(res.run.index), seconds=seconds, precision=res.run.config["precision"], aug_views=res.run.config["aug_views"], **f1)


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
