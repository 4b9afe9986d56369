"""Milliseconds an image and memory: a detector in torch, and its export in ONNX Runtime and OpenVINO.

    python benchmarks/export.py [--rounds 3] [--good 50] [--judged 40]

Cells of ELPV, from the image files to score and patch map. Each program runs in its own process, in turns, and the
median over the rounds is printed. "torch, a folder" is one call of `predict`, which works on one image per core; all
others take one image at a time. ONNX Runtime and OpenVINO run the file of `adlib export --with-resize` in a process
without torch; OpenVINO is left out where it is not installed. Memory: largest resident size of the process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

CASES = {
    "patchcore, 1%": ("patchcore", {"coreset": 0.01}),
    "patchcore, 10%": ("patchcore", {"coreset": 0.1}),
    "anomalydino, no masks": ("anomalydino", {"mask": "never", "rotate": False, "resize": 256}),
}
PROGRAMS = ("torch, a folder", "torch", "onnxruntime", "openvino")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--good", type=int, default=50, help="good cells to learn from")
    parser.add_argument("--judged", type=int, default=40, help="cells to score")
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--here", nargs="+", help=argparse.SUPPRESS)  # a program, a model and images
    options = parser.parse_args()
    if options.here:
        program, model, *images = options.here
        print(json.dumps(_measure(program, model, images)))
        return
    programs = [name for name in PROGRAMS if find_spec(name.split(",")[0])]
    print(f"| case | {' | '.join(f'{name}: ms, MB' for name in programs)} |\n|{'---|' * (len(programs) + 1)}")
    for case in options.case:
        print(f"| {case} | {' | '.join(_compare(case, programs, options))} |", flush=True)


def _compare(case: str, programs: list[str], options: argparse.Namespace) -> list[str]:
    """One cell of the table for each program: milliseconds an image, with the ratio to torch, and megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: a child's largest size would begin at that of this process.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            model, images = pool.submit(_export, case, Path(folder), options.good, options.judged).result()
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name in programs:
                command = [sys.executable, __file__, "--here", name, str(model), *images]
                run = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
                found[name].append(json.loads(run.stdout.splitlines()[-1]))
    middle = {
        name: [sorted(values)[len(values) // 2] for values in zip(*runs, strict=True)] for name, runs in found.items()
    }
    return [f"{ms:.0f} ({ms / middle['torch'][0]:.2f}), {mb:.0f}" for ms, mb in middle.values()]


def _export(case: str, folder: Path, good: int, judged: int) -> tuple[Path, list[str]]:
    """A fitted detector and its export, in the folder, and the images to score."""
    from adlib.data import load_dataset
    from adlib.detectors import make_detector
    from adlib.export import export_onnx

    cells = load_dataset("elpv", "mono")
    method, settings = CASES[case]
    model = folder / "model.safetensors"
    detector = make_detector(method, device="cpu", **settings)
    detector.fit([sample.path for sample in cells.few_shot(good, 0, "random")]).save(model)
    images = [str(sample.path) for sample in cells.test[:: len(cells.test) // judged]][:judged]
    export_onnx(model, images=images[:8], resizes=True)
    return model, images


def _measure(program: str, model: str, images: list[str]) -> tuple[float, float]:
    """Milliseconds an image after the first, and megabytes at most."""
    score = {"onnxruntime": _onnxruntime, "openvino": _openvino}.get(program, _torch)(model)
    score(images[:1])
    clock = time.perf_counter()
    for part in [images] if program.endswith("a folder") else [[image] for image in images]:
        score(part)
    spent = time.perf_counter() - clock
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1e3 * spent / len(images), largest * (1 if sys.platform == "darwin" else 1024) / 1e6


def _torch(model: str):
    from adlib.detectors import load_detector

    return load_detector(model, device="cpu").predict


def _onnxruntime(model: str):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    session = onnxruntime.InferenceSession(model.replace(".safetensors", ".onnx"), options)
    return lambda images: [session.run(None, {"picture": _pixels(image)}) for image in images]


def _openvino(model: str):
    import openvino

    core = openvino.Core()
    network = core.read_model(model.replace(".safetensors", ".onnx"))
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: [compiled({"picture": _pixels(image)}) for image in images]


def _pixels(path: str):
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


if __name__ == "__main__":
    main()
