"""Build the site: nbdev processes the notebooks of nbs/, and Sphinx with MyST-NB makes the pages, without quarto and without a network.

    python tools/site.py             the site in _site/; open _site/index.html, or check it with tools/check_site.py
    python tools/site.py --quarto    the same pages by quarto, in _docs/, as they are published

Navigation, footer, icon and card are those of _quarto.yml at the top. Both builds have an llms.txt and each page as Markdown.
"""
import argparse, os, shutil, subprocess, sys, warnings
from pathlib import Path

import lxml.html, nbformat
from markdownify import MarkdownConverter
from nbdev.serve import proc_nbs

from docs.myst import Converter, front_matter
from docs.website import BASE, CFG, PROC, ROOT, WEBSITE, footer, sidebar, variables

SRC, SITE, DOCS = PROC/"_sphinx", ROOT/"_site", ROOT/"_docs"  # quarto leaves folders with an underscore alone


def process(pages):
    "The notebooks as nbdev makes them for quarto, in _proc/, with links that hold; unchanged ones are not made again."
    warnings.filterwarnings("ignore", "Found cells containing imports")  # if that does harm, it ends in an error
    try: proc_nbs(n_workers=0)
    except Exception as e:
        head, *source = str(e).splitlines()
        code = next((line for line in source if not line.startswith("#|")), "")
        sys.exit(f"{head.split(' in cell ')[0]}: {e.__cause__ or type(e).__name__}, at `{code}`. "
                 "For the site cells with an import are run, and no others: an import needs a cell of its own.")
    for old in {*PROC.glob("*.ipynb"), *PROC.glob("[!_]*/**/*.ipynb")} - {PROC/p.file for p in pages}: old.unlink()
    convert = Converter(pages)
    for p in pages:
        nb = nbformat.read(PROC/p.file, 4)
        convert.tidy(p, nb)
        nbformat.write(nb, PROC/p.file)


def toctrees(pages):
    "The sidebar in Sphinx's words."
    for section in dict.fromkeys(p.section for p in pages):
        rows = [f"{p.text} <{p.doc}>" if p.text else p.doc for p in pages if p.section == section]
        caption = "" if section == "Home" else f":caption: {section}\n"
        rows = "\n".join(rows).replace("<index>", "<self>")
        yield nbformat.v4.new_markdown_cell(f":::{{toctree}}\n:hidden:\n{caption}\n{rows}\n:::")


def sphinx(pages):
    "Write notebooks for MyST-NB, those that changed, and let Sphinx make the site; its warnings are errors."
    from sphinx.cmd.build import build_main
    convert = Converter(pages)
    for old in set(SRC.rglob("*.ipynb")) - {SRC/f"{p.doc}.ipynb" for p in pages}: old.unlink()
    for p in pages:
        nb = convert.notebook(p, nbformat.read(PROC/p.file, 4))
        if p.doc == "index": nb.cells += toctrees(pages)
        for i, cell in enumerate(nb.cells): cell.id = f"c{i}"
        text, file = nbformat.writes(nb), SRC/f"{p.doc}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text: file.write_text(text, encoding="utf-8")
    for picture in (ROOT/"nbs").glob("*.png"): shutil.copy(picture, SRC)
    html = SRC/"_html"
    shutil.rmtree(html, ignore_errors=True)
    args = ["-q", "-W", "--keep-going", "-b", "html", "-j", "2", "-c", str(ROOT/"tools"/"docs"), "-d", str(SRC/"_doctrees")]
    if build_main([*args, str(SRC), str(html)]): sys.exit("Sphinx has found something wrong; see above.")
    return replace(SITE, html)


def quarto(pages):
    "What nbdev_docs does, with the corrections of `Converter.tidy`, and without a README of its own."
    from nbdev.quarto import refresh_quarto_yml
    if not shutil.which("quarto"): sys.exit("The program quarto is not to be found. Without it: python tools/site.py")
    refresh_quarto_yml()
    shutil.copy(CFG.nbs_path/"nbdev.yml", PROC)
    done = subprocess.run(["quarto", "render", "--no-cache"], cwd=PROC, env={**os.environ, **variables()})
    if done.returncode: sys.exit("quarto has failed; see above.")
    return replace(DOCS, PROC/DOCS.name)


def replace(old, new):
    shutil.rmtree(old, ignore_errors=True)
    return Path(shutil.move(new, old))


class Markdown(MarkdownConverter):
    "A page as Markdown: no pictures in the text, formulas as they were written."
    class Options(MarkdownConverter.DefaultOptions):
        heading_style, bullets, escape_underscores, escape_asterisks = "ATX", "-", False, False
        code_language_callback = staticmethod(lambda pre: "python" if pre.find_parent(class_="cell_input") else "")


CHROME = ".//script | .//style | .//button | .//*[contains(@class, 'headerlink') or contains(@class, 'anchorjs')]"


def as_markdown(file):
    "What the built page `file` says."
    body = lxml.html.parse(str(file), lxml.html.HTMLParser(encoding="utf-8")).getroot().xpath("//article | //main")[0]
    for o in body.xpath(CHROME): o.drop_tree()
    for o in body.xpath(".//pre//span"): o.drop_tag()  # colors of code
    for o in body.xpath(".//math[@alttext]"):
        o.tail = f"${o.get('alttext')}${o.tail or ''}"
        o.drop_tree()
    for o in body.xpath(".//img[starts-with(@src, 'data:')]"): o.set("src", "")
    return Markdown().convert(lxml.html.tostring(body, encoding="unicode")).strip() + "\n"


def llms(pages, out):
    "llms.txt (llmstxt.org), and beside each page the same as Markdown."
    lines = [f"# {WEBSITE['title']}", f"> {CFG.description}", footer("left")]
    for section in dict.fromkeys(p.section for p in pages):
        rows = []
        for p in pages:
            if p.section != section: continue
            fm, file = front_matter(nbformat.read(PROC/p.file, 4)), out/f"{p.doc}.html"
            file.with_suffix(".html.md").write_text(as_markdown(file), encoding="utf-8")
            rows.append(f"- [{p.text or fm['title']}]({BASE}/{p.doc}.html.md): {fm.get('description', '')}")
        lines += [f"## {section}", "\n".join(rows)]
    (out/"llms.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quarto", action="store_true", help="let quarto make the pages, in _docs/")
    args = parser.parse_args()
    os.chdir(ROOT)
    pages = sidebar()
    process(pages)
    out = (quarto if args.quarto else sphinx)(pages)
    llms(pages, out)
    print(f"{len(pages)} pages, version {CFG.version}, commit {variables()['BRAINMRI_COMMIT']}: {out.relative_to(ROOT)}/index.html")


if __name__ == "__main__": main()
