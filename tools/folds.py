"""Keep the numbers of a finished run with folds for nbs/results.ipynb: tables only, no pictures and no paths of images.

    python tools/folds.py RUN                                      writes nbs/results/folds/
    python tools/folds.py RUN --boxes boxes.csv --every 3          also measures the maps, on every third tumor slice of a fold
    python tools/folds.py RUN --minutes 34 33                      also notes how long the run took: on the clock, and of one core

The images must be where the run found them, and the weights that the maps are made from must be found by the names in `--weights`.
"""
import argparse
from pathlib import Path

import numpy as np, pandas as pd, torch

from brainmri.data.classes import healthy_class
from brainmri.data.regions import find_regions
from brainmri.evaluate.calibrate import calibrate, calibration_error, conformal_sets, coverage_table, cross_calibrate, fit_calibration
from brainmri.evaluate.localize import localization, localization_summary, say_localization
from brainmri.evaluate.metrics import bootstrap_interval, macro_f1
from brainmri.evaluate.patients import patient_scores, patient_table
from brainmri.models.bodies import body_weights, make_body
from brainmri.models.weights import load_weights
from brainmri.models.recipes import Recipe, recipe_network
from brainmri.store import read_json, write_csv, write_json
from brainmri.study.records import compare, read_predictions, read_run
from brainmri.study.results import Results
from brainmri.train.features import FeatureCache
from brainmri.use.bundle import WEIGHTS, read_bundle

OUT = Path(__file__).resolve().parent.parent/"nbs"/"results"/"folds"


def probs_of(p, classes): return p[[f"prob_{c}" for c in classes]].to_numpy()


def with_probs(p, probs, classes):
    "The same answers with other probabilities."
    return p.assign(pred=probs.argmax(1), **{f"prob_{c}": probs[:, i] for i, c in enumerate(classes)})


def tumors_only(p, classes, healthy):
    "The answers for images with a tumor, with the healthy class left out of the answer."
    kept = [c for c in classes if c != healthy]
    p = p[p.y != classes.index(healthy)]
    q = probs_of(p, kept)
    return with_probs(p, q/q.sum(1, keepdims=True), kept), kept


def answers(run):
    "The out-of-fold answers of each recipe, and those of the recipe that each fold chose."
    found = {r: run.out_of_fold(r) for r in run.table.recipe}
    nested = pd.read_csv(run.path/"nested.csv")
    groups = run.run.index.set_index("filepath").group.astype(str)
    return found | dict(nested=nested.assign(group=nested.filepath.map(groups)))


def scored(p, classes, task):
    "Macro-F1 per slice and per patient, with intervals over patients; and per patient for each rule."
    low, high = bootstrap_interval(p.y, p.pred, p.group, classes=classes)
    rules = patient_scores(p, classes)
    rows = [dict(unit="slice", macro_f1=macro_f1(p.y, p.pred, classes), low=low, high=high, n=len(p)),
            dict(unit="patient", n=int(rules.patients["mean"]), **rules.loc["mean", ["macro_f1", "low", "high"]])]
    return pd.DataFrame(rows).assign(task=task), rules.rename_axis("rule").reset_index()


def score_tables(run):
    "Scores, coverage, folds and errors of every recipe."
    classes, found = list(run.run.classes), {k: [] for k in ("scores", "patients", "coverage", "folds", "errors")}
    for r, p in answers(run).items():
        probs, sets = cross_calibrate(p.y, probs_of(p, classes), p.fold, classes)
        p = with_probs(p, probs, classes)
        three, tumors = tumors_only(p, classes, healthy_class(classes))
        four, _ = scored(p, classes, "four classes")
        few, rules = scored(three, tumors, "three tumors")
        per_fold = [dict(fold=k, images=len(t), macro_f1=macro_f1(t.y, t.pred, classes)) for k, t in p.groupby("fold")]
        errors = patient_table(three, tumors).errors
        worst = [dict(patients=k, of=len(errors), errors=int(errors.sum()), share=errors.nlargest(k).sum()/errors.sum())
                 for k in (1, 5, 10, 20)]
        mine = dict(scores=pd.concat([four.assign(ece=[calibration_error(p.y, probs), np.nan]), few]), patients=rules,
                    coverage=coverage_table(p.y, sets, p.group, classes), folds=pd.DataFrame(per_fold), errors=pd.DataFrame(worst))
        for k, t in mine.items(): found[k].append(t.assign(recipe=r))
    return {k: pd.concat(t) for k, t in found.items()}


def own_thresholds(run):
    "Coverage where the thresholds of a fold come from its own validation patients."
    classes, rows = list(run.run.classes), []
    folds = {k: read_run(o) for k, o in enumerate(run.run.fold_paths, 1)}
    chosen = {int(k): v for k, v in read_json(run.path/"nested.json")["chosen"].items()}
    for r in [*run.table.recipe, "nested"]:
        parts = []
        for k, fold in folds.items():
            valid, test = (read_predictions(fold, chosen[k] if r == "nested" else r, o) for o in ("valid", "test"))
            fitted = fit_calibration(valid.y.to_numpy(), probs_of(valid, classes), classes)
            probs = calibrate(probs_of(test, classes), fitted["temperature"])
            sets = {level: conformal_sets(probs, q, classes) for level, q in fitted["conformal"].items()}
            parts.append((test.y.to_numpy(), probs, test.group.astype(str).to_numpy(), sets))
        y, probs, groups = (np.concatenate([o[i] for o in parts]) for i in range(3))
        sets = {level: np.concatenate([o[3][level] for o in parts]) for level in parts[0][3]}
        table = coverage_table(y, sets, groups, classes).query("label == 'all'")
        rows.append(table.assign(recipe=r, ece=calibration_error(y, probs)))
    return pd.concat(rows)


