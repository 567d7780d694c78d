"""What images of higher resolution are worth to a guided recipe, for nbs/results.ipynb.

    python tools/resolution.py RUN224 RUN320

The runs are of `train_all(folds=…, recipes="lite0_guided")` with the same images and folds, and differ in `img_size`; their test folds
are open. Writes nbs/results/folds/resolution.csv: scores out of fold, their difference from the first run on the same images, and how
often the maps point into the tumor in the validation images of the folds.
"""
import argparse
from pathlib import Path

import pandas as pd
from safetensors import safe_open

from brainmri.data.classes import healthy_class
from brainmri.evaluate.metrics import paired_difference
from brainmri.store import write_csv
from brainmri.study.results import Results
from brainmri.use.bundle import WEIGHTS
from folds import OUT, scored, tumors_only


def hits(run, recipe):
    "In how many validation images of the folds the map points into the tumor, and in how many it was looked at."
    found = []
    for fold in run.run.fold_paths:
        with safe_open(fold/recipe/WEIGHTS, "pt") as f: found.append(next(f.get_tensor(k) for k in f.keys() if k.endswith("measured")))
    return sum(found).tolist()


def row(run, first):
    "Scores of a run, beside those of the first one on the same images."
    classes, recipe = list(run.run.classes), run.best
    p, base = run.out_of_fold(recipe), first.out_of_fold(first.best).set_index("filepath").pred
    three, tumors = tumors_only(p, classes, healthy_class(classes))
    four, few = (scored(*o)[0].set_index("unit").macro_f1 for o in ((p, classes, "four"), (three, tumors, "three")))
    apart = paired_difference(p.y, p.pred, base[p.filepath].to_numpy(), p.group, classes=classes)
    n_hits, n = hits(run, recipe)
    return dict(recipe=recipe, img_size=run.run.config["trained"][recipe]["img_size"], folds=len(run.run.fold_paths), images=len(p),
                macro_f1=four["slice"], three_slice=few["slice"], three_patient=few["patient"], pointing=n_hits/n, marked=int(n),
                **{k: apart[k] for k in ("diff", "lo", "hi")})


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("runs", type=Path, nargs="+", help="folders of runs with folds, the usual size first")
    runs = [Results(o) for o in args.parse_args().runs]
    table = pd.DataFrame([row(o, runs[0]) for o in runs])
    write_csv(OUT/"resolution.csv", table.round(4))
    print(table.to_string(index=False))


if __name__ == "__main__": main()
