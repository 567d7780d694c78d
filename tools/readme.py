"""Make README.md from nbs/index.ipynb, without quarto.

    python tools/readme.py            write README.md, and the pictures it shows to images/
    python tools/readme.py --check    write nothing; exit with 1 if they aren't what would be written

The notebook goes through nbdev's own filters (what is hidden on the site is hidden here too) and nbconvert's Markdown
exporter; what only quarto would understand (front matter, cell options, callouts) then becomes plain Markdown.
Every picture needs a text for those who can't see it: `#| fig-alt: "..."` in the cell that draws it.
"""
import argparse, re, sys
from pathlib import Path

import nbformat, yaml
from execnb.nbio import nb2str, read_nb
from nbconvert import MarkdownExporter
from nbdev.processors import FilterDefaults

ROOT = Path(__file__).resolve().parent.parent
NBS, IMAGES = ROOT/"nbs", ROOT/"images"
DISPLAY = ["text/markdown", "text/html", "image/png", "text/plain"]
CODE = re.compile(r"^(```.*?^```|~~~.*?^~~~)[ ]*$", re.M | re.S)
CALLOUT = re.compile(r"^:{3,} *\{ *\.callout-(\w+)([^}]*)\} *\n(.*?)^:{3,} *$\n?", re.M | re.S)


class Filters(FilterDefaults):
    "nbdev's filters, less those that run code or link to pages of the built site."
    def base_procs(self): return [p for p in super().base_procs() if p.__name__ not in ("add_show_docs", "exec_show_docs", "add_links")]


def options(source):
    "The `#| key: value` lines that open a code cell, as a dict, and the code below them."
    lines = source.splitlines()
    n = next((i for i, line in enumerate(lines) if not line.startswith("#|")), len(lines))
    opts = dict(line[2:].strip().partition(":")[::2] for line in lines[:n])
    return {k: yaml.safe_load(v) for k, v in opts.items()}, "\n".join(lines[n:]).strip("\n")


def processed():
    "The index notebook as nbdev hands it to quarto, its front matter, and the alt text of each code cell's pictures."
    nb = read_nb(NBS/"index.ipynb")
    Filters()(nb)
    nb = nbformat.reads(nb2str(nb), as_version=4)
    front, alts, cells = {}, {}, []
    for cell in nb.cells:
        if cell.cell_type == "raw":
            front.update(yaml.safe_load(cell.source.strip().strip("-")) or {})
            continue
        if cell.cell_type == "code":
            opts, cell.source = options(cell.source)
            alts[len(cells)] = opts.get("fig-alt", "")
            if opts.get("output") is False: cell.outputs = []
            if opts.get("echo") is False: cell.source = ""
            if not cell.source and not cell.outputs: continue
        cells.append(cell)
    nb.cells = cells
    nb.metadata["language_info"] = {"name": "python"}
    return nb, front, alts


def callout(m):
    "A quarto callout as a quotation with a bold heading."
    title = re.search(r'title *= *"([^"]*)"', m[2])
    body = m[3].strip()
    head = re.match(r"#+ +(.*)\n", body)
    text = title[1] if title else head[1] if head else m[1].capitalize()
    lines = [f"**{text}**", "", *(body[head.end():] if head else body).strip().splitlines()]
    return "".join(f"> {line}".rstrip() + "\n" for line in lines)


def plain(text):
    "Markdown without what only quarto or the site understands; links are relative to the repository's root."
    text = re.sub(r"<style.*?</style>\s*", "", CALLOUT.sub(callout, text), flags=re.S)
    text = re.sub(r"^:{3,}.*\n", "", text, flags=re.M)
    return re.sub(r"\]\((?!\w+:|#|/|images/)(\.\./)?([^)\s]+)\)", lambda m: f"]({'' if m[1] else 'nbs/'}{m[2]})", text)


def render():
    "Return README.md's text, and a dict from the paths of its pictures to their bytes."
    nb, front, alts = processed()
    exporter = MarkdownExporter()
    for o in (exporter, *exporter._preprocessors): o.display_data_priority = DISPLAY
    body, resources = exporter.from_notebook_node(nb)
    pictures = {}
    for i, (name, data) in enumerate(sorted(resources.get("outputs", {}).items()), 1):
        alt = alts.get(int(name.split("_")[1]))
        if not alt: sys.exit(f"nbs/index.ipynb draws {name} without a text for it: add `#| fig-alt: \"...\"` to its cell.")
        path = IMAGES/f"index_{i}{Path(name).suffix}"
        pictures[path] = data
        body = re.sub(rf"!\[[^\]]*\]\({re.escape(name)}\)", lambda _: f"![{alt}](images/{path.name})", body)
    body = re.sub(r"^```python\n\s*```$", "", body, flags=re.M)  # what `#| echo: false` leaves
    body = "".join(part if i % 2 else plain(part) for i, part in enumerate(CODE.split(body)))
    head = f"# {front.get('title', '')}\n\n" + (f"> {front['description']}\n\n" if front.get("description") else "")
    lines = [line.rstrip() for line in (head + body).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n", pictures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if README.md or a picture of it is out of date")
    check = parser.parse_args().check
    text, pictures = render()
    files = {ROOT/"README.md": text.encode(), **pictures}
    stale = [p for p, data in files.items() if not p.exists() or p.read_bytes().replace(b"\r\n", b"\n") != data.replace(b"\r\n", b"\n")]
    extra = sorted(set(IMAGES.glob("index_*")) - set(pictures))
    if check and (stale or extra):
        sys.exit(f"Not as nbs/index.ipynb has it: {', '.join(p.relative_to(ROOT).as_posix() for p in [*stale, *extra])}. Run `python tools/readme.py`.")
    if not check:
        for p in extra: p.unlink()
        for p in stale:
            p.parent.mkdir(exist_ok=True)
            p.write_bytes(files[p])
    print("README.md is what nbs/index.ipynb says." if check or not stale else f"Wrote {', '.join(p.relative_to(ROOT).as_posix() for p in stale)}.")


if __name__ == "__main__": main()
