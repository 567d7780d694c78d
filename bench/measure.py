"""Seconds, memory and the limit of the machine."""
import json, os, subprocess, sys, time
from pathlib import Path

import torch


def best_of(n, f):
    "The least of `n` timings of `f()`, in seconds, after one that isn't counted."
    f()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def matmul_rate(dtype=torch.float32, device="cpu", n=2048):
    "Floating-point operations a second of a matrix product of n×n, an addition and a multiplication counting as two."
    if device == "cpu" and dtype == torch.bfloat16: n = 512  # takes long where it is emulated
    if device != "cpu": n = 8192  # a smaller product ends before it is under way
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    def f():
        a @ b
        if device != "cpu": torch.cuda.synchronize()
    return 2*n**3/best_of(4, f)


def machine_limit(device="cpu"):
    "The faster of the float32 and the bfloat16 matrix product, in operations a second, and both."
    rates = {str(d).removeprefix("torch."): matmul_rate(d, device) for d in (torch.float32, torch.bfloat16)}
    return max(rates.values()), rates


def copy_rate(n=2**28):
    "Bytes a second that this machine's memory takes, read and written, in a copy of `n` float32 numbers."
    x, y = torch.ones(n), torch.ones(n)
    return 8*n/best_of(5, lambda: y.copy_(x))


def conv_flops(module, shape):
    "Operations of the convolutions and linear layers of `module` for one input of `shape`, two for each multiply-add."
    total, hooks = [0], []
    def count(m, args, y): total[0] += 2*m.weight.numel()*(y[0, 0].numel() if y.ndim == 4 else 1)
    for m in module.modules():
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)): hooks.append(m.register_forward_hook(count))
    with torch.no_grad(): module(torch.zeros(1, *shape))
    for h in hooks: h.remove()
    return total[0]


def memory(pid):
    "Memory of a process and its children in MB, pages that they share counted once: (all of it, without the pages of mapped files); None where it can't be read."
    total, pids = [0, 0], list(_tree(pid))
    file, keys = ("status", ("VmRSS", "RssAnon")) if len(pids) == 1 else ("smaps_rollup", ("Pss", "Pss_Anon"))  # the second takes milliseconds
    for p in pids:
        try: lines = dict(l.split(":", 1) for l in Path(f"/proc/{p}/{file}").read_text().splitlines() if ":" in l)
        except OSError: continue  # it has just ended
        total = [t + int(lines[k].split()[0])/1024 if k in lines else t for t, k in zip(total, keys)]
    return total if any(total) else (None, None)


def _tree(pid):
    yield pid
    for f in Path(f"/proc/{pid}/task").glob("*/children"):
        try: children = f.read_text().split()
        except OSError: continue
        for p in children: yield from _tree(p)


def run(args, timeout=None, **env):
    "Run a Python command that prints a line of JSON last; that line, with the peaks of its memory in MB."
    end = time.perf_counter() + (timeout or 1e9)
    env = {**os.environ, **{k: str(v) for k, v in env.items()}}
    p = subprocess.Popen([sys.executable, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    peak = [0, 0]
    while p.poll() is None:
        peak = [max(a, b or 0) for a, b in zip(peak, memory(p.pid))]
        if time.perf_counter() > end: p.kill()
        time.sleep(.2)
    out, err = p.communicate()
    if p.returncode: raise SystemExit(f"{' '.join(map(str, args))} failed:\n{err[-2000:]}")
    return {**json.loads(out.strip().splitlines()[-1]), "peak_mb": round(peak[0]) or None, "peak_anonymous_mb": round(peak[1]) or None}
