"""Readers fed with what a fuzzer makes up, guided by the lines of Python that an input reaches.

Atheris changes the small files of `corpus` a little at a time and keeps what takes a new way through brainmri, Pillow's plugins or pydicom. It held if in
the given time no input raised anything but the package's own errors, none took over 10 s, and the process never had over 1 GB more than after its
imports. An input that does is kept in `reliability/found`, where `hostile` tries it from then on. Atheris comes with `pip install 'brainmri[fuzz]'`."""
import contextlib, hashlib, logging, re, resource, shutil, subprocess, sys, tempfile, time, warnings
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
FOUND, SECONDS, MEGABYTES, INCLUDE = HERE/"found", 10, 1000, ["brainmri", "PIL", "pydicom"]


def image(folder):
    "The pixels of a picture."
    from brainmri.data.image import image_array, open_image
    def read(data):
        open_image(data)
        image_array(open_image(data), 16)
    return read

def table(folder):
    "A CSV, beside a picture that it may name."
    from brainmri.data.index import index_images
    def read(data):
        (folder/"table.csv").write_bytes(data)
        index_images(folder/"table.csv", classes="glioma", max_bad=1., workers=1, progress=False)
    return read

def bundle(folder):
    "A bundle; the first byte says which of its files follows, and checksums are made to fit, as anyone can."
    from brainmri.use.predict import load
    from .corpus import NAMES, seal
    files = folder/"files"
    whole = {o: (files/o).read_bytes() for o in NAMES}
    def read(data):
        name = NAMES[data[0] % 3 if data else 0]
        for o in NAMES: (files/o).write_bytes(data[1:] if o == name else whole[o])
        seal(files)
        load(files).predict(folder/"whole.png")
    return read

def dicom(folder):
    "The slices of a DICOM."
    from brainmri.data.slices import read_slices
    return lambda data: read_slices(data, "a.dcm")

READERS = {o.__name__: o for o in (image, table, bundle, dicom)}


def seeds(folder):
    "What each reader begins from, in a folder of its name, and the files that it needs."
    from . import corpus
    cases = corpus.build(folder/"cases", corpus.write_untrained(folder/"whole"), quick=True)
    corpus.write_untrained(folder/"files", img_size=2)
    shutil.copy(cases[0].path.parent/"whole.png", folder)
    for o in READERS: (folder/o).mkdir()
    for k, c in enumerate(cases):
        reader = "dicom" if c.path.suffix == ".dcm" else {"picture": "image", "table": "table"}.get(c.kind)
        if reader and not c.closed and c.path.is_file() and 0 < c.path.stat().st_size < 50_000: shutil.copyfile(c.path, folder/reader/str(k))
        if c.closed: [o.chmod(0o700) for o in (c.path.parent, c.path)]
    for k, o in enumerate(corpus.NAMES): (folder/"bundle"/o).write_bytes(bytes([k]) + (folder/"files"/o).read_bytes())


def fuzz(reader, folder, arguments):
    "Feed `reader` until the time is over or something is found; this process doesn't come back."
    import atheris
    with atheris.instrument_imports(include=INCLUDE):
        from brainmri.core import BrainMRIError
        read = READERS[reader](Path(folder))
        for o in sorted((Path(folder)/reader).iterdir())[::7]:  # what is imported late is imported now
            with contextlib.suppress(BrainMRIError): read(o.read_bytes())
    warnings.simplefilter("ignore")
    logging.disable()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1000
    def one(data):
        try: read(data)
        except BrainMRIError as e: assert "\n" not in str(e) and len(str(e)) <= 2000, f"a message of {len(str(e))} letters"
    atheris.Setup([sys.argv[0], *arguments, f"-rss_limit_mb={base + MEGABYTES}", f"-timeout={SECONDS}"], one)
    atheris.Fuzz()


def _why(log):
    "The line that says what was found, and where."
    said = re.search(r"=== Uncaught Python exception: ===\s*(.+)", log) or re.search(r"ERROR: libFuzzer: (.+)", log)
    where = re.findall(r'File "[^"]*/([^"/]+/[^"/]+)", line (\d+)', log)
    return (said[1][:120] if said else log.strip().splitlines()[-1][:120]) + (f" ({where[-1][0]}, line {where[-1][1]})" if where else "")

def _try(reader, folder, seconds):
    "The row for `reader` after `seconds`; the fuzzer stops at what it finds, and is begun again."
    start, executions, cover, found = time.monotonic(), 0, ("0", "0", "0"), {}
    while (left := seconds - (time.monotonic() - start)) > 1 and len(found) < 10:
        made = folder/f"{reader}-made"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        args = [folder/reader, f"-max_total_time={int(left)}", f"-artifact_prefix={made}/", "-print_final_stats=1", "-max_len=60000", "-verbosity=1", f"-seed={1 + len(found)}"]
        command = [sys.executable, "-m", "reliability.fuzz", reader, str(folder), *map(str, args)]
        done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, errors="replace", timeout=seconds + 300)
        log = done.stderr + done.stdout
        executions += int((re.findall(r"number_of_executed_units: (\d+)", log) or re.findall(r"#(\d+)\t", log) or ["0"])[-1])
        cover = (re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log) or [cover])[-1]
        kept = next(iter(made.iterdir()), None)
        if not kept:
            if done.returncode: found[_why(log)] = None
            break
        why = _why(log)
        if why in found: break  # it would be found again and again
        FOUND.mkdir(exist_ok=True)
        found[why] = FOUND/f"{reader}-{hashlib.sha256(kept.read_bytes()).hexdigest()[:12]}"
        shutil.copyfile(kept, found[why])
    shown = f"{executions:,} inputs, {int(cover[0]):,} branches and {int(cover[1]):,} features reached, " + ("nothing found" if not found else "found: " + "; ".join(found))
    return dict(case=f"{reader}: {READERS[reader].__doc__[:-1]}", found=shown, held=not found and executions > 100, executions=executions,
                branches=int(cover[0]), features=int(cover[1]), kept=int(cover[2]), findings=len(found), seconds=round(time.monotonic() - start))

def run(quick):
    "A row for each reader."
    with tempfile.TemporaryDirectory() as d:
        folder = Path(d)
        seeds(folder)
        return pd.DataFrame([_try(o, folder, 5 if quick else 150) for o in READERS])


if __name__ == "__main__": fuzz(sys.argv[1], sys.argv[2], sys.argv[3:])