def fold_maps(run, recipe, k, fold, features, boxes, every):
    "Maps and Grad-CAM of a recipe on test slices with a tumor, from stored activations of the frozen body."
    bundle = read_bundle(fold/recipe)
    net = recipe_network(Recipe.from_dict(bundle["recipe"]), bundle["body"], len(bundle["classes"]), bundle["img_size"])
    load_weights(net, fold/recipe/WEIGHTS)
    index = read_run(fold).index.set_index("sha").reindex(features.df["sha"])
    rows = np.flatnonzero((index["split"] == "test") & (index.label != healthy_class(bundle["classes"])))[::every]
    join, head, points, cams = net[0][1].join, net[1].eval(), [], []
    for some in np.array_split(rows, -(-len(rows)//32)):
        stored = features.fill(some)
        x = join(*(torch.from_numpy(np.asarray(stored[part][some])).float() for part in ("last", "head"))).requires_grad_()
        points.append(head[0].map(x).sum(1).detach().numpy())
        slope, = torch.autograd.grad(head(x).amax(1).sum(), x)
        cam = (slope.mean((2, 3), keepdim=True)*x.detach()).sum(1).relu()
        cams.append((cam/cam.amax((1, 2), keepdim=True).clamp(min=1e-37)).numpy())
    df = features.df.iloc[rows].reset_index(drop=True)
    return df, find_regions(df, boxes), index.group.values[rows], np.concatenate(points), np.concatenate(cams)


def measured(k, df, regions, groups, points, cams, margin):
    "Each map against the boxes, beside maps that know nothing."
    table = localization(df, cams, regions.tolist(), margin, 42, points)
    return table.assign(group=groups[table.image], image=table.image + 10_000*k)


def map_tables(run, boxes, every, weights):
    "How the maps of the guided recipes point, each alone and averaged."
    df = Results(run.path).run.index
    guided = [r for r in run.table.recipe if read_bundle(run.run.fold_paths[0]/r).get("recipe", {}).get("head") == "guided"]
    made, found = {}, {}
    for r in guided:
        bundle = read_bundle(run.run.fold_paths[0]/r)
        state, _ = body_weights(weights.get(bundle["body"], "imagenet"), bundle["body"])
        body = make_body(bundle["body"], state, 42, bundle["img_size"])
        features = FeatureCache(df, body, bundle["body"], bundle["img_size"], progress=False, device="cpu")
        made[r] = [fold_maps(run, r, k, o, features, boxes, every) for k, o in enumerate(run.run.fold_paths, 1)]
        found[r] = pd.concat([measured(k, *o, bundle["margin"]) for k, o in enumerate(made[r], 1)])
        print(r, found[r].query("method == 'map'").hit.mean(), flush=True)
    if len(guided) > 1:
        both = [(*a[:3], np.mean([o[3] for o in each], axis=0), a[4]) for a, *each in ((o[0], *o) for o in zip(*made.values()))]
        found["both_guided"] = pd.concat([measured(k, *o, bundle["margin"]) for k, o in enumerate(both, 1)])
    summaries, said = [], []
    for r, t in found.items():
        by_size = localization_summary(t, by="size").query("label != 'all'").assign(by="size")
        summaries.append(pd.concat([localization_summary(t).assign(by="label"), by_size]).assign(recipe=r))
        said.append(dict(recipe=r, sentence=say_localization(t)))
    return dict(maps=pd.concat(summaries), maps_said=pd.DataFrame(said))


def about(run, minutes):
    "What the run was: recipes, choice, machine, images, weights and time."
    r = run.run
    kept = {k: r.environment[k] for k in ("cpu", "cores", "precision", "torch") if k in r.environment}
    return dict(titles=r.titles, best=run.best, chosen=read_json(run.path/"nested.json")["chosen"], environment=kept, images=len(r.index),
                groups=int(r.index.group.nunique()), weights=r.config["weights"]["source"], version=r.config["version"],
                minutes=dict(zip(("wall", "cpu"), minutes)), seconds={k: m["seconds"] for k, m in r.metrics.items()})


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("run", type=Path, help="folder of a run with folds, nested=True and every test fold opened for all recipes")
    args.add_argument("--out", type=Path, default=OUT, help="folder for the tables")
    args.add_argument("--boxes", help="table of boxes, as train_all takes it")
    args.add_argument("--every", type=int, default=3, help="measure the maps on every n-th slice with a tumor")
    args.add_argument("--weights", nargs="*", default=[], help="body=file, for bodies whose weights come from a file")
    args.add_argument("--minutes", nargs=2, type=float, default=(), help="how long the run took: on the clock, and of one core")
    a = args.parse_args()
    run = Results(a.run)
    classes = pd.concat([run.measures(r).assign(recipe=r) for r in run.table.recipe])
    classes = classes[(classes.label != "all") & classes.measure.isin(["f1", "sensitivity", "specificity"])]
    tables = dict(comparison=run.table.loc[:, ~run.table.columns.str.match("valid_[lh]")], classes=classes, paired=compare(run.run))
    tables |= score_tables(run) | dict(coverage_validation=own_thresholds(run))
    if a.boxes: tables |= map_tables(run, a.boxes, a.every, dict(o.split("=", 1) for o in a.weights))
    for name, table in tables.items():
        write_csv(a.out/f"{name}.csv", table.map(lambda v: float(f"{v:.4g}") if isinstance(v, float) else v))
    write_json(a.out/"about.json", about(run, a.minutes))
    print(tables["scores"].to_string(index=False))


if __name__ == "__main__": main()
