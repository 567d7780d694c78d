"""From the notebooks that nbdev makes for quarto to notebooks for MyST-NB, which knows most of it under other names."""
import base64, os, re, sys
from pathlib import Path

import yaml
from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from nbformat import v4

from docs.website import BASE, CFG, NBS, REPO, ROOT
from readme import CODE, options

FENCE = re.compile(r"(:{3,}) *(?:\{(.*)\}|([\w-]+))? *")
TITLE = re.compile(r"(?m)^(:{3,} *\{[^}\n]*callout-[^}\n]*)\} *\n\s*#+ +(.*)\n")
LINK = re.compile(r"\]\(([^()\s#]*)(#[^()\s]*)?\)(\{target=[^}]*\})?")
SOURCE = re.compile(r"^-{3}\n\n(\[source\]\(.*)\n\n(#+ .*)\n")
CODE_LINK = re.compile(r"\[(`[^`]+`)\]\([^()]*\)")
NESTED = re.compile(r"\[([^\[\]]*)\[(`[^`]+`)\]\([^()]*\)([^\[\]]*)\]\(")
PRIVATE = re.compile(r"\[(`(?:[\w.]+\.)?_\w+(?:\(\))?`)\]\(" + re.escape(BASE) + r"[^()]*\)")


def front_matter(nb):
    "Title and description, from the cell that nbdev puts first."
    return yaml.safe_load(nb.cells[0].source.strip().strip("-")) if nb.cells and nb.cells[0].cell_type == "raw" else {}


def by_parts(text, prose, code=lambda part: part):
    "Apply `prose` to what stands outside of fenced code, and `code` to the rest."
    return "".join(code(part) if i % 2 else prose(part) for i, part in enumerate(CODE.split(text)))


def divs(text, fences):
    "Quarto's fenced divs and callouts, nested ones too, as MyST's directives; `fences` holds those that are open."
    out = []
    for line in TITLE.sub(r'\1 title="\2"}\n', text).splitlines(keepends=True):
        m = FENCE.fullmatch(line.rstrip("\n"))
        if not m: out.append(line)
        elif not (m[2] or m[3]): out.append((fences.pop() if fences else m[1]) + "\n")
        else:
            fences.append(":"*(12 - len(fences)))
            out.append(fences[-1] + opening(m[2] or m[3]) + "\n\n")
    return "".join(out)


def opening(attrs):
    kind, title = re.search(r"callout-(\w+)", attrs), re.search(r'title *= *"([^"]*)"', attrs)
    if not kind: return "{container} " + " ".join(o.lstrip(".") for o in attrs.split() if "=" not in o and o[0] != "#")
    closed = "\n:collapsible: closed" if 'collapse="true"' in attrs else ""
    return f"{{admonition}} {title[1] if title else kind[1].capitalize()}\n:class: {kind[1]}{closed}"


def lower(text):
    "A document within the page, a model card say, with its headings below those of the page."
    if not any(re.search(r"(?m)^# ", part) for part in CODE.split(text)[::2]): return text
    return by_parts(text, lambda s: re.sub(r"(?m)^(#{1,3}) ", r"###\1 ", s))


