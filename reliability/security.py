"""Look for ways in which a file, a name, a download or a web page could make brainmri do what nobody asked it to.

The source is searched for unpickling, code made from text, shells and unpacked archives, with a search that must first find planted examples.
Then the library works in a process in which pickles, sockets and other programs raise an error and are put on record, also where the error is
swallowed; the guard must first stop one of each. Downloaded weights come from a server on this machine that sends the wrong bytes. Files,
folders, groups and reasons get names that are HTML or a spreadsheet's formulas, and every page, notebook view, model card and table made of
them is parsed: held means that no element or formula came out of a name, and that the names are there as text. The app is asked for files
that aren't its own, for too large ones, and in the name of other hosts.

pip-audit is asked for known holes in the installed packages where it is installed and can reach its service; else a line says why not, and
there is no row for it."""
import ast, contextlib, csv, hashlib, http.client, http.server, io, json, logging, os, pickle, re, shutil, socket, subprocess, sys, sysconfig, tempfile, threading, urllib.parse, zipfile
from pathlib import Path

import numpy as np, pandas as pd

ROOT = Path(__file__).parent.parent


def row(case, wrong, found): return dict(case=case, found=f"{found}; but {'; '.join(map(str, wrong[:5]))}" if wrong else found, held=not wrong)


# The source ---------------------------------------------------------------------------------------------------------------------------------

_MODULES = {**dict.fromkeys(("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"), "unpickled"), **dict.fromkeys(("zipfile", "tarfile"), "unpacked archive")}
_CALLS = {"unpickled": ("joblib.load", "pd.read_pickle", "pandas.read_pickle", "load_learner", "torch.jit.load", "broadcast_object_list", "all_gather_object"),
          "code from text": ("eval", "exec", "compile", "__import__", "torch.hub.load", "yaml.load", "yaml.unsafe_load"),
          "shell": ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
          "unpacked archive": ("extractall", "unpack_archive", "extract_archive", "download_and_extract_archive"),
          "unsafe temporary name": ("tempfile.mktemp",)}
#: The rules, each with an example that it must find.
RULES = {"unpickled": "import pickle", "torch.load without weights_only": "torch.load(f)", "allow_pickle": "np.load(f, allow_pickle=True)", "code from text": "eval(text)",
         "shell": "subprocess.run(c, shell=True)", "unpacked archive": "tarfile.open(f).extractall(d)", "unsafe temporary name": "tempfile.mktemp()"}


def _dotted(f): return f"{_dotted(f.value)}.{f.attr}" if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def forbidden(text):
    "What source code does that it must not, as (rule, line)."
    for o in ast.walk(ast.parse(text)):
        names = [a.name for a in o.names] if isinstance(o, ast.Import) else [o.module or ""] if isinstance(o, ast.ImportFrom) else []
        yield from ((_MODULES[n.split(".")[0]], o.lineno) for n in names if n.split(".")[0] in _MODULES)
        if not isinstance(o, ast.Call): continue
        name, args = _dotted(o.func), {k.arg: k.value.value if isinstance(k.value, ast.Constant) else "?" for k in o.keywords}
        for rule, calls in _CALLS.items():
            if any(name == c or name.endswith(f".{c}") and c not in ("eval", "compile", "exec") for c in calls): yield rule, o.lineno  # model.eval() and re.compile() are other things
        if name == "torch.load" and args.get("weights_only") is not True: yield "torch.load without weights_only", o.lineno
        if args.get("allow_pickle", False) is not False: yield "allow_pickle", o.lineno
        if args.get("shell", False) is not False: yield "shell", o.lineno


def source():
    files = [f for d in ("brainmri", "tools", "bench") for f in sorted((ROOT/d).rglob("*.py"))]
    seen = {f: list(forbidden(f.read_text(encoding="utf-8"))) for f in files}
    missed = [r for r, example in RULES.items() if r not in [o for o, _ in forbidden(example)]]
    yield row("source: the search finds planted examples", missed, f"{len(RULES)} of {len(RULES)} kinds")
    for rule in RULES:
        yield row(f"source: {rule}", [f"{f.relative_to(ROOT).as_posix()}:{n}" for f, o in seen.items() for r, n in o if r == rule], f"{len(files)} files were searched")


# A process that may do nothing but compute ------------------------------------------------------------------------------------------------------

_WATCHED = ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty",
            "shutil.unpack_archive")
