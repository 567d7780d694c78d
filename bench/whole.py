"""Where the time of one `train_all` goes, from the first import to the report, in a process of its own.

Takes its arguments as JSON, and prints a line of JSON: seconds of each part, which add up to the whole."""
import json, sys, time
from collections import defaultdict

#: What is counted apart: module, class (or none), function → part. Time in a part within a part counts for the inner one.
PARTS = {
    ("brainmri.study.study", None, "begin"): "the rest",
    ("brainmri.study.beginning", None, "read_data"): "index",
    ("brainmri.study.beginning", None, "audit"): "audit",
    ("brainmri.data.audit", "Audit", "_probed"): "audit: probes for shortcuts",
    ("brainmri.study.beginning", None, "initial_weights"): "starting weights",
    ("brainmri.train.loop", None, "decoded"): "decoding", ("brainmri.train.features", None, "decoded"): "decoding",
    ("brainmri.study.training", "Study", "training"): "building networks",
    ("brainmri.train.loop", "Training", "_note"): "weights and bundles", ("brainmri.study.training", None, "write_bundle"): "weights and bundles",
    ("brainmri.train.features", "FeatureCache", "fill"): "frozen features",
    ("brainmri.train.loop", "Training", "fit_phase"): "training",
    ("brainmri.train.loop", "Training", "answers"): "scores and features for the gate",
    ("brainmri.study.training", "Study", "fit_gate"): "gate",
    ("brainmri.study.training", "Study", "try_best"): "trials: the rest", ("brainmri.study.trials", None, "load"): "trials: the rest",
    ("brainmri.study.trials", None, "robustness"): "trials: worse images", ("brainmri.study.trials", None, "border_test"): "trials: borders",
    ("brainmri.study.trials", None, "refusals"): "trials: other pictures",
    ("brainmri.study.training", "Study", "finish"): "report and pictures"}


class Shares:
    "Seconds of each part; the clock always runs for one of them."
    def __init__(self, first): self.seconds, self.open, self.at = defaultdict(float), [first], time.perf_counter()
    def lap(self):
        now = time.perf_counter()
        self.seconds[self.open[-1]] += now - self.at
        self.at = now
    def watch(self, owner, name, part):
        f = getattr(owner, name)
        def timed(*args, **kwargs):
            self.lap()
            self.open.append(part)
            try: return f(*args, **kwargs)
            finally:
                self.lap()
                self.open.pop()
        setattr(owner, name, timed)


def whole(data, recipe, weights, out, **settings):
    "Run `train_all` with one recipe; seconds of its parts."
    import importlib
    shares = Shares("imports")
    from brainmri.models.recipes import Phase, Recipe, add_recipe
    from brainmri.study.study import train_all
    add_recipe(Recipe("vgg16_pool_head", "VGG16, fastai's head alone", "pool", (Phase(8, 1e-3, 1e-4, "head"),)))
    for (module, owner, name), part in PARTS.items():
        home = importlib.import_module(module)
        shares.watch(getattr(home, owner) if owner else home, name, part)
    shares.lap()
    shares.open = ["the rest"]
    res = train_all(data, recipes=recipe, weights=weights, out=out, progress=False, **settings)
    shares.lap()
    return dict(shares.seconds), len(res.run.index), float(res.table.valid_macro_f1.iloc[0])


def main():
    seconds, images, f1 = whole(**json.loads(sys.argv[1]))
    print(json.dumps(dict(seconds=seconds, images=images, valid_macro_f1=f1)))


if __name__ == "__main__": main()