class Converter:
    "Makes the notebooks of `pages`, which link to each other."
    def __init__(self, pages): self.docs = {p.file: p.doc for p in pages}

    def tidy(self, page, nb):
        "What nbdev leaves to be done for any renderer: a page's own address, and links that lead somewhere."
        fm = front_matter(nb)
        if fm: nb.cells[0].source = "---\n" + yaml.dump({**fm, "output-file": f"{Path(page.doc).name}.html"}) + "---\n"
        for cell in nb.cells:
            if cell.cell_type == "markdown": cell.source = self.links(page, cell.source)
            for o in cell.get("outputs", []):
                if "text/markdown" in o.get("data", {}): o.data["text/markdown"] = self.links(page, lower(o.data["text/markdown"]))

    def links(self, page, text):
        "nbdev links names in code and within links too, where no link can be, and private ones, which no page documents."
        prose = lambda s: LINK.sub(lambda m: self.outward(page, m), PRIVATE.sub(r"\1", NESTED.sub(r"[\1\2\3](", s)))
        return by_parts(text, prose, lambda s: CODE_LINK.sub(r"\1", s))

    def outward(self, page, m):
        "Symbols of the module `index` are not on the home page; what isn't in nbs/ is in the repository."
        url, anchor = m[1], m[2] or ""
        if url == f"{BASE}/index.html" and anchor: return f"]({BASE}/{self.docs['02_index.ipynb']}.html{anchor}){m[3] or ''}"
        file = os.path.normpath(NBS/Path(page.file).parent/url) if url and not re.match(r"\w+:|/", url) else ""
        if not file or file.endswith((".ipynb", ".png")) or not os.path.exists(file): return m[0]
        return f"]({REPO}/{Path(file).relative_to(ROOT).as_posix()}{anchor})"

    def inward(self, page, m):
        "A link to another page, by its notebook or by its address, as MyST wants it, which then checks it."
        url, anchor = m[1], m[2] or ""
        file = os.path.normpath(Path(page.file).parent/url).replace(os.sep, "/") if url else ""
        doc = url[len(BASE)+1:-5] if url.startswith(BASE) and url.endswith(".html") else self.docs.get(file)
        return f"](/{doc}.ipynb{anchor})" if doc else f"]({url}{anchor})" + ("{.source}" if m[3] else "")

    def markdown(self, page, text):
        text, fences = SOURCE.sub(r"\2\n\n\1\n", text), []
        text = by_parts(text, lambda s: LINK.sub(lambda m: self.inward(page, m), divs(s, fences)))
        if fences: sys.exit(f"nbs/{page.file}: a fenced div isn't closed in its own cell.")
        return v4.new_markdown_cell(text)

    def code(self, page, cell):
        "A code cell as one or more cells: outputs in Markdown stand on their own, so that their headings are the page's."
        opts, source = options(cell.source)
        if opts.get("include") is False: return
        hidden = opts.get("echo") is False or not source
        groups = [[]]
        for o in cell.outputs if opts.get("output") is not False else []:
            alone = "text/markdown" in o.get("data", {}) and "text/html" not in o.data
            groups += [o, []] if alone else []
            if not alone: groups[-1].append(o)
        for o in groups:
            if not isinstance(o, list): yield self.markdown(page, o.data["text/markdown"])
            elif o or not hidden: yield v4.new_code_cell(source, outputs=o, metadata=metadata(opts, hidden, any(map(wide, o))))
            hidden = True

    def notebook(self, page, nb):
        fm = front_matter(nb)
        lead = f"\n\n{{.lead}}\n{fm['description']}" if fm.get("description") else ""
        cells = [self.markdown(page, f"# {fm.get('title') or Path(page.doc).name}{lead}")]
        for cell in nb.cells:
            if cell.cell_type == "markdown": cells.append(self.markdown(page, cell.source))
            elif cell.cell_type == "code": cells += self.code(page, cell)
        meta = dict(kernelspec=dict(name="python3", display_name="Python 3"), language_info=dict(name="python", pygments_lexer="ipython3"))
        if lead: meta["myst"] = dict(html_meta=dict(description=fm["description"]))
        return v4.new_notebook(cells=cells, metadata=meta)


def wide(output, limit=560):
    "Whether a picture has more pixels side by side than a phone can show: there it scrolls, instead of shrinking (see custom.css)."
    png = output.get("data", {}).get("image/png", "")
    return int.from_bytes(base64.b64decode(png[:32])[16:20], "big") > limit


def metadata(opts, hidden, wide):
    "Quarto's options of a cell in MyST-NB's words."
    meta = {"tags": ["remove-input"] if hidden else ["hide-input"] if opts.get("code-fold") is True else []}
    if opts.get("warning") is False: meta["tags"].append("remove-stderr")
    image = dict(classes="wide") if wide else {}
    if opts.get("fig-alt"): image["alt"] = " ".join(str(opts["fig-alt"]).split())
    meta["mystnb"] = {k: opts.get("code-summary", "Code") for k in ("code_prompt_show", "code_prompt_hide")}
    if image: meta["mystnb"]["image"] = image
    return meta


def slug(title):
    "The anchor that quarto, and with it nbdev's links, gives a heading."
    return re.sub(r"\s+", "-", re.sub(r"^[\W\d_]+", "", re.sub(r"[^\w\s.-]", "", title.lower())).strip())


def formula(display):
    "A formula as MathML, which browsers draw by themselves: no script, and nothing from elsewhere."
    def visit(self, node):
        tex = node.astext()
        self.body.append(convert(tex, display=display).replace("<math ", f'<math alttext="{self.encode(tex)}" ', 1))
        raise SkipNode
    return visit, None


def setup(app):
    "Called by Sphinx, for which this is an extension."
    app.add_html_math_renderer("mathml", inline_renderers=formula("inline"), block_renderers=formula("block"))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
