"""Make a trained network ready for the Hugging Face Hub: one folder, that `load` opens and `push_to_hub` sends.

    python tools/publish.py DATA --out FOLDER                  train the guided recipe in five folds first
    python tools/publish.py --run runs/NAME --out FOLDER       take a finished run
    python tools/publish.py … --license cc-by-4.0 --source https://doi.org/… --push owner/name

FOLDER gets the files of the best recipe's bundle, its model card with the Hub's metadata (README.md), what is known
of the terms of images and weights (LICENSE), and checksums of the bundle (SHA256SUMS, for `sha256sum -c`). It gets no
image, no file name and no single answer. A repository that --push makes is private. Read README.md and LICENSE before.
"""
import argparse, shutil
from pathlib import Path

from brainmri.core import RunError, need_package
from brainmri.data.registry import registry_about
from brainmri.study.cli import plain_errors
from brainmri.study.records import choose, read_run
from brainmri.study.report import report_context, write_card
from brainmri.use.bundle import LICENSE, bundle_files, file_hash
from brainmri.use.onnx import push_to_hub
from brainmri.use.predict import load


def scores(run, context):
    "The macro-F1 of the best recipe, per slice and per patient, each with the protocol in its name."
    hub = need_package("huggingface_hub", "brainmri[hub]")
    folds, tables = len(run.fold_paths), context["tables"]
    protocol = f"{folds} folds" if folds else f"{context['where']} set"
    protocol += f", split {run.config['split']}, 95 % interval over groups"
    found = {"slice": tables["measures"].loc["macro_f1", ["value", "low", "high"]]}
    if context["groups"] < context["images"]:
        found["patient or group"] = tables["patients"].loc["mean", ["macro_f1", "low", "high"]]
    images = "phantoms" if context["synthetic"] else context["folder"]
    for each, (value, low, high) in found.items():
        name = f"Macro-F1 per {each} ({protocol} {low:.3f} to {high:.3f})"
        yield hub.EvalResult(
            task_type="image-classification", dataset_type="imagefolder", dataset_name=images,
            dataset_split=context["part"], metric_type="f1", metric_name=name, metric_value=round(float(value), 4))


def write_readme(run, context, out, license):
    "Write the model card with the metadata that the Hub reads."
    hub = need_package("huggingface_hub", "brainmri[hub]")
    card = hub.ModelCard(write_card(run.path).read_text(encoding="utf-8"))
    card.data.license = license
    if license == "other": card.data.license_name, card.data.license_link = "see-license", "LICENSE"
    card.data.model_name = f"brainmri {context['best']}"
    card.data.eval_results = list(scores(run, context))
    (out/"README.md").write_text(str(card), encoding="utf-8")


def write_license(run, context, out, license, source):
    "Write what is known of the terms of code, weights and images."
    images = f"“{context['folder']}”, {source or 'source not stated'}"
    if context["synthetic"]: images = "synthetic, drawn by brainmri"
    weights = run.config.get("weights") or {}
    lines = [LICENSE, f"License of this network, as its publisher states it: {license}",
             f"Images it was trained on: {images}", f"Starting weights: {weights.get('source') or 'not recorded'}"]
    found = run.audit.get("provenance") or []
    for name, about in registry_about()["collections"].items():
        n = sum(o.get(name, 0) for o in found)
        if n: lines.append(f"{n} of the images are in: {about['title']}, {about['source']}, license {about['license']}")
    (out/"LICENSE").write_text("\n".join(lines) + "\n", encoding="utf-8")


def collect(path, out, license="other", source=None):
    "Put the bundle of a run's best recipe into the folder `out`, with card, license and checksums."
    run, out = read_run(path), Path(out)
    if out.exists() and any(out.iterdir()): raise RunError(f"{out} is not empty: name another folder, or empty it.")
    context, bundle = report_context(run), run.path/choose(run)
    files = bundle_files(bundle)
    for name in files:
        (out/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundle/name, out/name)
    sums = "".join(f"{file_hash(out/o)}  {o}\n" for o in files)
    (out/"SHA256SUMS").write_text(sums, encoding="utf-8")
    write_readme(run, context, out, license)
    write_license(run, context, out, license, source)
    load(out)  # it must answer
    return out


def parse():
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="what train_all takes, such as a folder of class folders")
    parser.add_argument("--run", help="a finished run to take instead")
    parser.add_argument("--out", required=True, help="the folder to make")
    parser.add_argument("--recipe", default="vgg16_guided")
    parser.add_argument("--boxes", help="where tumors are: a table, or the file of a map")
    parser.add_argument("--folds", type=int, default=5, help="0: one split")
    parser.add_argument("--license", default="other", help="the Hub's name of a license, such as cc-by-4.0")
    parser.add_argument("--source", help="where the images can be had")
    parser.add_argument("--push", metavar="OWNER/NAME", help="send it to the Hub")
    args = parser.parse_args()
    if (args.data is None) == (args.run is None): parser.error("name either DATA or --run")
    return args


def main():
    args, run = parse(), None
    if args.data:
        from brainmri.study.study import train_all
        run = train_all(args.data, recipes=args.recipe, boxes=args.boxes, folds=args.folds or None, out=f"{args.out}-run").path
    out = collect(run or args.run, args.out, args.license, args.source)
    print((out/"LICENSE").read_text(encoding="utf-8"))
    if args.push: return print(push_to_hub(out, args.push))
    print(f"Next: read {out/'README.md'} and {out/'LICENSE'}, and add what only you know. Then, after `hf auth login`:\n"
          f"  python -c \"import brainmri; brainmri.push_to_hub({str(out)!r}, 'owner/name')\"\n"
          "and anywhere brainmri.load('hub:owner/name')")


if __name__ == "__main__":
    with plain_errors("publish"): main()
