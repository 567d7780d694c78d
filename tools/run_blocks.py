"""Run the Python blocks of a Markdown file, each as a program of its own in an empty folder: python tools/run_blocks.py CONTRIBUTING.md"""
import os, re, subprocess, sys, tempfile, time
from pathlib import Path


def blocks(path):
    "The Python blocks of a file, each with the heading above it."
    heading = ""
    for m in re.finditer(r"^#+ ([^\n]*)$|^ *```python\n(.*?)^ *```$", Path(path).read_text(encoding="utf-8"), re.M | re.S):
        if m[1]: heading = m[1]
        else: yield heading, m[2]


def run(heading, code):
    "Run one block and print how long it took; its error, or None."
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "MPLBACKEND": "Agg"}
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    lines = len([o for o in code.splitlines() if o.strip()])
    print(f"{heading}: {lines} lines, {time.perf_counter() - start:.0f} s", flush=True)
    return f"{heading}: {done.stderr[-1500:]}" if done.returncode else None


def main():
    found = [o for path in sys.argv[1:] for o in blocks(path)]
    if not found: sys.exit(f"There is no Python block in {' '.join(sys.argv[1:]) or 'nothing'}.")
    failed = [o for heading, code in found if (o := run(heading, code))]
    print("\n".join(failed))
    sys.exit(len(failed))


if __name__ == "__main__": main()
