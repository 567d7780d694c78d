"""The README's test command, timed; prints a line of JSON: the seconds of each notebook."""
import json, re, subprocess, sys, time


def main():
    start = time.perf_counter()
    call = "import sys; from nbdev.test import nbdev_test; nbdev_test(timing=True)"
    done = subprocess.run([sys.executable, "-c", call], stdout=subprocess.PIPE, text=True, check=True)
    each = re.findall(r"(?m)^(\S+\.ipynb): (\d+) secs$", done.stdout)
    print(json.dumps(dict(seconds=time.perf_counter() - start, each=each)))


if __name__ == "__main__": main()
