"""Draw nbs/social_card.png, the picture that a link to the site shows, from phantoms: python tools/social_card.py"""
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from brainmri.data.classes import STUDY_CLASSES
from brainmri.data.phantom import make_phantom

FILE = Path(__file__).resolve().parent.parent/"nbs"/"social_card.png"


def card():
    "1200 by 630 pixels, the size that is asked for most."
    fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="#12283f")
    write = lambda y, text, size, **kw: fig.text(.05, y, text, size=size, color="white", va="top", **kw)
    write(.78, "brainmri", 54, weight="bold")
    lines = "Which network tells brain", "tumors apart on MRI slices,", "and how far can the", "figure be trusted?"
    for i, line in enumerate(lines): write(.55 - .072*i, line, 24)
    write(.13, "synthetic slices; for research and teaching", 14, alpha=.8)
    for i, label in enumerate(STUDY_CLASSES):
        ax = fig.add_axes([.53 + .225*(i % 2), .51 - .46*(i//2), .21, .4])
        ax.imshow(make_phantom(label, seed=4, plane="axial").image, cmap="gray")
        ax.set_title(label, color="white", size=14, pad=5)
        ax.axis("off")
    return fig


def main():
    buffer = BytesIO()
    card().savefig(buffer)
    Image.open(buffer).convert("RGB").quantize(64).save(FILE, optimize=True)
    print(f"nbs/{FILE.name}: {FILE.stat().st_size/1e3:.0f} kB")


if __name__ == "__main__": main()