#: Programs that PyTorch and matplotlib ask, when they are imported, where libraries and fonts are; no shell is between.
_ASKED = ("ldconfig", "fc-list", "system_profiler")


class Guard:
    "From now on what is watched raises an error and is put on record, by stage."
    def __init__(self):
        self.found, self.stage, self.asked = {}, "", set()
        def caught(what):
            self.found[self.stage].append(what)
            raise PermissionError(f"{what} is not allowed here")
        def hook(event, args):
            if event == "subprocess.Popen" and Path(args[0]).name in _ASKED: self.asked.add(Path(args[0]).name)
            elif event in _WATCHED: caught(f"{event} {str(args)[:120]}")
        def refused(*args, **kwargs): caught("pickle")
        import multiprocessing.reduction  # keeps the real one: joblib's pool of threads wakes itself by a pickled None
        class Unpickler(pickle.Unpickler): load = refused
        pickle.loads, pickle.load, pickle.Unpickler = refused, refused, Unpickler
        sys.addaudithook(hook)

    @contextlib.contextmanager
    def at(self, stage):
        self.stage = stage
        self.found[stage] = []
        yield


def guarded():
    "Do what the library does in the current folder, and print what was caught at each stage, as JSON."
    guard, attempts = Guard(), (lambda: pickle.loads(b"N."), lambda: pickle.Unpickler(io.BytesIO(b"N.")).load(), lambda: socket.create_connection(("127.0.0.1", 9), 1), lambda: socket.getaddrinfo("localhost", 80),
                                lambda: subprocess.run([sys.executable, "-V"]), lambda: os.system("true"))
    with guard.at("the guard"):
        for o in attempts:
            with contextlib.suppress(PermissionError): o()
    with guard.at("import brainmri.all"): import brainmri.all as b
    from brainmri.study.report import write_audit, write_card
    with guard.at("drawing phantoms and indexing"):
        b.make_phantoms("images", n=60, seed=1, duplicates=2, progress=False)
        df = b.index_images("images")
    with guard.at("the audit"): write_audit(b.audit(df, progress=False), "audit.html")
    with guard.at("training"): res = b.train_all("images", recipes=["ann_optimized", "vgg16_frozen"], preset="quick", weights=None, img_size=64, epochs=2, n_robust=0, split="random", out="run", progress=False)
    with guard.at("prediction"): found = b.load(res.path/"vgg16_frozen").predict("images", progress=False)
    with guard.at("explanation"): next(p for p in found if not p.failed).explain()._repr_html_()
    with guard.at("report and model card"):
        b.write_report(res.path)
        write_card(res.path)
    print(json.dumps(dict(found=guard.found, attempts=len(attempts), asked=sorted(guard.asked))))


