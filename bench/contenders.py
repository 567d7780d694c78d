"""One recipe trained by this library or by plain fastai, in a process of its own.

Prints a line of JSON."""
import argparse, json, os, tempfile, time

import numpy as np

#: The body of the recipes that name none, as in the reference loop.
BODY = "vgg16_bn"


def initial_state(recipe, weights):
    "Tensors of the body of `recipe` from the file `weights`; None for random ones."
    from brainmri.models.bodies import body_weights
    if recipe.body == "pixels": return None
    return body_weights(weights, recipe.body or BODY)[0]


def split_folder(folder):
    "The images of `folder`, with the study's random split."
    from brainmri.data.index import index_images
    from brainmri.data.split import split_images
    return split_images(index_images(folder, progress=False), how="random")


def ours(folder, recipe, weights, device, aug_views):
    "All phases of `recipe` with an empty cache, decoding and frozen features included."
    from brainmri.core import pick_device
    from brainmri.data.loaders import mri_dls
    from brainmri.models.bodies import get_body, make_body
    from brainmri.models.learner import make_learner
    from brainmri.models.recipes import get_recipe
    from brainmri.train.features import FeatureCache
    from brainmri.train.loop import Training
    from brainmri.train.precision import learns_in_bf16, pick_precision
    device = pick_device(device)
    learns_in_bf16(pick_precision(device=device), device)  # measured once on a machine, and kept
    import fastai.vision.learner  # the others' imports aren't counted either
    df = split_folder(folder)
    r = get_recipe(recipe)
    body = get_body(r.body or BODY)
    state = initial_state(r, weights)
    start = time.perf_counter()
    dls = mri_dls(df, r.img_size, r.bs, device=device, augment=r.augment, mean=body.mean, std=body.std)
    learn = make_learner(dls, r, BODY, state)
    features = None
    if r.body != "pixels":
        keep = tuple(dict.fromkeys(p.train for p in r.phases))
        net = make_body(body.name, state, img_size=r.img_size)
        features = FeatureCache(df, net, body.name, r.img_size, keep=keep, device=device, progress=False)
    if device != "cpu": aug_views = 0
    t = Training(learn, df, r, BODY, features, aug_views=aug_views, device=device, progress=False)
    t.fit()
    seconds = time.perf_counter() - start
    n = int((df.split != "test").sum())
    return dict(seconds=seconds, images=n, epochs=r.epochs, valid_macro_f1=float(t.best.best))


def fastai_learner(df, r, weights, device):
    "fastai's own learner for a recipe, with its default loaders."
    import torch
    from fastai.vision.all import (CrossEntropyLossFlat, F1Score, ImageDataLoaders, Learner, Resize,
                                   aug_transforms, vision_learner)
    from torchvision.models import vgg16_bn
    from brainmri.models.heads import ann_baseline, ann_optimized
    dls = ImageDataLoaders.from_df(
        df, path="/", fn_col="filepath", label_col="label", valid_col="valid", bs=r.bs,
        item_tfms=Resize(r.img_size, method="squish"), batch_tfms=aug_transforms() if r.augment else None,
        device=torch.device(device) if device else None)
    metric = F1Score(average="macro")
    if r.body == "pixels":
        net = dict(baseline=ann_baseline, optimized=ann_optimized)[r.head]()
        return Learner(dls, net, loss_func=CrossEntropyLossFlat(), metrics=metric)
    def body(pretrained):
        net = vgg16_bn()
        net.load_state_dict(initial_state(r, weights) or {}, strict=False)
        return net
    return vision_learner(dls, body, pretrained=False, cut=-2, n_out=4, metrics=metric)


def fastai(folder, recipe, weights, device, few):
    """Time an epoch of each phase by fastai on a share `1/few` of the images.

    As `fine_tune` does, the second phase trains the whole network."""
    from brainmri.models.recipes import get_recipe
    df = split_folder(folder)
    df = df[df.split != "test"]
    df = df.assign(valid=df.split == "valid", label=df.label.astype(str))
    df = df.groupby(["label", "valid"]).nth[::few]
    r = get_recipe(recipe)
    learn = fastai_learner(df, r, weights, device)
    total = 0.
    with learn.no_bar(), learn.no_logging():
        for i, p in enumerate(r.phases):
            if r.body != "pixels": learn.unfreeze() if i else learn.freeze()
            start = time.perf_counter()
            learn.fit_one_cycle(1, 1e-3)
            total += (time.perf_counter() - start)*p.epochs
    return dict(seconds=total*few, timed_images=len(df), epochs=r.epochs)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("who", choices=["ours", "fastai"])
    p.add_argument("folder")
    p.add_argument("--recipe", default="vgg16_frozen")
    p.add_argument("--weights")
    p.add_argument("--device")
    p.add_argument("--aug-views", type=int, default=2)
    p.add_argument("--few", type=int, default=1)
    a = p.parse_args()
    common = a.folder, a.recipe, a.weights, a.device
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        os.environ["BRAINMRI_CACHE"] = cache
        out = ours(*common, a.aug_views) if a.who == "ours" else fastai(*common, a.few)
    print(json.dumps({k: np.asarray(v).round(4).tolist() for k, v in out.items()}))


if __name__ == "__main__": main()
