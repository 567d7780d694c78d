"""Try to break brainmri, and count what holds.

    python -m reliability                  # every trial but the long ones
    python -m reliability hostile kill     # some of them
    python -m reliability --quick hostile  # a part of each, for a first look, in a folder of its own

A trial is a module of this package with a function `run(quick)` that returns a table, a row a case: `case` says what was tried, `found` what
happened, `held` whether that is as it must be. Each table is written to OUT/NAME.csv and a line for each trial to OUT/summary.csv, which the
page explanations/reliability of the site reads. The exit status is 1 if anything didn't hold."""
import argparse, importlib, sys, tempfile, time
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
#: The trials in the order of the page; those in `LONG` run only when they are named.
TRIALS = dict(hostile="Hostile files", fuzz="Fuzzed readers", kill="Killed and begun again", full="Full disks", together="Two runs at once",
              determinism="The same seed", resources="Nothing left behind", security="Nobody let in", cluster="Beyond one machine", compatibility="Oldest and newest packages")
LONG = ("fuzz", "compatibility")


def try_one(name, quick, out):
    "Run a trial, keep its table, and return its line of the summary."
    from brainmri import __version__
    start = time.perf_counter()
    table = importlib.import_module(f"{__package__}.{name}").run(quick)
    table.to_csv(out/f"{name}.csv", index=False)
    for _, r in table[~table.held.astype(bool)].iterrows(): print(f"DIDN'T HOLD  {name}: {r.case}: {r.found}", flush=True)
    line = dict(trial=name, title=TRIALS[name], tried=len(table), held=int(table.held.sum()), seconds=round(time.perf_counter() - start), quick=quick, version=__version__, python=sys.version.split()[0])
    print(f"{TRIALS[name]}: {line['held']} of {line['tried']} held, {line['seconds']} s", flush=True)
    return line


def main():
    p = argparse.ArgumentParser(prog="python -m reliability", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("trials", nargs="*", help=f"which ones: {', '.join(TRIALS)}; {' and '.join(LONG)} only if they are named")
    p.add_argument("--quick", action="store_true", help="a part of each")
    p.add_argument("--out", type=Path, help="folder of the tables; by default that of the page, and with --quick a new one")
    a = p.parse_args()
    unknown = [o for o in a.trials if o not in TRIALS]
    if unknown: p.error(f"there is no trial {', '.join(unknown)}: expected some of {', '.join(TRIALS)}")
    a.out = a.out or (Path(tempfile.mkdtemp(prefix="reliability-")) if a.quick else HERE.parent/"nbs"/"results"/"reliability")
    print(f"Tables: {a.out}", flush=True)
    a.out.mkdir(parents=True, exist_ok=True)
    lines = [try_one(o, a.quick, a.out) for o in a.trials or [t for t in TRIALS if t not in LONG]]
    file = a.out/"summary.csv"
    old = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["trial"])
    new = pd.concat([old[~old.trial.isin([o["trial"] for o in lines])], pd.DataFrame(lines)])
    new = new.astype(dict(tried=int, held=int, seconds=int))
    new.sort_values("trial", key=lambda c: c.map(list(TRIALS).index)).to_csv(file, index=False)
    return int(any(o["held"] < o["tried"] for o in lines))


if __name__ == "__main__": sys.exit(main())
