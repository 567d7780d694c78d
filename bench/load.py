"""The page under load, on this machine's loopback address: one person, twenty at once, two hundred at once; and what memory it keeps.

The server is a process of its own. Each person uploads pictures, asks, and reads the answer with its maps, as a browser does."""
import contextlib, http.client, json, os, statistics, subprocess, sys, tempfile, threading, time, urllib.parse
from pathlib import Path

import pandas as pd

from . import prediction

LIMIT, REST = 240, 30  #: Seconds that a crowd, and people one after the other, may take
LONG = 1800  #: Seconds that many thousands of requests may take


def serve_forever(folder):
    "The server's process: it says its address in one line."
    from brainmri.use.app import serve
    print(serve(folder, port=0, block=False), flush=True)
    serve.running.block_thread()


@contextlib.contextmanager
def serving(folder):
    "The address and the process of a server."
    command = [sys.executable, "-m", "bench.load", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = next(o for o in process.stdout if o.startswith("http"))
        yield urllib.parse.urlparse(url.strip()), process
    finally:
        process.terminate()
        process.wait(20)


def ask(url, method, path, body=None, kind="application/json"):
    "Status and body of one request."
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=LIMIT)
    try:
        c.request(method, path, body, {"Content-Type": kind} if body else {})
        r = c.getresponse()
        return r.status, r.read().decode()
    finally: c.close()


def upload(url, data):
    "Upload a PNG; where the server keeps it."
    head = '--x\r\nContent-Disposition: form-data; name="files"; filename="scan.png"\r\nContent-Type: image/png\r\n\r\n'
    return json.loads(ask(url, "POST", "/gradio_api/upload", head.encode() + data + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")[1])[0]


def person(url, pictures, found):
    "Upload, ask and read; adds seconds and what came: answered, refused in words, or failed."
    start = time.perf_counter()
    try:
        files = [dict(path=upload(url, o), meta={"_type": "gradio.FileData"}) for o in pictures]
        status, said = ask(url, "POST", "/gradio_api/call/answer", json.dumps(dict(data=[files, .9])))
        if status == 200: said = ask(url, "GET", f"/gradio_api/call/answer/{json.loads(said)['event_id']}")[1]
        whole = "event: complete" in said and said.count("data:image/jpeg") == len(pictures)
        came = "answered" if whole else "refused" if "queue is full" in said.lower() else "failed"
    except (OSError, ValueError, KeyError, http.client.HTTPException): came = "failed"
    found.append(dict(seconds=time.perf_counter() - start, came=came))


def together(url, n, pictures):
    "What `n` people who come at once get."
    found = []
    people = [threading.Thread(target=person, args=(url, pictures, found)) for _ in range(n)]
    for o in people: o.start()
    for o in people: o.join(LIMIT)
    return found


def memory(process):
    "Megabytes that a process holds."
    line = next(o for o in Path(f"/proc/{process.pid}/status").read_text().splitlines() if o.startswith("VmRSS"))
    return int(line.split()[1])/1024


def cpu(process):
    "Seconds of processor time that a process took."
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks))/os.sysconf("SC_CLK_TCK")


def row(what, process, f):
    "One line of the table, of the people that `f` brings."
    before = cpu(process)
    found = f()
    seconds = sorted(o["seconds"] for o in found if o["came"] == "answered")
    counts = {k: sum(o["came"] == k for o in found) for k in ("answered", "refused", "failed")}
    out = dict(what=what, **counts, p50_s=statistics.median(seconds), last_s=seconds[-1],
               cpu_s=(cpu(process) - before)/len(seconds), memory_mb=memory(process))
    print(json.dumps(out), flush=True)
    return out


def few(url, pictures, times, n, seconds=REST):
    "What `n` people at once get, `times` times or until the seconds are over."
    end, found = time.time() + seconds, []
    while len(found) < times*n and time.time() < end: found += together(url, n, pictures[:1])
    return found


def first_pictures(data):
    "Three files of a folder of images."
    from brainmri.data.index import index_images
    return [Path(o).read_bytes() for o in index_images(data, progress=False).filepath[:3]]


def long_load(data, weights=None, requests=10_000, parts=5):
    "The page after thousands of requests, four at a time, of a network for 64 pixels: what memory it keeps."
    pictures = first_pictures(data)
    with tempfile.TemporaryDirectory() as d, serving(prediction.bundle(d, weights, 64)) as (url, process):
        few(url, pictures, 3, 4)
        each = requests//parts
        rows = [row(f"requests {i*each + 1:,} to {(i + 1)*each:,}", process, lambda: few(url, pictures, each//4, 4, LONG/parts))
                for i in range(parts)]
    t = pd.DataFrame(rows)
    first, last = t.memory_mb.iloc[[0, -1]]
    missed = [f"memory grew from {first:.0f} to {last:.0f} MB"] if last > 1.1*first else []
    return t, missed + [f"{o.what}: {o.failed} got no answer and no words" for o in t.itertuples() if o.failed]


def load(data, weights=None, many=200):
    "The page with one person, with 20 and with 200 at once: seconds, seconds of processor time, memory."
    pictures, rows = first_pictures(data), []
    with tempfile.TemporaryDirectory() as d, serving(prediction.bundle(d, weights)) as (url, process):
        few(url, pictures, 3, 1)
        rows.append(row("1 person, 1 picture, 10 times", process, lambda: few(url, pictures, 10, 1)))
        rows.append(row("20 people at once, 3 pictures each", process, lambda: together(url, 20, pictures)))
        rows.append(row("200 people at once, 1 picture each", process, lambda: together(url, 200, pictures[:1])))
        rows += [row("then others, 4 at a time", process, lambda: few(url, pictures, many//4, 4)) for _ in range(2)]
    t = pd.DataFrame(rows)
    missed = [f"{o.what}: p50 {o.p50_s:.2f} s" for o, most in zip(t.itertuples(), (.4, 2.5)) if o.p50_s > most]
    return t, missed + [f"{o.what}: {o.failed} got no answer and no words" for o in t.itertuples() if o.failed]


if __name__ == "__main__": serve_forever(sys.argv[1])