def part(name, folder, **env):
    "What the part `name` of this module prints last, run in `folder` as a process of its own."
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BRAINMRI_CACHE": str(folder/"cache"), "TORCH_HOME": str(folder/"torch"), "MPLCONFIGDIR": str(folder/"matplotlib"), "PYTHONWARNINGS": "ignore", "MPLBACKEND": "Agg", **env}
    env.pop("BRAINMRI_WEIGHTS", None)
    done = subprocess.run([sys.executable, "-m", "reliability.security", name], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode: raise RuntimeError(f"{name}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def closed(folder):
    about = part("guarded", folder)
    guard = about["found"].pop("the guard")
    yield row("the guard stops pickles, sockets and programs", [] if len(guard) >= about["attempts"] else guard, f"{len(guard)} records of {about['attempts']} attempts")
    for stage, caught in about["found"].items():
        asked = f" (but PyTorch and matplotlib asked the system for libraries and fonts: {', '.join(about['asked'])})" if stage.startswith("import") and about["asked"] else ""
        yield row(f"nothing is unpickled, connected or started: {stage}", caught, f"{len(caught)} attempts{asked}")


# Weights -------------------------------------------------------------------------------------------------------------------------------------

class Payload:
    "Unpickled, it leaves a folder behind."
    def __init__(self, path): self.path = str(path)
    def __reduce__(self): return os.mkdir, (self.path,)


@contextlib.contextmanager
def serving(files):
    "A server on this machine with `files`, name → bytes; the names it was asked for."
    asked = []
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = files.get(self.path.lstrip("/"))
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")
        def log_message(self, *args): pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try: yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def refused(f, kind=None):
    "What is wrong about how `f` is refused: in one line, by an error of the library's own."
    from brainmri.core import BrainMRIError
    try: f()
    except (kind or BrainMRIError) as e: return [] if "\n" not in str(e) else [f"said in several lines: {e}"]
    except Exception as e: return [f"{type(e).__name__}: {e}"]
    return ["it was taken"]


def weights(folder):
    import torch
    from brainmri.core import WeightsError
    from brainmri.models.bodies import imagenet_file
    from brainmri.models.weights import read_weights
    from brainmri.use.predict import load
    from brainmri.use.bundle import bundle_checksum, file_hash
    from torchvision.models import VGG16_BN_Weights
    mark = folder/"code was run"
    for suffix in (".pth", ".pt", ".safetensors"):
        file = folder/f"weights{suffix}"
        torch.save(dict(a=torch.zeros(1), b=Payload(mark)), file)
        yield row(f"weights{suffix} with code in its pickle", refused(lambda: read_weights(file), WeightsError) + ["its code was run"]*mark.exists(), "refused in a line, its code not run")
    bundle = folder/"bundle"
    shutil.copytree(folder/"run"/"ann_optimized", bundle)
    torch.save(dict(b=Payload(mark)), bundle/"model.safetensors")
    yield row("a bundle whose network was exchanged", refused(lambda: load(bundle)) + ["its code was run"]*mark.exists(), "refused by its SHA-256")
    about = json.loads((bundle/"bundle.json").read_text(encoding="utf-8"))
    about["files"]["model.safetensors"] = file_hash(bundle/"model.safetensors")
    (bundle/"bundle.json").write_text(json.dumps({**about, "checksum": bundle_checksum(about)}), encoding="utf-8")
    yield row("the same with all checksums made to fit", refused(lambda: load(bundle)) + ["its code was run"]*mark.exists(), "refused, since it isn't safetensors; its code not run")
    yield from download(folder, imagenet_file, VGG16_BN_Weights.IMAGENET1K_V1.value)


def download(folder, imagenet_file, published):
    "torchvision's weights from a server that sends wrong bytes, then right ones."
    import torch
    before, hub, named, data = published.url, torch.hub.get_dir(), os.environ.pop("BRAINMRI_WEIGHTS", None), os.urandom(2000)
    name = Path(urllib.parse.urlparse(before).path).name
    right = f"vgg16_bn-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    torch.hub.set_dir(folder/"hub")
    try:
        with serving({name: data, right: data}) as (url, asked), contextlib.redirect_stderr(io.StringIO()):  # its bar
            published.url = f"{url}/{name}"
            wrong = refused(lambda: imagenet_file("vgg16_bn")) + [f"{o.name} was kept" for o in (folder/"hub").rglob("*") if o.is_file()]
            yield row("a download whose bytes aren't the published ones", wrong + ["nothing was asked for"]*(not asked), "refused by the digits of the hash in its name; nothing kept")
            published.url = f"{url}/{right}"
            got = imagenet_file("vgg16_bn").read_bytes()
            yield row("a download whose bytes are", [] if got == data else ["other bytes"], "taken")
            n = len(asked)
            torch.hub.set_dir(folder/"hub2")
            nothing = imagenet_file("vgg16_bn", download=False)
            yield row("no download where none was asked for", [nothing]*(nothing is not None) + asked[n:], "none")
    finally:
        published.url = before
        torch.hub.set_dir(hub)
        if named: os.environ["BRAINMRI_WEIGHTS"] = named


# Names -----------------------------------------------------------------------------------------------------------------------------------------

SCRIPT, IMG, SVG = "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'><svg onload=alert(1)>"
FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "＝1+1", "a,=1+1", "a\t=1+1", "a\r=1+1", "a\n=1+1", "a\",=1+1", "a;=1+1"]


def evil_images(folder):
    "Phantoms whose files, groups and columns have such names, and the CSV that lists them; a few are copies with another label, a few are no images."
    from brainmri.data.index import index_images
    from brainmri.data.phantom import make_phantoms
    make_phantoms(folder/"plain", n=80, seed=2, progress=False)
    df = index_images(folder/"plain")[["filepath", "label"]]
    markup = [o + ".png" for o in (SCRIPT, IMG, SVG)]
    names = [*(f"{o}.png" for o in FORMULAS if not re.search("^\t|[;\r\n]=", o)), *markup, *(f"{o}{SCRIPT}/{i}.png" for i, o in enumerate("=+-@"))]
    copies, broken = {f"{SCRIPT}copy{i}.png": df.filepath.iloc[i] for i in range(2)}, [f"{SCRIPT}broken.png", f"{IMG}broken.png", "=1+1broken.png"]
    rows, at = [], iter(np.random.default_rng(0).permutation(len(df)))
    for name in names:
        src = df.iloc[next(at)]
        rows.append((name, src.label, src.filepath))
    rows += [(f"{Path(f).stem}.png", l, f) for f, l in df.iloc[list(at)].itertuples(index=False)]
    rows += [(n, "notumor", f) for n, f in copies.items()] + [(n, "glioma", None) for n in broken]
    for name, _, src in rows:
        (folder/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(src, folder/name) if src else (folder/name).write_text("no picture")
    odd = (SCRIPT, IMG, *FORMULAS)
    groups = [f"{odd[i % len(odd)]}{i//2}" for i in range(len(rows))]
    t = pd.DataFrame(dict(filepath=[o[0] for o in rows], label=[o[1] for o in rows], group=groups, **{"=1+1": groups, SCRIPT: groups}))
    t.to_csv(folder/f"{IMG}.csv", index=False, quoting=csv.QUOTE_ALL)
    shutil.rmtree(folder/"plain")
    return t


def named():
    "Run the library in the current folder on files with such names; every page and table that comes of it stays there, notebook views as `view-….html`."
    from brainmri.data.audit import audit
    from brainmri.data.index import index_images
    from brainmri.data.phantom import make_phantoms
    from brainmri.evaluate.explain import Explanations
    from brainmri.models.recipes import Phase, Recipe, add_recipe
    from brainmri.study.report import write_audit
    from brainmri.study.study import train_all
    from brainmri.use.app import answer_html, answer_many
    from brainmri.use.predict import load
    here, out = Path("."), Path(f"{IMG}run")
    evil_images(here)
    add_recipe(Recipe("=own", SCRIPT, "baseline", (Phase(1, 1e-3),), "pixels", img_size=32))
    df = index_images(f"{IMG}.csv", max_bad=.2)
    found = audit(df, progress=False)
    write_audit(found, "audit.html")
    short = dict(preset="quick", weights=None, img_size=64, epochs=1, n_robust=0, progress=False)
    res = train_all(df, recipes=["=own", "vgg16_frozen"], split="random", test_top=1, out=out, **short)
    sealed = res.table.recipe[res.table.test_macro_f1.isna()]
    res = res.open_test(sealed.iloc[0], why=f"{SCRIPT}=1+1")
    make_phantoms(f"{IMG}away", n=24, seed=9, progress=False)
    away = res.validate_on(f"{IMG}away", name=f"{SCRIPT}{IMG}", progress=False)
    predictor = load(out/"vgg16_frozen")
    files = [*df.filepath, f"{SCRIPT}broken.png", "=1+1broken.png", "a;=1+1broken.png", "a\n=1+1broken.png", f"{IMG}broken.png"]
    answers = predictor.predict(files, progress=False)
    command = Path(sysconfig.get_path("scripts"))/"brainmri_predict"
    Path("answers.csv").write_bytes(subprocess.run([command, "--csv", "--", out/"vgg16_frozen", *files], capture_output=True).stdout)
    some = next(p for p in answers if IMG in p.source and not p.failed)
    shown = dict(results=res, external=away, audit=found, predictions=answers, prediction=some,
                 failed=answers.failed[0], explanation=some.explain(),
                 explanations=Explanations([some.explain()]))
    views = {k: o._repr_html_() for k, o in shown.items()}
    uploads = dict(app=some.source, app_refused=files[-1], app_missing=f"{IMG}gone.png")
    app = answer_many(predictor, [[os.path.abspath(o)] for o in uploads.values()])
    views |= {k: answer_html(predictor, o) for k, o in zip(uploads, app)}
    for k, v in views.items(): Path(f"view-{k}.html").write_text(v, encoding="utf-8")
    again = index_images(pd.read_csv(out/"index.csv")[["filepath", "label"]])
    print(json.dumps(dict(run=str(out), files=sorted(df.filepath), again=sorted(again.filepath), same=sorted(df.sha) == sorted(again.sha))))


def alive(text):
    "Elements in a page that no page of the library has: they came out of a name."
    from lxml import html
    for o in html.fromstring(f"<div>{text}</div>" if "<html" not in text else text).iter():
        if not isinstance(o.tag, str): continue
        if o.tag in ("script", "svg", "iframe", "object", "embed", "form", "link", "base"): yield f"<{o.tag}>"
        yield from (f"{o.tag} {k}={v}"[:80] for k, v in o.attrib.items() if k.startswith("on") or k in ("src", "href") and not v.startswith(("data:image/png", "data:image/jpeg;base64,", "data:text/csv;base64,", "#", "https://", "http://")))


def formulas(text):
    "Cells of a table that a spreadsheet would take for formulas, wherever its country begins a new cell."
    def number(o):
        try: return bool(re.fullmatch(r"[-+]?[\d.eE+-]+|[-+]?(nan|inf)", o)) and float(o) is not None
        except ValueError: return False
    for separator in ",;":
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            yield from (repr(o)[:60] for o in line if o.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) and not number(re.split("[,;]", o)[0]))


def names(folder):
    about = part("named", folder)
    run = folder/about["run"]
    from markdown_it import MarkdownIt
    pages = {o.stem.replace("view-", "notebook or app, "): o.read_text(encoding="utf-8") for o in sorted(folder.glob("view-*.html"))}
    pages |= {"the report": (run/"report.html").read_text(encoding="utf-8"), "the audit's page": (folder/"audit.html").read_text(encoding="utf-8"),
              "the model card, as HTML": MarkdownIt("commonmark").enable("table").render((run/"MODEL_CARD.md").read_text(encoding="utf-8").split("\n---\n", 1)[1])}
    yield row("names: the search finds planted elements", [] if len([o for p in (SCRIPT, IMG, SVG) for o in alive(f"<p>{p}</p>")]) > 3 else ["it doesn't"], "script, img and svg")
    shown = [k for k, text in pages.items() if "&lt;script&gt;alert(1)" in text or "&lt;img src=x onerror=alert(1)&gt;" in text]
    for k, text in pages.items(): yield row(f"names as HTML: {k}", list(alive(text)), "the names stand there as text" if k in shown else "no element of a name, nor a name")
    must = ("the report", "the audit's page", "the model card, as HTML", *(f"notebook or app, {o}" for o in ("results", "external", "predictions", "prediction", "app", "app_refused", "app_missing")))
    yield row("names as HTML: they had the chance", [f"no name in {o}" for o in must if o not in shown], f"names are shown in {len(shown)} of {len(pages)} pages")
    tables = {str(o.relative_to(folder)).replace(about["run"], "the run"): o.read_bytes().decode() for o in sorted([*run.rglob("*.csv"), folder/"answers.csv"])}
    yield row("names as formulas: the search finds planted ones", [o for o in FORMULAS[:7] if not list(formulas(f'"{o}",1\n'))], "all")
    for k, text in tables.items():
        n = len(pd.read_csv(io.StringIO(text))) if text.strip() else 0
        yield row(f"names as formulas: {k}", list(formulas(text)) + ["it is empty"]*(not n), f"{n} rows, none a formula")
    yield row("names as formulas: the run's table can be read again", [] if about["same"] and len(about["files"]) == len(about["again"]) else ["other files"], f"{len(about['again'])} files, the same bytes")


# Archives and addresses --------------------------------------------------------------------------------------------------------------------------

def archives(folder):
    from brainmri.data.index import index_images
    from brainmri.use.predict import load
    file = folder/"images.zip"
    with zipfile.ZipFile(file, "w") as z: z.writestr("../../outside.png", b"")
    yield row("an archive as data", refused(lambda: index_images(str(file))), "refused in a line; the library unpacks nothing (kagglehub and huggingface_hub do, of what they fetch)")
    yield row("an archive as a picture", refused(lambda: load(folder/"run"/"ann_optimized").predict(str(file))), "refused in a line")
    for what, name in {"HTML": SCRIPT, "a path out of a folder": "../../etc/passwd", "a command": "a/b; rm -rf x", "another way out": "-a/../b"}.items():
        yield row(f"a Kaggle data set whose name is {what}", refused(lambda: index_images(f"kaggle:{name}")), "refused in a line, without a connection")


# The app -------------------------------------------------------------------------------------------------------------------------------------------

def ask(address, method, path, body=None, **headers):
    "Status, headers and body that a server answers with; the path is sent as it is."
    c = http.client.HTTPConnection(*address, timeout=60)
    try:
        c.request(method, path, body, headers)
        r = c.getresponse()
        return r.status, dict(r.getheaders()), r.read()
    except (ConnectionError, http.client.HTTPException) as e: return type(e).__name__, {}, b""
    finally: c.close()


def form(name, data):
    "A file as a browser uploads it."
    mark = "x9y8z7"
    return f"--{mark}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n".encode() + data + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def answered(address, value):
    "The HTML that the app's function gives for an input, as a program would call it; None if it refuses."
    status, _, body = ask(address, "POST", "/gradio_api/call/answer", json.dumps(dict(data=[[value], .9])), **{"Content-Type": "application/json"})
    if status != 200: return None
    said = ask(address, "GET", f"/gradio_api/call/answer/{json.loads(body)['event_id']}")[2].decode()
    data = json.loads(said.rpartition("data: ")[2]) if "event: complete" in said else None
    return data and data[0]


def app(folder):
    import brainmri.use.app
    from brainmri.use.app import MAX_UPLOAD, serve
    secret = folder/"secret.txt"
    secret.write_text("a secret of this machine")
    image = next((folder/"images"/"glioma").glob("*.png"))
    try: url = urllib.parse.urlparse(serve(folder/"run"/"ann_optimized", port=0, block=False))
    except brainmri.core.ConfigError as e:
        print(f"The app was not tried: {e}")
        return
    address = (url.hostname, url.port)
    logging.disable(logging.CRITICAL)  # the server logs what it refuses
    try:
        with contextlib.redirect_stderr(io.StringIO()): yield from [*_served(address, folder, secret, image), *_uploads(address, secret, image, MAX_UPLOAD)]
    finally:
        logging.disable(logging.NOTSET)
        serve.running.close(verbose=False)


def _served(address, folder, secret, image):
    "Requests for files, and in other names."
    passwd = next((o for o in (Path("/etc/passwd"), Path(os.environ.get("WINDIR", "/"))/"win.ini") if o.exists()), secret)
    for what, file in {"a file of the system": passwd, "a file of the user": secret, "the project's own settings": ROOT/"settings.ini", "the project's own source": ROOT/"brainmri"/"use"/"app.py", "the network": folder/"run"/"ann_optimized"/"bundle.json",
                       "an image of the machine": image, "a file of the working folder": Path("README.md").resolve()}.items():
        data, bad, tried = file.read_bytes() if file.exists() else b"\0", [], 0
        up = "../"*12 + str(file).lstrip("/")
        for path in (str(file), urllib.parse.quote(str(file)), os.path.relpath(file), up, urllib.parse.quote(up, safe=""), up.replace("../", "..%2f"), f"file://{file}", f"{file}%00.png"):
            for route in ("/file=", "/gradio_api/file=", "/gradio_api/file/", "/static/", "/assets/", "/gradio_api/stream/", "/gradio_api/proxy=", "/custom_component/", "/theme/"):
                status, _, body = ask(address, "GET", (route + path).replace(" ", "%20"))
                tried += 1
                if data in body: bad.append(f"{route} gave it")
        yield row(f"app: {what}", bad, f"refused at {tried} addresses")
    yield row("app: the page itself is shown", [] if ask(address, "GET", "/")[0] == 200 else ["it isn't"], "status 200")
    status = {h: ask(address, "GET", "/", Host=h)[0] for h in ("elsewhere.example", f"elsewhere.example:{address[1]}", "127.0.0.1.elsewhere.example", "")}
    yield row("app: another host's name", [f"{h!r}: {s}" for h, s in status.items() if s != 400], "status 400")
    body, kind = form("a.png", image.read_bytes())
    _, headers, _ = ask(address, "POST", "/gradio_api/upload", body, Origin="https://elsewhere.example", **{"Content-Type": kind})
    allowed = {k.lower(): v for k, v in headers.items()}.get("access-control-allow-origin")
    yield row("app: another site's page may not read answers", [allowed]*(allowed is not None), "not allowed to")
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as o:
        with contextlib.suppress(OSError): o.connect(("192.0.2.1", 9))  # sends nothing, but chooses the address that it would send from
        others = {o.getsockname()[0], "127.0.0.2"} - {"0.0.0.0", "127.0.0.1"}
    reached = []
    for o in others:
        with contextlib.suppress(OSError), socket.create_connection((o, address[1]), 3): reached.append("it answers at another address")
    yield row("app: from the network", reached, f"not reachable at {len(others)} other addresses of the machine")


def _uploads(address, secret, image, most):
    "Files that are too large, and inputs that name files or addresses of the machine."
    big, kind = form("a.png", b"\0"*(most + 2**20))
    status = ask(address, "POST", "/gradio_api/upload", big, **{"Content-Type": kind})[0]
    yield row(f"app: an upload over {most >> 20} MB", [status]*(status == 200), f"refused ({status})")
    body, kind = form(f"../../../{SCRIPT.replace('/', '')}.png", image.read_bytes())
    status, _, said = ask(address, "POST", "/gradio_api/upload", body, **{"Content-Type": kind})
    kept = Path(json.loads(said)[0]) if status == 200 else None
    yield row("app: an upload whose name leaves its folder", [f"kept as {kept.name}"]*(kept is not None and (".." in str(kept) or "<" in str(kept))), f"kept as {kept.name}" if kept else f"refused ({status})")
    body, kind = form("scan.png", image.read_bytes())
    file = json.loads(ask(address, "POST", "/gradio_api/upload", body, **{"Content-Type": kind})[2])[0]
    gradio = dict(meta={"_type": "gradio.FileData"})
    said = answered(address, dict(path=file, **gradio)) or "nothing"
    verdicts = ("accepted", "ambiguous", "rejected")
    yield row("app: an upload is answered", [] if any(o in said for o in verdicts) else [said[:100]], "with a verdict")
    yield row("app: the answer doesn't tell where uploads are kept", ["it does"]*(str(Path(file).parent) in said or tempfile.gettempdir() in said), "it names the file alone")
    for what, value in {"a file": dict(path=str(secret), **gradio), "an image": dict(path=str(image), **gradio), "an image by its bare path": str(image)}.items():
        said = answered(address, value)
        yield row(f"app: an input that names {what} on the machine", [said and said[:100]]*(said is not None), "refused")
    with serving({"scan.png": image.read_bytes()}) as (url, asked):
        said = answered(address, dict(path=f"{url}/scan.png", url=f"{url}/scan.png", **gradio))
        yield row("app: an input that names an address in the machine", [f"it fetched {o}" for o in asked] + ["it was answered"]*(said is not None), "nothing was fetched")


# What others know -------------------------------------------------------------------------------------------------------------------------------

def advisories():
    "Known holes in the installed packages, if pip-audit is here and reaches its service."
    program = os.environ.get("PIP_AUDIT") or shutil.which("pip-audit")
    if not program: return print("pip-audit isn't installed, so nobody was asked for known holes: pip install pip-audit.")
    done = subprocess.run([program, "--format", "json", "--progress-spinner", "off", "--path", sysconfig.get_path("purelib")], capture_output=True, text=True)
    try: found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError): return print(f"pip-audit could not ask for known holes: {(done.stderr.strip().splitlines() or ['no answer'])[-1][:200]}")
    asked = [o for o in found if "vulns" in o]
    if len(asked) < len(found)/2: return print(f"pip-audit could not ask for known holes: its service knows {len(asked)} of the {len(found)} packages.")
    yield row("known holes in the installed packages", [f"{o['name']} {o['version']}: {', '.join(v['id'] for v in o['vulns'])}" for o in asked if o["vulns"]], f"{len(asked)} of {len(found)} packages were asked for")


def run(quick):
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as d:
        (closed_, named_) = (Path(d)/o for o in ("closed", "named"))
        for o in (closed_, named_): o.mkdir()
        parts = {"what the source says": source, "no pickle, network or program": lambda: closed(closed_), "weights, bundles and downloads": lambda: weights(closed_), "archives, and names of data sets": lambda: archives(closed_),
                 "names as HTML and as formulas": lambda: names(named_), "the app": lambda: app(closed_), "known holes of packages": advisories}
        for kind, p in list(parts.items())[:1 if quick else None]:
            for r in p() or ():
                found.append({**r, "kind": kind})
                print(r, flush=True)
    return pd.DataFrame(found)


if __name__ == "__main__": dict(guarded=guarded, named=named)[sys.argv[1]]()
