"""Keep the numbers of finished runs for nbs/results.ipynb: tables only, no pictures and no paths of images.

    python tools/results.py RUN NAME                           reads the run folder RUN, writes nbs/results/NAME/
    python tools/results.py RUN NAME --boxes boxes.csv         also measures where the chosen recipe looked
    python tools/results.py RUN NAME --seeds 10 --splits 5     also trains its ANNs again: the baseline with ten other seeds,
                                                               and both on five other random and five other grouped splits

With the runs that brainmri_train makes of a data set with --split random and with --split grouped, NAME is `random` and
`grouped`; the notebook shows whatever these two folders say.
"""
import argparse, shutil, sys
from pathlib import Path

import numpy as np, pandas as pd

from brainmri.data.classes import healthy_class
from brainmri.data.registry import subject_leakage
from brainmri.data.split import grouped_split, leakage, split_images, split_summary
from brainmri.evaluate.calibrate import calibrate, calibration_error, coverages
from brainmri.evaluate.metrics import classification_table, confusion, most_confused
from brainmri.models.recipes import Recipe
from brainmri.store import read_json, write_json
from brainmri.study.records import choose, compare, read_predictions, read_run

ROOT = Path(__file__).resolve().parent.parent/"nbs"/"results"


#: Tables of trials that take long: those of an earlier run stay where a run didn't make them.
LONG = ("seeds", "splits", "robustness", "border", "refused", "looked", "looked_gain", "looked_said", "randomised")


def best_tables(run):
    "Class by class, what the chosen recipe does on the test set: the report, the matrix, the commonest mistakes."
    p, classes = read_predictions(run, choose(run), "test"), run.classes
    actual = pd.Index(classes, name="actual")
    cm = pd.DataFrame(confusion(p.y, p.pred, classes), index=actual, columns=list(classes))
    report = classification_table(p.y, p.pred, classes).rename_axis("label").reset_index()
    mistakes = most_confused(p.y, p.pred, 5, classes)
    return dict(classes=report, confusion=cm.reset_index(), mistakes=mistakes)


def sure_tables(run):
    "How sure the figures of the chosen recipe are, and how they fall: what its folder holds."
    best = choose(run)
    p, m = read_predictions(run, best, "test"), run.metrics[best]
    tables = dict(measures=pd.DataFrame(m["test"]["measures"]), coverage=coverage_table(p, m, run.classes))
    files = {k: run.path/best/f"{k}.csv" for k in ("robustness", "border", "refused")}
    return tables | {k: pd.read_csv(f) for k, f in files.items() if f.exists()}


def coverage_table(p, m, classes):
    "Coverage of the conformal sets of each level, and the calibration error before and after."
    probs, T = p.filter(like="prob_").to_numpy(), m["temperature"]
    errors = dict(error_before=calibration_error(p.y, probs), error_after=calibration_error(p.y, calibrate(probs, T)))
    return coverages(p.y, probs, T, m["conformal"], p.group, classes).assign(temperature=T, **errors)


