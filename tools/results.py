"""Keep the numbers of finished runs for nbs/results.ipynb: tables only, no pictures and no paths of images.

    python tools/results.py RUN NAME    reads the run folder RUN, writes nbs/results/NAME/

With the runs that brainmri_train makes of a data set with --split random and with --split grouped, NAME is `random` and
`grouped`; the notebook shows whatever these two folders say.
"""
import argparse, shutil, sys
from pathlib import Path

import pandas as pd

from brainmri.core import CLASSES, read_json, write_json
from brainmri.metrics import classification_table, confusion, most_confused
from brainmri.report import choose, compare, read_history, read_predictions, read_run
from brainmri.split import leakage, split_summary

ROOT = Path(__file__).resolve().parent.parent/"nbs"/"results"


def best_tables(run):
    "Class by class, what the chosen recipe does on the test set: the report, the matrix, the commonest mistakes."
    p = read_predictions(run, choose(run), "test")
    cm = pd.DataFrame(confusion(p.y, p.pred), index=pd.Index(CLASSES, name="actual"), columns=CLASSES)
    return dict(classes=classification_table(p.y, p.pred).rename_axis("label").reset_index(), confusion=cm.reset_index(), mistakes=most_confused(p.y, p.pred, 5))


def about(run):
    "Settings, machine and audit, less everything that names a place on a disk."
    config = {k: v for k, v in run.config.items() if k != "data"}
    data = {k: run.config["data"][k] for k in ("name", "n", "synthetic")}
    opened = read_json(run.path/"test_opened.json")
    return dict(config=config, data=data, environment=run.environment, audit=run.audit["counts"], opened=[dict(recipes=o["recipes"]) for o in opened],
                titles=run.titles, best=choose(run))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a finished run folder")
    parser.add_argument("name", help="the folder in nbs/results to write")
    args = parser.parse_args()
    run, out = read_run(args.run), ROOT/args.name
    history = pd.concat([read_history(run, r).assign(recipe=r) for r in run.metrics])
    tables = dict(comparison=run.table, history=history, paired=compare(run), split=split_summary(run.index).reset_index(),
                  leakage=leakage(run.index).reset_index(), **best_tables(run))
    shutil.rmtree(out, ignore_errors=True)
    write_json(out/"about.json", about(run))
    for k, t in tables.items(): t.to_csv(out/f"{k}.csv", index=False, float_format="%.6g", lineterminator="\n")
    text = "".join(f.read_text(encoding="utf-8") for f in out.iterdir())
    if run.config["data"].get("path") and run.config["data"]["path"] in text: sys.exit("A path of the data set is in the results: not kept.")
    print(f"Wrote {', '.join(sorted(f.name for f in out.iterdir()))} to {out.relative_to(ROOT.parent.parent)}.")


if __name__ == "__main__": main()
