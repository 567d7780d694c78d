"""What it is worth that the predictor of a run with folds averages its networks, and to show them each picture mirrored, too; for
nbs/results.ipynb.

    python tools/averaging.py RUN --boxes boxes.csv --folds 1 2 --weights vgg16_bn=FILE --work FOLDER

The patients of a fold of RUN are set aside, and the others are dealt into folds of their own, in a run in FOLDER. Each of its networks,
and the average of them, then answers for the patients that were set aside, and the average also for their mirror images. Writes
nbs/results/folds/averaging.csv.
"""
import argparse
from pathlib import Path

import numpy as np, pandas as pd, torch
from PIL import ImageOps

from brainmri.data.image import open_image
from brainmri.evaluate.explain import network_inputs
from brainmri.evaluate.metrics import bootstrap_draws, confusion_f1, group_confusions, interval_of
from brainmri.store import write_csv
from brainmri.study.study import train_all
from brainmri.use.predict import load

OUT = Path(__file__).resolve().parent.parent/"nbs"/"results"/"folds"
RECIPES = "vgg16_probe,vgg16_guided"


def answers(bundle, images):
    "Probabilities of each network of an average for some images, (images, networks, classes); they share the body, which runs once."
    predictor = load(bundle)
    nets = predictor.engine.net.nets
    @torch.no_grad()
    def each(pictures):
        maps = nets[0].body(nets[0].normalize(torch.as_tensor(pictures)))
        return torch.stack([net.judge(maps)[0].softmax(1) for net in nets], 1).numpy()
    return np.concatenate(list(network_inputs(images, **predictor.frame, inputs=each)))


def set_aside(run, k, work, **settings):
    "Answers for the patients of fold `k`: of single networks, of their average, and of the average for pictures and mirror images."
    index = pd.read_csv(run/f"fold-{k}"/"index.csv")
    test, rest = index[index["split"] == "test"], index[index["split"] != "test"]
    settings = dict(folds=4, recipes=RECIPES, group="group", n_robust=0, test_top=2, progress=False, **settings)
    inner = train_all(rest[["filepath", "label", "group"]], out=work/f"without-fold-{k}", **settings)
    y = test.label.map(list(inner.run.classes).index).to_numpy()
    images = list(map(open_image, test.filepath))
    for recipe in RECIPES.split(","):
        singles, others = (answers(inner.path/recipe, o) for o in (images, list(map(ImageOps.mirror, images))))
        mean = singles.mean(1)
        yield recipe, y, test.group, list(singles.swapaxes(0, 1)), mean, (mean + others.mean(1))/2, inner.run.classes


def ranged(name, value, drawn):
    "A figure and its interval, as columns."
    low, high = interval_of(drawn)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def row(y, groups, singles, mean, both, classes):
    "Macro-F1 of the single networks and of their average, and what averaging and mirror images add, with intervals over groups."
    per_group = group_confusions(y, [o.argmax(1) for o in (both, mean, *singles)], groups, classes)
    views, averaged, *single = confusion_f1(per_group.sum(0))
    drawn = confusion_f1(bootstrap_draws(per_group, 2000, 42))
    return dict(images=len(y), groups=len(per_group), single=np.mean(single), worst=min(single), best=max(single), averaged=averaged,
                mirrored=views, **ranged("gain", averaged - np.mean(single), drawn[:, 1] - drawn[:, 2:].mean(1)),
                **ranged("mirrored_gain", views - averaged, drawn[:, 0] - drawn[:, 1]))


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("run", type=Path, help="folder of a run with folds")
    args.add_argument("--work", type=Path, required=True, help="folder for the runs without a fold")
    args.add_argument("--folds", type=int, nargs="*", default=[1], help="folds to set aside, one after the other")
    args.add_argument("--boxes", help="table of boxes, as train_all takes it")
    args.add_argument("--weights", nargs="*", default=[], help="body=file")
    a = args.parse_args()
    rows = []
    weights = dict(o.split("=", 1) for o in a.weights) or None
    for k in a.folds:
        for recipe, y, groups, *answered, classes in set_aside(a.run, k, a.work, boxes=a.boxes, weights=weights):
            rows.append(dict(fold=k, recipe=recipe, **row(y, groups, *answered, classes)))
            print(rows[-1], flush=True)
    write_csv(OUT/"averaging.csv", pd.DataFrame(rows).round(4))


if __name__ == "__main__": main()
