"""Draw nbs/start.png, the picture of the start page, from a run on phantoms: python tools/start_picture.py"""
import os, tempfile
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from brainmri.all import *

FILE = Path(__file__).resolve().parent.parent/"nbs"/"start.png"
RECIPES = ["ann_baseline", "ann_optimized", "vgg16_probe", "vgg16_guided"]


def patient(path):
    "Six phantoms after one another play the slices of a patient; a planted copy has no number."
    number = Path(path).stem.split("_")[1]
    return f"{Path(path).parent.name} {int(number)//6}" if number.isdigit() else None


def run(folder):
    "Phantoms, their audit, and recipes in five folds by patients."
    make_phantoms("images", n=240, near_duplicates=6, progress=False)
    df = index_images("images", progress=False)
    found = audit(df, group=patient, probes=0, progress=False)
    return found, train_all("images", recipes=RECIPES, preset="quick", weights="phantoms", folds=5, audited=found,
                            group=patient, n_robust=0, test_top=len(RECIPES), out="run", progress=False)


def show_audit(axs, found):
    "Two files that are copies of one picture."
    pair = found.df.filepath[found.clusters == pd.Series(found.clusters).value_counts().index[0]][:2]
    for ax, path, name in zip(axs, pair, ("a slice", "and its copy")):
        ax.imshow(open_image(path).convert("L"), cmap="gray")
        ax.set_xlabel(name, size=10)


def show_patients(ax, index):
    "A square for each slice, a row for each patient, a color for each fold."
    groups = list(index.groupby("group"))[::2][:12]
    for row, (_, slices) in enumerate(groups):
        ax.scatter(range(len(slices)), [row]*len(slices), c=[f"C{k}" for k in slices.fold], marker="s", s=52)
    ax.set(xlim=(-1, 8), xticks=[], yticks=[], xlabel="slices, colored by fold", ylabel="patients")
    ax.invert_yaxis()


def show_folds(ax, table, titles):
    "Macro-F1 over all patients, each tested once, with its interval."
    t = table[::-1]
    ends = [t.test_macro_f1 - t.test_low, t.test_high - t.test_macro_f1]
    ax.errorbar(t.test_macro_f1, range(len(t)), xerr=ends, fmt="o", color="#0072B2", capsize=4, lw=2)
    ax.set_yticks(range(len(t)), [titles[r].replace(" ", "\n") for r in t.recipe])
    ax.set(xlim=(0, 1), ylim=(-.6, len(t) - .4), xlabel="macro-F1, every patient tested once")


def show_answer(axs, res):
    "A new slice, the answer, and the map: the first of thirty whose map is right, with how often it is."
    predictor = res.predictor("vgg16_guided")
    for seed in range(901, 931):
        drawn = make_phantom("meningioma", seed=seed)
        answer = predictor.predict(drawn.image, level=.8)
        seen = answer.explain()
        if drawn.mask.flat[seen.pointing.argmax()]: break
    for ax in axs: ax.imshow(seen.image)
    shown = seen.pointing/seen.pointing.max()
    axs[1].imshow(shown, cmap="viridis", vmin=0, vmax=1, alpha=.75*shown**.5)
    axs[0].set_xlabel(f"{answer.label}, {answer.probs[answer.label]:.0%}\n80 % set: {', '.join(answer.set)}", size=9)
    share = seen.measured.removeprefix("points into the tumor in ")
    axs[1].set_xlabel("the map is right in\n" + share.replace("validation images", "others"), size=9)


def picture(found, res):
    "Audit, patients, folds, and an answer with its map."
    fig = plt.figure(figsize=(13, 3.1), dpi=110, layout="constrained")
    parts = fig.subfigures(1, 4, width_ratios=[3, 2, 3, 3.1])
    for part, title in zip(parts, ("1  Audit: copies are found", "2  Patients stay whole", "3  Folds test everyone once", "4  An answer, and where")):
        part.suptitle(title, x=.04, ha="left", weight="bold")
    pairs = [parts[i].subplots(1, 2) for i in (0, 3)]
    show_audit(pairs[0], found)
    show_patients(parts[1].subplots(), res.run.index)
    show_folds(parts[2].subplots(), res.table, res.run.titles)
    show_answer(pairs[1], res)
    for ax in [*pairs[0], *pairs[1]]: ax.set(xticks=[], yticks=[], frame_on=False)
    for part in parts[1:3]: part.axes[0].spines[["top", "right"]].set_visible(False)
    return fig


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        buffer = BytesIO()
        picture(*run(folder)).savefig(buffer)
    Image.open(buffer).convert("RGB").save(FILE, optimize=True)
    print(f"nbs/{FILE.name}: {FILE.stat().st_size/1e3:.0f} kB")


if __name__ == "__main__": main()