def looked_tables(run, boxes, n):
    """Where the chosen recipe looked on `n` test images, beside maps that know nothing.

    And what stays of its maps when its layers are randomized."""
    from brainmri.data.cache import normalize, to_float
    from brainmri.data.image import image_array
    from brainmri.evaluate.localize import localization_gain, localization_summary, localize, randomization_check, say_localization
    from brainmri.models.bodies import get_body
    from brainmri.use.predict import load
    p = load(run.path/choose(run))
    body = get_body(p.bundle["body"])
    def inputs(pictures): return normalize(to_float(pictures), body.mean, body.std)
    is_tumor = run.index.label != healthy_class(run.classes)
    test = run.index[(run.index.split == "test") & is_tumor].reset_index(drop=True)
    t = localize(p.model, test, boxes, n=n, classes=run.classes, inputs=inputs, **p.frame)
    some = test.filepath[::max(1, len(test)//12)]
    x = inputs(np.stack([image_array(f, p.frame["img_size"], p.frame["margin"]) for f in some]))
    check = randomization_check(p.model, x, repeats=3).groupby("stage", sort=False).correlation
    check = check.agg(["mean", "std", "min", "max", "count"]).reset_index()
    said = pd.DataFrame(dict(sentence=[say_localization(t)]))
    return dict(looked=localization_summary(t), looked_gain=localization_gain(t), looked_said=said, randomised=check)


def subject_table(run):
    "Recognized subjects in each part, class by class, and the test images of subjects in training."
    index = run.index
    subject = index.public_subject.fillna("")
    def row(rows):
        leaks = subject_leakage(index.split[rows], subject[rows])
        count = {f"{o}_subjects": subject[rows & (index.split == o) & (subject != "")].nunique() for o in ("train", "valid", "test")}
        return count | dict(valid_recognized=leaks.recognized["valid"], valid_leaked=leaks.leaked["valid"], test_recognized=leaks.recognized["test"],
                            test_leaked=leaks.leaked["test"], test_subjects_leaked=leaks.subjects_leaked["test"])
    rows = {c: row(index.label == c) for c in run.classes} | dict(total=row(index.label != ""))
    return pd.DataFrame(rows).T.rename_axis("label").reset_index()


def about(run):
    "Settings, machine and audit, less everything that names a place on a disk."
    config = {k: v for k, v in run.config.items() if k != "data"}
    data = {k: run.config["data"][k] for k in ("name", "n", "synthetic")}
    opened = read_json(run.path/"test_opened.json")
    return dict(config=config, data=data, environment=run.environment, audit=run.audit["counts"], opened=[dict(recipes=o["recipes"]) for o in opened],
                titles=run.titles, best=choose(run))


def trained(df, r, seed):
    "Best validation macro-F1 of the ANN recipe `r` on the split of `df`."
    from brainmri.study.results import recipe_learner
    from brainmri.train.loop import Training
    t = Training(recipe_learner(r, df, seed), df, r, seed=seed, progress=False)
    t.fit()
    return float(t.best.best)


def recipe(run, name): return Recipe.from_dict(read_json(run.path/name/"bundle.json")["recipe"])


def spread(run, n):
    "The ANN baseline under `n` other seeds for weights and order: how far a figure moves by chance."
    r = recipe(run, "ann_baseline")
    return pd.DataFrame([dict(recipe=r.name, seed=seed, valid_macro_f1=trained(run.index, r, seed)) for seed in range(n)])


def resplit(run, n):
    "Both ANNs on `n` other random and `n` other grouped splits of the same images: how far a figure moves with the split."
    rows, df = [], run.index
    for seed in range(n):
        both = dict(random=split_images(df, how="random", seed=seed).split, grouped=grouped_split(df.y, df.group, seed=seed))
        for how, split in both.items():
            for name in ("ann_baseline", "ann_optimized"):
                rows.append(dict(split=how, seed=seed, recipe=name, valid_macro_f1=trained(df.assign(split=split), recipe(run, name), 42)))
                print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a finished run folder")
    parser.add_argument("name", help="the folder in nbs/results to write")
    parser.add_argument("--seeds", type=int, default=0, help="train the ANN baseline so many times more")
    parser.add_argument("--splits", type=int, default=0, help="train both ANNs on so many other random and grouped splits")
    parser.add_argument("--boxes", help="a CSV of the tumours' boxes: also measure where the chosen recipe looked")
    parser.add_argument("--looked", type=int, default=300, help="on so many test images at most")
    args = parser.parse_args()
    run, out = read_run(args.run), ROOT/args.name
    history = pd.concat([run.histories[r].assign(recipe=r) for r in run.metrics])
    tables = dict(comparison=run.table, history=history, paired=compare(run), split=split_summary(run.index).reset_index(),
                  leakage=leakage(run.index, known=True).reset_index(), subjects=subject_table(run),
                  provenance=pd.DataFrame(run.audit["provenance"]), **best_tables(run), **sure_tables(run))
    if args.seeds: tables["seeds"] = spread(run, args.seeds)
    if args.splits: tables["splits"] = resplit(run, args.splits)
    if args.boxes: tables |= looked_tables(run, args.boxes, args.looked)
    made = set(tables)
    for name in LONG:  # long trials that weren't made again stay, and about.json says so
        if name not in tables and (out/f"{name}.csv").exists(): tables[name] = pd.read_csv(out/f"{name}.csv")
    earlier = [k for k in LONG if k not in made and k in tables]
    shutil.rmtree(out, ignore_errors=True)
    write_json(out/"about.json", about(run) | dict(earlier=earlier))
    for k, t in tables.items(): t.to_csv(out/f"{k}.csv", index=False, float_format="%.6g", lineterminator="\n")
    text = "".join(f.read_text(encoding="utf-8") for f in out.iterdir())
    if run.config["data"].get("path") and run.config["data"]["path"] in text: sys.exit("A path of the data set is in the results: not kept.")
    print(f"Wrote {', '.join(sorted(f.name for f in out.iterdir()))} to {out.relative_to(ROOT.parent.parent)}.")


if __name__ == "__main__": main()
