"""Make a compact table of the hashes of Nickparvar's set, for nbs/explanations/every_patient.ipynb.

    python tools/nickparvar.py nickparvar_hashes.csv

Writes nickparvar.csv.gz and nickparvar.json to nbs/results/registry/. The CSV has one row per
image: part (Training or Testing), label, file and phash, the perceptual hash as `audit` computes
it. The files hold hashes and file names, and no image.
"""
import argparse, gzip, hashlib
from pathlib import Path

import pandas as pd

from brainmri.store import write_json
from brainmri.data.duplicates import unpack_hashes

OUT = Path(__file__).resolve().parent.parent/"nbs"/"results"/"registry"
COLUMNS = ["part", "label", "file", "phash"]
ABOUT = dict(
    title="Brain Tumor MRI Dataset (Masoud Nickparvar)",
    source="kaggle:masoudnickparvar/brain-tumor-mri-dataset",
    holds="part, label, file name and 256-bit perceptual hash of each image; no image")


def read_hashes(file):
    "The table in `file`, sorted by part, label and file name."
    table = pd.read_csv(file, dtype=str)[COLUMNS]
    if table.isna().any(axis=None): raise SystemExit(f"{file} has empty cells.")
    if unpack_hashes(table.phash).shape != (len(table), 32): raise SystemExit(f"{file}: expected hashes of 64 digits.")
    return table.sort_values(COLUMNS).reset_index(drop=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hashes", help="CSV with part, label, file and phash")
    table = read_hashes(parser.parse_args().hashes)
    text = table.to_csv(index=False, lineterminator="\n").encode()
    data = gzip.compress(text, 9, mtime=0)
    (OUT/"nickparvar.csv.gz").write_bytes(data)
    sha256 = hashlib.sha256(text).hexdigest()
    write_json(OUT/"nickparvar.json", ABOUT | dict(images=len(table), sha256=sha256))
    print(f"{len(table):,} rows, {len(data):,} bytes")


if __name__ == "__main__": main()
