"""What it is worth that the predictor of a run with folds averages its networks, for nbs/results.ipynb.

    python tools/averaging.py RUN --boxes boxes.csv --folds 1 2 --weights vgg16_bn=FILE --work FOLDER

The patients of a fold of RUN are set aside, and the others are dealt into folds of their own, in a run in FOLDER. Each of its networks,
and the average of them, then answers for the patients that were set aside. Writes nbs/results/folds/averaging.csv.
"""
import argparse
from pathlib import Path

import numpy as np, pandas as pd

from brainmri.evaluate.metrics import bootstrap_draws, confusion_f1, group_confusions, interval_of
from brainmri.store import write_csv
from brainmri.study.records import read_run
from brainmri.study.study import train_all
from brainmri.use.predict import load

OUT = Path(__file__).resolve().parent.parent/"nbs"/"results"/"folds"
RECIPES = "vgg16_probe,vgg16_guided"


def answers(bundle, files):
    "Probabilities of a bundle for some files, (files, classes)."
    found = load(bundle)
    return np.array([list(o.probs.values()) for o in found.predict(files)])


def set_aside(run, k, work, **settings):
    "Answers of single networks and of their average for the patients of fold `k`."
    index = read_run(run.fold_paths[k - 1]).index
    test, rest = index[index["split"] == "test"], index[index["split"] != "test"]
    settings = dict(folds=4, recipes=RECIPES, group="group", n_robust=0, test_top=2, progress=False, **settings)
    inner = train_all(rest[["filepath", "label", "group"]], out=work/f"without-fold-{k}", **settings)
    for recipe in RECIPES.split(","):
        files = list(test.filepath)
        singles = [answers(o/recipe, files) for o in inner.run.fold_paths]
        yield recipe, test, singles, answers(inner.path/recipe, files)


def row(y, groups, singles, mean, classes):
    "Macro-F1 of the single networks and of their average, and what averaging adds, with an interval over groups."
    per_group = group_confusions(y, [o.argmax(1) for o in (mean, *singles)], groups, classes)
    averaged, *single = confusion_f1(per_group.sum(0))
    drawn = confusion_f1(bootstrap_draws(per_group, 2000, 42))
    low, high = interval_of(drawn[:, 0] - drawn[:, 1:].mean(1))
    return dict(images=len(y), groups=len(per_group), single=np.mean(single), worst=min(single), best=max(single),
                averaged=averaged, gain=averaged - np.mean(single), low=low, high=high)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("run", type=Path, help="folder of a run with folds")
    args.add_argument("--work", type=Path, required=True, help="folder for the runs without a fold")
    args.add_argument("--folds", type=int, nargs="*", default=[1], help="folds to set aside, one after the other")
    args.add_argument("--boxes", help="table of boxes, as train_all takes it")
    args.add_argument("--weights", nargs="*", default=[], help="body=file")
    a = args.parse_args()
    run, rows = read_run(a.run), []
    weights = dict(o.split("=", 1) for o in a.weights) or None
    for k in a.folds:
        for recipe, test, singles, mean in set_aside(run, k, a.work, boxes=a.boxes, weights=weights):
            y = test.label.cat.codes.to_numpy()
            rows.append(dict(fold=k, recipe=recipe, **row(y, test.group, singles, mean, run.classes)))
            print(rows[-1], flush=True)
    write_csv(OUT/"averaging.csv", pd.DataFrame(rows).round(4))


if __name__ == "__main__": main()
