"""What the audit takes and finds, each in a process of its own; takes its arguments as JSON and prints a line of it."""
import json, sys, time
from pathlib import Path

import numpy as np


def compare(n, turned=False):
    "Compare `n` made-up hashes with one another, one in a hundred a near duplicate of another."
    from brainmri.data.duplicates import clusters, near_pairs
    rng = np.random.default_rng(0)
    h = rng.integers(0, 256, (n, 8, 32) if turned else (n, 32), dtype=np.uint8)
    twins = rng.permutation(n)[:2*(n//100)].reshape(2, -1)
    h[twins[1]] = h[twins[0]] ^ np.uint8(1)*(rng.random(h[twins[0]].shape) < .2)  # a few bits of 256
    start = time.perf_counter()
    pairs = near_pairs(h)
    clusters(n, pairs)
    seconds = time.perf_counter() - start
    found = {(i, j) for i, j, _ in pairs}
    missed = sum((min(a, b), max(a, b)) not in found for a, b in twins.T)
    return dict(images=n, turned=turned, compare_seconds=seconds, pairs=len(pairs), missed=missed)


def draw(n, folder, of=400, seed=0):
    "`n` JPEG files of 256 pixels in class folders: phantoms under random turns, shifts, scales and brightness, so that they aren't copies."
    from concurrent.futures import ProcessPoolExecutor
    from brainmri.data.classes import STUDY_CLASSES
    from brainmri.data.phantom import make_phantom
    for c in STUDY_CLASSES: (Path(folder)/c).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool: list(pool.map(_draw_some, [(i, n, of, folder, seed) for i in range(of)]))
    return dict(images=n)


def _draw_some(args):
    from PIL import Image
    from brainmri.data.classes import STUDY_CLASSES
    from brainmri.data.phantom import make_phantom
    i, n, of, folder, seed = args
    label, rng = STUDY_CLASSES[i % 4], np.random.default_rng((seed, i))
    img = Image.fromarray(make_phantom(label, seed=i).image).resize((256, 256))
    for j in range(i, n, of):
        a, s, (dx, dy) = rng.uniform(0, 2*np.pi), rng.uniform(.7, 1.3), rng.uniform(-40, 40, 2)
        m = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])*s
        t = 128 - m @ (128 + np.array([dx, dy]))
        out = img.transform((256, 256), Image.Transform.AFFINE, (*m[0], t[0], *m[1], t[1]), Image.Resampling.BILINEAR)
        out.point(lambda v, k=rng.uniform(.7, 1.3): min(255, v*k)).save(f"{folder}/{label}/{j:06}.jpg", quality=90)


def whole(data, turned=False):
    "Index and audit the folder `data`."
    from brainmri.data.audit import audit
    from brainmri.data.index import index_images
    start = time.perf_counter()
    df = index_images(data, progress=False)
    indexed = time.perf_counter() - start
    found = audit(df, turned=turned, progress=False)
    counts = {k.replace(" ", "_"): int(n) for k, n in found.summary.n.items()}
    return dict(counts, turned=turned, index_seconds=indexed, audit_seconds=time.perf_counter() - start - indexed)


def shortcuts(data):
    "The shortcut probes of the folder `data`."
    from brainmri.data.audit import audit
    from brainmri.data.index import index_images
    found = audit(index_images(data, progress=False), progress=False)
    return dict(rows=found.shortcuts.reset_index().to_dict("records"))


def labels(data, share=.02, seed=0):
    "Exchange the labels of a `share` of the images, and see how many of these the audit doubts."
    from brainmri.data.audit import DOUBT_PROBES, label_suspects
    from brainmri.data.classes import classes_of
    from brainmri.data.groups import find_groups
    from brainmri.data.index import index_images
    from brainmri.data.shortcuts import out_of_fold, probe_features
    from sklearn.metrics import f1_score
    df = index_images(data, progress=False)
    features, groups = probe_features(df, progress=False), find_groups(df)
    rng, y = np.random.default_rng(seed), df.y.to_numpy().copy()
    wrong = rng.choice(len(y), round(share*len(y)), replace=False)
    n = len(classes_of(df))
    y[wrong] = (y[wrong] + rng.integers(1, n, len(wrong))) % n
    x = np.concatenate([features[k] for k in DOUBT_PROBES], 1)
    probs = out_of_fold(x, y, groups, seed=seed)
    is_wrong = np.isin(label_suspects(y, probs, classes_of(df)).index, wrong)
    return dict(images=len(y), exchanged=len(wrong), model_macro_f1=f1_score(y, probs.argmax(1), average="macro"),
                doubted=len(is_wrong), exchanged_among_doubted=int(is_wrong.sum()),
                exchanged_among_first=int(is_wrong[:len(wrong)].sum()), seed=seed)


if __name__ == "__main__":
    args = json.loads(sys.argv[1])
    print(json.dumps(globals()[args.pop("what")](**args), default=float))
