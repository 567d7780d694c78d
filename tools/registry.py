"""Make the registry of public slices that the package carries: brainmri/registry.csv.gz and, beside it, brainmri/registry.json.

    python tools/registry.py figshare_patients.csv br35h_no.csv

The first table has a row for each slice of the figshare brain tumor dataset (number, label, pid, phash), the second one for
each image of Br35H without a tumor (file, phash). A subject is the id that the dataset publishes without its last letter, which
tells exams of one person apart. The files hold hashes and ids, and no image.
"""
import argparse, gzip, hashlib
from pathlib import Path

import pandas as pd

from brainmri.store import write_json

OUT = Path(__file__).resolve().parent.parent/"brainmri"
COLLECTIONS = dict(
    figshare=dict(title="figshare brain tumor dataset (Cheng)", source="doi:10.6084/m9.figshare.1512427", license="CC BY 4.0",
                  holds="number, class, published anonymous subject and exam, and perceptual hash of each slice"),
    br35h=dict(title="Br35H, images without a tumor", source="kaggle:ahmedhamada0/brain-tumor-detection", license="unknown; the registry holds hashes of it, and no image",
               holds="file number and perceptual hash of each image; patients were never published"))


def figshare(file):
    "One row per slice, with the published id divided into subject and exam."
    t = pd.read_csv(file, dtype=str)
    subject = t.pid.str.replace("[A-Za-z]$", "", regex=True)
    exam = [pid[len(s):] for pid, s in zip(t.pid, subject)]
    return pd.DataFrame(dict(collection="figshare", number=t.number.astype(int), label=t.label, subject=subject, exam=exam, phash=t.phash))


def br35h(file):
    "One row per image; the number is that of its file."
    t = pd.read_csv(file, dtype=str)
    number = t.file.str.extract(r"(\d+)", expand=False).astype(int)
    return pd.DataFrame(dict(collection="br35h", number=number, label="notumor", subject="", exam="", phash=t.phash))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", help="CSV with number, label, pid and phash")
    parser.add_argument("br35h", help="CSV with file and phash")
    args = parser.parse_args()
    table = pd.concat([figshare(args.figshare), br35h(args.br35h)]).sort_values(["collection", "number"])
    text = table.to_csv(index=False, lineterminator="\n").encode()
    data = gzip.compress(text, 9, mtime=0)
    (OUT/"registry.csv.gz").write_bytes(data)
    counts = table.groupby("collection").agg(images=("number", "size"), subjects=("subject", lambda o: o[o != ""].nunique()))
    about = {k: v | {c: int(counts.loc[k, c]) for c in counts} for k, v in COLLECTIONS.items()}
    write_json(OUT/"registry.json", dict(collections=about, sha256=hashlib.sha256(data).hexdigest()))
    print(f"{len(table):,} rows, {len(data):,} bytes")


if __name__ == "__main__": main()
