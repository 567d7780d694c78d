"""One recipe trained by this library or by plain fastai, in a process of its own; prints a line of JSON."""
import argparse, json, os, tempfile, time

import numpy as np


def ours(folder, recipe, weights, device, aug_views, epochs=None):
    "All phases of `recipe` with an empty cache, decoding and frozen features included."
    from brainmri.train.features import FeatureCache
    from brainmri.train.loop import Training
    from brainmri.models.recipes import ann_learner, get_recipe, vgg_learner
    from brainmri.data.index import index_images
    from brainmri.data.loaders import mri_dls
    from brainmri.core import pick_device
    from brainmri.data.split import split_images
                              vgg_network, vgg_weights)
    device = pick_device(device)
    df = split_images(index_images(folder, progress=False), how="random")
    r = get_recipe(recipe)
    state = vgg_weights(weights, "vgg16_bn")[0] if r.net == "vgg" else None
    start = time.perf_counter()
    dls = mri_dls(df, r.img_size, r.bs, augment=r.augment, normalize=r.net == "vgg", device=device)
    learn = vgg_learner(dls, r, "vgg16_bn", state) if r.net == "vgg" else ann_learner(dls, r.head, r.img_size)
    keep, features = ("block5", "head") if len(r.phases) > 1 else ("head",), None
    if r.net == "vgg": features = FeatureCache(df, vgg_network("vgg16_bn", state, top=False), img_size=r.img_size, keep=keep, device=device, progress=False)
    t = Training(learn, df, r, features=features, aug_views=0 if device != "cpu" else aug_views, device=device, progress=False)
    t.fit()
    n = int((df.split != "test").sum())
    return dict(seconds=time.perf_counter() - start, images=n, epochs=r.epochs, valid_macro_f1=float(t.best.best))


def fastai(folder, recipe, weights, device, few):
    "An epoch of each phase by `vision_learner` and fastai's default loaders on a share `1/few` of the images; as `fine_tune` does, the second phase trains the whole network."
    import torch
    from fastai.vision.all import ImageDataLoaders, Learner, Resize, aug_transforms, vision_learner, CrossEntropyLossFlat, F1Score
    from torchvision.models import vgg16_bn
    from brainmri.models.recipes import get_recipe, vgg_weights
    from brainmri.models.heads import ann_baseline, ann_optimized
    from brainmri.data.index import index_images
    from brainmri.data.split import split_images
    df = split_images(index_images(folder, progress=False), how="random")
    df = df[df.split != "test"].assign(valid=lambda d: d.split == "valid").groupby(["label", "valid"]).nth[::few]
    r = get_recipe(recipe)
    def body(pretrained):
        net = vgg16_bn()
        net.load_state_dict(vgg_weights(weights, "vgg16_bn")[0] or {}, strict=False)
        return net
    dls = ImageDataLoaders.from_df(df, path="/", fn_col="filepath", label_col="label", valid_col="valid", bs=r.bs,
                                   item_tfms=Resize(r.img_size, method="squish"), batch_tfms=aug_transforms() if r.augment else None,
                                   device=torch.device(device) if device else None)
    nets = dict(baseline=ann_baseline, optimized=ann_optimized)
    if r.net == "ann": learn = Learner(dls, nets[r.head](), loss_func=CrossEntropyLossFlat(), metrics=F1Score(average="macro"))
    else: learn = vision_learner(dls, body, pretrained=False, cut=-2, n_out=4, metrics=F1Score(average="macro"))
    total, per_epoch = 0., []
    with learn.no_bar(), learn.no_logging():
        for i, p in enumerate(r.phases):
            if r.net == "vgg": learn.freeze() if i == 0 else learn.unfreeze()
            start = time.perf_counter()
            learn.fit_one_cycle(1, 1e-3)
            per_epoch.append(time.perf_counter() - start)
            total += per_epoch[-1]*p.epochs
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
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        os.environ["BRAINMRI_CACHE"] = cache
        out = ours(a.folder, a.recipe, a.weights, a.device, a.aug_views) if a.who == "ours" else fastai(a.folder, a.recipe, a.weights, a.device, a.few)
    print(json.dumps({k: np.asarray(v).round(4).tolist() for k, v in out.items()}))


if __name__ == "__main__": main()
