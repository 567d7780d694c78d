"""Count whose patients were on both sides of the split that was published as "grouped" before patients were recognized.

    python tools/retraction.py IMAGES        writes subjects.csv to nbs/results/blocks/

That split kept blocks of 13 file numbers and near duplicates together. It is made again here from IMAGES, the same class folders,
checked against the counts that were published (split.csv), and its test images are looked up in the registry.
"""
import argparse, re
from pathlib import Path

import numpy as np, pandas as pd

from brainmri.data.classes import STUDY_CLASSES
from brainmri.store import write_csv
from brainmri.data.duplicates import image_hashes
from brainmri.data.groups import join_groups, near_duplicates
from brainmri.data.index import index_images
from brainmri.data.registry import recognize, subject_leakage
from brainmri.data.split import grouped_split, split_summary

OUT = Path(__file__).resolve().parent.parent/"nbs"/"results"/"blocks"


def block(row):
    "The block of 13 file numbers that a tumor slice was put into; None for images without a tumor."
    number = re.findall(r"\d+", Path(row.filepath).stem)
    return f"{row.label}/{int(number[-1])//13}" if number and row.label != "notumor" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", help="a folder of class folders, figshare's slices named by their numbers")
    df = index_images(parser.parse_args().images, progress=False)
    hashes = image_hashes(df, turned=True, progress=False)
    groups = join_groups(len(df), [[block(o) for o in df.itertuples()], near_duplicates(hashes)])
    df["split"] = grouped_split(df.y, groups, seed=42)
    published = pd.read_csv(OUT/"split.csv").set_index("label")[["train", "valid", "test"]]
    if not (split_summary(df)[["train", "valid", "test"]] == published).all(axis=None): raise SystemExit("This isn't the split that was published.")
    subject = recognize(hashes).subject
    rows = {c: subject_leakage(df.split[df.label == c], subject[df.label == c]).loc["test"] for c in STUDY_CLASSES}
    rows["total"] = subject_leakage(df.split, subject).loc["test"]
    found = pd.DataFrame(rows).T.rename_axis("label").reset_index()
    write_csv(OUT/"subjects.csv", found)
    print(found.to_string(index=False))


if __name__ == "__main__": main()
