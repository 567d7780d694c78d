"""What the site consists of: the sidebar and the footer of _quarto.yml, the settings of the package, the commit."""
import os, re, shutil, subprocess, sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from nbdev.config import get_config

ROOT = Path(__file__).resolve().parents[2]
NBS, PROC = ROOT/"nbs", ROOT/"_proc"
CFG = get_config(path=ROOT)
BASE = CFG.doc_host + CFG.doc_baseurl
WEBSITE = yaml.safe_load((ROOT/"_quarto.yml").read_text(encoding="utf-8"))["website"]
REPO = f"{CFG.git_url}/blob/{CFG.branch}"


@dataclass(frozen=True)
class Page:
    "One notebook, and where it goes."
    file: str  # of the notebook, in nbs/
    doc: str  # its address on the site, without .html
    section: str  # in the sidebar
    text: str = ""  # in the sidebar, if it isn't the title


def entries(items, section="Home"):
    "Section, text, and file or pattern, for everything in the sidebar."
    for o in [items] if isinstance(items, str) else items:
        if isinstance(o, str): yield section, "", o
        elif "section" in o: yield from entries(o["contents"], o["section"])
        else: yield section, o.get("text", ""), o.get("href") or o["auto"]


@cache
def sidebar():
    "The pages in the order of the sidebar; ends with an error if that names a page that isn't there, or leaves one out."
    pages, problems = [], []
    for section, text, pattern in entries(WEBSITE["sidebar"]["contents"]):
        files = sorted(p.relative_to(NBS).as_posix() for p in NBS.glob(pattern))
        if not files: problems.append(f"_quarto.yml lists {pattern}, but nbs/{pattern} doesn't exist")
        for f in files: pages.append(Page(f, address(f, {p.doc for p in pages}), section, text))
    there = {p.relative_to(NBS).as_posix() for p in NBS.rglob("*.ipynb") if not any(o[0] in "._" for o in p.relative_to(NBS).parts)}
    problems += [f"nbs/{f} is not in the sidebar of _quarto.yml" for f in sorted(there - {p.file for p in pages})]
    if problems: sys.exit("\n".join(problems))
    return pages


def address(file, taken):
    "As nbdev names pages, without the number; but not twice the same: the module `index` isn't the home page."
    p = Path(file)
    doc = (p.parent/re.sub(r"^\d+[a-zA-Z0-9]*_", "", p.stem.lower())).as_posix()
    return doc if doc not in taken else p.with_suffix("").as_posix()


def commit():
    "The commit that is built, as far as that is known."
    git = shutil.which("git")
    head = subprocess.run([git, "rev-parse", "-q", "--verify", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout if git else ""
    return (os.environ.get("GITHUB_SHA") or head.strip())[:7] or "unknown"


def variables():
    "What _quarto.yml may ask for by `{{< env NAME >}}`."
    return dict(BRAINMRI_VERSION=CFG.version, BRAINMRI_COMMIT=commit())


def footer(side):
    "The text on one side below every page."
    text = WEBSITE["page-footer"][side]
    return re.sub(r"\{\{< env (\w+)[^>]*>\}\}", lambda m: variables()[m[1]], text)
