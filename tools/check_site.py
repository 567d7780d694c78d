"""Look at every page of the built site as a reader would: python tools/check_site.py [FOLDER] [--shots FOLDER] [--dark]

Serves the folder on this machine alone and opens each page of the sidebar in Chromium, as wide as a desk's screen and as
narrow as a phone's. Prints a line for everything that is wrong, and a tally; the exit status is 1 if there was anything.
With --shots, pictures of all pages stay in the folder that it names; they take longer than all the rest.
"""
import argparse, base64, json, re, shutil, sys, tempfile, threading, time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import lxml.html
from selenium import webdriver
from selenium.common.exceptions import WebDriverException

from docs.website import BASE, ROOT, sidebar

WIDTHS = {1280: 900, 390: 844}
SYMBOL, ITS_PAGE = "split_images", "split.html"
LOADED = [("img", "src"), ("script", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("object", "data"), ("link", "href")]
RAW = {r"(?m)^\s*:{3,}|:{3,}\s*\{": "a fenced div", r"(?m)^\s*#\| ?[\w-]+:?": "a cell option",
       r"\]\((?:https?:|\.{0,2}/|\w+\.)\S*\)": "a link", r"\{\{<|\{\.[\w-]+|\{target=": "an attribute",
       r"\$\$|\\\(|\\frac|\\sqrt": "a formula"}
LEFT = {r"Traceback \(most recent call last\)": "a traceback", r"\w*Warning:": "a warning",
        r"<Figure size|<IPython\.|<matplotlib\.|<Axes:": "a repr instead of a picture",
        r"(?:^|[\s\"'(])(?:/tmp|/home|/root|/work|/usr|/Users|C:\\Users)[/\\]\w+": "a path of a machine"}


class Html:
    "One built page, parsed."
    def __init__(self, root, file):
        self.name = file.relative_to(root).as_posix()
        self.tree = lxml.html.parse(str(file), lxml.html.HTMLParser(encoding="utf-8")).getroot()

    @cached_property
    def ids(self): return set(self.tree.xpath("//@id")) | set(self.tree.xpath("//a/@name")) | {"", "top"}

    @cached_property
    def body(self): return (self.tree.xpath("//article | //main") or [self.tree])[0]


def text(element, *skip):
    "What is to be read in `element`, line by line, less what stands in tags named by `skip`."
    if element.tag in ("script", "style", "math", *skip) or not isinstance(element.tag, str): return ""
    own = (element.text or "") + "".join(text(o, *skip) + (o.tail or "") for o in element)
    return f"\n{own}\n" if element.tag in ("p", "div", "li", "pre", "td", "th", "section") else own


def where(page, url):
    "The file and the anchor to which a link leads; None for one that leaves the site."
    full = urljoin(f"http://site/{page}", url)
    if full.startswith(f"{BASE}/"): full = "http://site/" + full[len(BASE) + 1:]
    if not full.startswith("http://site/"): return None
    parts = urlsplit(full)
    file = unquote(parts.path.lstrip("/")) or "index.html"
    return (file + "index.html" if file.endswith("/") else file), unquote(parts.fragment)


def links(html, pages, root):
    "Links and files that aren't there, and what a page loads from elsewhere."
    for tag, attr in [("a", "href"), *LOADED]:
        for o in html.tree.xpath(f"//{tag}[@{attr}]"):
            url = o.get(attr)
            if url.startswith(("data:", "mailto:", "javascript:")) or o.get("rel") == "canonical": continue
            to = where(html.name, url)
            if to is None:
                if tag != "a": yield f"loads from elsewhere: {url}"
            elif not (root/to[0]).is_file(): yield f"{'broken link' if tag == 'a' else 'missing file'}: {url}"
            elif tag == "a" and to[0] in pages and to[1] not in pages[to[0]].ids: yield f"no such anchor: {url}"


def content(html):
    "What a renderer or a notebook left where a reader sees it."
    for o in html.tree.xpath("//img"):
        alt = (o.get("alt") or "").strip()
        if not alt or re.search(r"\.(png|jpe?g|svg|gif)$", alt): yield f"picture without alt text: {near(o)}"
    for patterns, shown in ((RAW, text(html.body, "code", "pre")), (LEFT, text(html.body, "code"))):
        for pattern, what in patterns.items():
            for m in list(re.finditer(pattern, shown))[:3]:
                yield f"{what} in the text: {' '.join(shown[max(0, m.start() - 20):m.end() + 40].split())}"
    for o in html.body.xpath(".//div[contains(@class, 'highlight')]//pre"):
        if m := re.search(r"(?m)^#\| ?[\w-]+.*|^:{3,}.*", o.text_content()): yield f"a cell option in the code: {m[0]}"
    for o in html.body.xpath(".//progress"): yield f"a progress bar: {near(o)}"
    for o in html.body.xpath(".//*[contains(concat(' ', @class, ' '), ' stderr ')]"):
        yield f"output of the error stream: {' '.join(o.text_content().split())[:80]}"
    titles = [" ".join(o.text_content().split()) for o in html.body.xpath(".//h1")]
    if len(titles) != 1: yield f"{len(titles)} main headings: {titles}"


def near(element):
    "The heading above `element`, and the code above it, to find it by."
    above = element.xpath("(preceding::h1 | preceding::h2 | preceding::h3 | preceding::h4)[last()]")
    code = element.xpath("(ancestor::div[contains(@class, 'cell')]//pre | preceding::pre)[last()]")
    say = lambda o: " ".join(o[0].text_content().split()).rstrip("¶#")[:60] if o else "?"
    return f"under “{say(above)}”, after {say(code)!r}"


LAYOUT = """
const width = document.documentElement.clientWidth, out = [];
if (document.documentElement.scrollWidth > width) out.push('the page scrolls sideways: ' + document.documentElement.scrollWidth + ' px');
const main = document.querySelector('article, main') || document.body;
const scrolls = e => e && e !== main && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
const words = e => (e.innerText || e.alt || e.className || '').trim().slice(0, 50).replace(/\\s+/g, ' ');
const say = e => '<' + e.tagName.toLowerCase() + '> ' + words(e);
let small = null;
for (const e of main.querySelectorAll('*')) {
  const box = e.getBoundingClientRect();
  if (box.width && box.right > width + 1 && !scrolls(e.parentElement) && !e.closest('math')) out.push('wider than the screen: ' + say(e));
  if (e.tagName === 'IMG' && box.width && (!e.complete || !e.naturalWidth)) out.push('picture not shown: ' + e.src.slice(-60));
  const shape = box.width/box.height*e.naturalHeight/e.naturalWidth;
  if (e.tagName === 'IMG' && box.width > 1 && e.naturalWidth > 40 && Math.abs(shape - 1) > .05) out.push('distorted picture: ' + say(e));
  const written = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (box.width && written && !e.closest('svg, math, sub, sup, .footnote-reference')) {
    const size = parseFloat(getComputedStyle(e).fontSize);
    if (!small || size < small[0]) small = [size, e];
  }
}
if (small && small[0] < 11) out.push('small print, ' + small[0].toFixed(1) + ' px: ' + say(small[1]));
const aside = p => p.closest('table, .cell_output, .cell-output-display') || p.querySelector('a.source');
const prose = [...main.querySelectorAll('p')].filter(p => !aside(p));
const least = Math.min(...prose.map(p => parseFloat(getComputedStyle(p).fontSize)));
if (least < 14) out.push('paragraphs of ' + least + ' px');
return out;
"""
COLOURS = """
const light = c => { const [r, g, b] = (c.match(/[\\d.]+/g) || []).map(Number); return (.2126*r + .7152*g + .0722*b)/255; };
const style = getComputedStyle(document.querySelector('article p'));
return [light(getComputedStyle(document.body).backgroundColor), light(style.color)];
"""


FLAGS = ["headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "hide-scrollbars", "disable-dev-shm-usage",
         "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def chromium(): return next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


class Browser:
    "A Chromium that knows no other machine than this one."
    def __init__(self, origin, dark=False):
        self.origin = origin
        self.profile = tempfile.mkdtemp()
        o = webdriver.ChromeOptions()
        o.binary_location = chromium()
        for flag in (*FLAGS, f"user-data-dir={self.profile}"): o.add_argument(f"--{flag}")
        o.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.d = webdriver.Chrome(options=o, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self.d.set_page_load_timeout(30)
        self.d.get("about:blank")
        list(self.complaints())  # of the browser's own first page
        self.cdp("Emulation.setEmulatedMedia", features=[dict(name="prefers-color-scheme", value="dark" if dark else "light")])

    def cdp(self, command, **kwargs): return self.d.execute_cdp_cmd(command, kwargs)

    def close(self):
        self.d.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def size(self, width):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=WIDTHS[width], deviceScaleFactor=1, mobile=width < 600)

    def shot(self, file):
        "The whole page, however long, if pictures are asked for."
        if file is None: return
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = dict(x=0, y=0, width=size["width"], height=min(size["height"], 16000), scale=1)
        data = self.cdp("Page.captureScreenshot", format="jpeg", quality=60, captureBeyondViewport=True, clip=clip)["data"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(data))

    def complaints(self):
        "What the console says, and requests to elsewhere, since the last call."
        for o in self.d.get_log("browser"):
            if o["level"] in ("SEVERE", "WARNING"): yield f"console: {o['message'][:150]}"
        for o in self.d.get_log("performance"):
            message = json.loads(o["message"])["message"]
            if message["method"] != "Network.requestWillBeSent": continue
            url = message["params"]["request"]["url"]
            if not url.startswith((self.origin, "data:", "blob:", "about:")): yield f"request to elsewhere: {url}"

    def page(self, name, shots):
        "Open one page in both widths."
        for width in WIDTHS:
            self.size(width)
            if width == max(WIDTHS): self.d.get(f"{self.origin}/{name}")
            for o in self.d.execute_script(LAYOUT): yield f"at {width} px: {o}"
            self.shot(shots and shots/f"{name.removesuffix('.html').replace('/', '-')}-{width}.jpg")
        yield from self.complaints()

    def until(self, script, seconds=10):
        "Whether `script` comes true in time."
        end = time.monotonic() + seconds
        while not (found := self.d.execute_script(script)) and time.monotonic() < end: time.sleep(.05)
        return found

    def search(self, shots):
        "Type a name into the search field of the home page."
        self.d.get(f"{self.origin}/index.html")
        field = self.d.execute_script("return document.querySelector('input[type=search], input[name=q]')")
        if not field: return ["no search field"]
        self.d.execute_script("arguments[0].value = arguments[1]; arguments[0].form.submit()", field, SYMBOL)
        found = self.until(f"return [...document.querySelectorAll('#search-results a')].some(a => a.href.includes('/{ITS_PAGE}'))")
        self.shot(shots and shots/"search-1280.jpg")
        return [*([] if found else [f"searching for {SYMBOL} doesn't find {ITS_PAGE}"]), *self.complaints()]

    def dark(self, shots):
        "Press the button for colours until both schemes have been seen."
        self.d.get(f"{self.origin}/index.html")
        seen = {}
        for _ in range(4):
            back, front = self.d.execute_script(COLOURS)
            seen["dark" if back < .3 else "light"] = abs(back - front)
            if back < .3: self.shot(shots and shots/"index-dark-1280.jpg")
            self.d.execute_script("[...document.querySelectorAll('.theme-toggle')].find(o => o.offsetParent)?.click()")
        self.d.execute_script("localStorage.clear()")
        missing = [f"no {k} colours to be had" for k in {"dark", "light"} - set(seen)]
        return missing + [f"{k} text is hard to read" for k, v in seen.items() if v < .5] + list(self.complaints())


def browse(names, origin, shots, dark):
    "All problems of the pages `names`, in one browser."
    browser, found = Browser(origin, dark), []
    try:
        browser.size(1280)
        if "index.html" in names: found += [("search", o) for o in browser.search(shots)] + [("dark mode", o) for o in browser.dark(shots)]
        for name in names:
            try: found += [(name, o) for o in browser.page(name, shots)]
            except WebDriverException as e: found.append((name, f"can't be opened: {str(e).splitlines()[0]}"))
    finally: browser.close()
    return found


def serve(root):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def written(root, names):
    "Everything that the files themselves show."
    pages = {h.name: h for h in (Html(root, f) for f in sorted(root.rglob("*.html")))}
    for name in names:
        if name not in pages: yield name, "the page is missing"
    home = pages["index.html"].tree.xpath("//*[contains(@class, 'sidebar')]//a/@href") if "index.html" in pages else []
    nav = {to[0] for to in (where("index.html", o) for o in home) if to}
    for name in set(names) - nav: yield name, "not in the navigation of the home page"
    for name, html in pages.items():
        for o in links(html, pages, root): yield name, o
        if name in names: yield from ((name, o) for o in content(html))
    index = (root/"llms.txt").read_text(encoding="utf-8") if (root/"llms.txt").is_file() else ""
    listed = {where("llms.txt", o) for o in re.findall(r"\]\(([^)]+)\)", index)} - {None}
    for name in names:
        if (f"{name}.md", "") not in listed: yield "llms.txt", f"doesn't list {name}.md"
    for file, _ in listed:
        if not (root/file).is_file(): yield "llms.txt", f"lists {file}, which is missing"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=str(ROOT/"_site"), help="the built site")
    parser.add_argument("--shots", type=Path, help="where pictures of the pages go; without it none are taken")
    parser.add_argument("--dark", action="store_true", help="take the pictures in dark colours")
    parser.add_argument("--no-browser", action="store_true", help="look at the files only")
    args = parser.parse_args()
    root, shots, names = Path(args.folder).resolve(), args.shots, [f"{p.doc}.html" for p in sidebar()]
    found = list(written(root, names))
    there = [n for n in names if (root/n).is_file()]
    if not args.no_browser:
        if not chromium() or not shutil.which("chromedriver"):
            sys.exit("Chromium and chromedriver are not to be found (Debian: chromium, chromium-driver). Without them: --no-browser")
        look = partial(browse, origin=serve(root), shots=shots, dark=args.dark)
        with ThreadPoolExecutor(2) as pool: found += [o for part in pool.map(look, (there[::2], there[1::2])) for o in part]
    problems = defaultdict(list)
    for name, problem in dict.fromkeys(found): problems[name].append(problem)
    for name in problems:
        for o in problems[name]: print(f"{name}: {o}")
    n = sum(map(len, problems.values()))
    how = "in their files" if args.no_browser else "in a browser, at " + " and ".join(f"{w} px" for w in WIDTHS)
    print(f"{len(there)} of {len(names)} pages looked at {how}: {n} problem{'s'[:n != 1]}")
    sys.exit(bool(n))


if __name__ == "__main__": main()
