"""How much the scores of a run change when the folds are dealt anew, for nbs/results.ipynb.

    python tools/repeats.py RUN

RUN has folds and repeats, and its test folds are open for all recipes. Writes nbs/results/folds/repeats.csv: the scores of each
repeat, out of fold.
"""
import argparse
from pathlib import Path

import pandas as pd

from brainmri.data.classes import healthy_class
from brainmri.evaluate.calibrate import cross_calibrate
from brainmri.store import write_csv
from brainmri.study.records import read_predictions, read_run
from folds import OUT, probs_of, scored, tumors_only, with_probs


def answers(folder, recipe):
    "What a recipe answers for the test images of all folds in a folder, each by networks that haven't seen its patient."
    folds = [read_run(o) for o in sorted(folder.glob("fold-*"))]
    found = pd.concat([read_predictions(o, recipe, "test").assign(fold=i) for i, o in enumerate(folds)], ignore_index=True)
    groups = pd.concat([o.index.set_index("filepath").group for o in folds]).astype(str)
    return found.assign(group=found.filepath.map(groups[~groups.index.duplicated()]))


def rows(run):
    "Scores of each recipe in each repeat."
    classes = list(run.classes)
    for repeat, folder in enumerate([run.path, *sorted(run.path.glob("repeat-*"))], 1):
        for recipe in run.titles:
            p = answers(folder, recipe)
            p = with_probs(p, cross_calibrate(p.y, probs_of(p, classes), p.fold, classes)[0], classes)  # as tools/folds.py
            three, tumors = tumors_only(p, classes, healthy_class(classes))
            tables = scored(p, classes, "four classes")[0], scored(three, tumors, "three tumors")[0]
            yield pd.concat(tables).assign(recipe=recipe, repeat=repeat)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("run", type=Path, help="folder of a run with folds and repeats")
    table = pd.concat(rows(read_run(args.parse_args().run)))
    write_csv(OUT/"repeats.csv", table.round(4))
    print(table.to_string(index=False))


if __name__ == "__main__": main()
