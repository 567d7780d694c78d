"""Measure how well public slices are recognized after they were repackaged: tables only, for nbs/data/05_registry.ipynb.

    python tools/recognition.py IMAGES        writes copies.csv and distances.csv to nbs/results/registry/

IMAGES is a folder of class folders with slices of the figshare brain tumor dataset, each named by its number there, and a folder
`notumor` of images from Br35H. Each image is changed as repackaging changes it, and looked up.
"""
import argparse, io
from pathlib import Path

import numpy as np, pandas as pd
from PIL import Image

from brainmri.core import thread_map
from brainmri.store import write_csv
from brainmri.data.duplicates import perceptual_hashes
from brainmri.data.image import open_image
from brainmri.data.index import index_images
from brainmri.data.registry import read_registry, recognize

OUT = Path(__file__).resolve().parent.parent/"nbs"/"results"/"registry"


def scaled(img, by): return img.resize((max(32, round(img.width*by)), max(32, round(img.height*by))), Image.Resampling.BICUBIC)


def jpeg(img, quality):
    f = io.BytesIO()
    img.save(f, "JPEG", quality=quality)
    return Image.open(f).convert("RGB")


CHANGES = {"as it is": lambda o: o, "JPEG, quality 30": lambda o: jpeg(o, 30), "×0.4": lambda o: scaled(o, .4),
           "×2.5, JPEG, quality 75": lambda o: jpeg(scaled(o, 2.5), 75), "mirrored": lambda o: o.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
           "a quarter turn": lambda o: o.transpose(Image.Transpose.ROTATE_90),
           "mirrored and turned, ×0.5, JPEG, quality 50": lambda o: jpeg(scaled(o.transpose(Image.Transpose.TRANSVERSE), .5), 50)}


def looked_up(df, registry):
    "What is recognized after each change, one row per image and change."
    rows = []
    for name, change in CHANGES.items():
        hashes = np.stack(thread_map(lambda f: perceptual_hashes(change(open_image(f))), df.filepath, progress=False))
        rows.append(recognize(hashes, registry).assign(change=name, file=df.filepath.map(lambda o: Path(o).stem).to_numpy(), actual=df.label.to_numpy()))
        print(name, flush=True)
    return pd.concat(rows, ignore_index=True)


def copies(t, registry):
    "One row per change: shares and distances."
    subject = registry[registry.collection == "figshare"].set_index("number").subject
    tumor = t.actual != "notumor"
    truth = t.file.where(tumor).astype(float).map(subject)
    right = np.where(tumor, t.subject == truth, t.collection == "br35h")
    t = t.assign(right=right, wrong=tumor & (t.subject != "") & (t.subject != truth), distance=t.distance.astype(float))
    def row(o): return pd.Series(dict(images=len(o), recognized=o.right.mean(), wrong_subject=o.wrong.sum(), farthest_median=o.distance.median(),
                                      farthest_99=o.distance.quantile(.99), farthest=o.distance.max()))
    return t.groupby("change", sort=False)[["right", "wrong", "distance"]].apply(row).reset_index()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", help="a folder of class folders")
    df, registry = index_images(parser.parse_args().images, progress=False), read_registry()
    t = looked_up(df, registry)
    found = copies(t, registry)
    write_csv(OUT/"copies.csv", found)
    bits = t.distance.dropna().astype(int)
    write_csv(OUT/"distances.csv", bits.value_counts().sort_index().rename_axis("bits").rename("copies").reset_index())
    print(found.to_string(index=False))


if __name__ == "__main__": main()
