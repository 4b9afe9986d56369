"""From a saved detector to an ONNX file and its JSON, by way of the comparison that may refuse it."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.export.describe import KEY, description
from adlib.export.graph import OPSET, to_onnx
from adlib.export.model import OnnxModel, OpenVinoModel, onnx_runtime
from adlib.export.proof import COMPUTED, RESIZED, Proof, prove
from adlib.export.resize import with_resize
from adlib.files import atomic_write, sha256_of, write_json


def export_onnx(
    model: str | Path,
    out: str | Path | None = None,
    images: Sequence[str | Path] = (),
    weights: str | None = None,
    resizes: bool = False,
) -> tuple[Path, Proof]:
    """Write a saved detector as an ONNX file, with a JSON file beside it, if the file says what the detector says.

    model: file that `Detector.save` wrote.
    out: the file to write, its name ending in .onnx; None for the model's name with that ending.
    images: files to compare on, good and defective, that the detector did not learn from; synthetic ones are added.
    weights: file of the backbone's weights, None to search for it.
    resizes: whether the graph takes the decoded image of any size and does the preprocessing, too.

    Returns the file's path and what the comparison found.
    Raises InputError where a package is missing, where the detector cannot be exported, and where the export differs
    from it, see `prove`; nothing is then written.
    """
    path = Path(out) if out else Path(model).with_suffix(".onnx")
    if path.suffix != ".onnx":
        raise InputError(f"The name of an ONNX file ends in .onnx, and {path.name} does not; give another --out.")
    for package in (onnx_runtime, onnx_package):  # before the work
        package()
    detector = load_detector(str(model), weights, "cpu")
    about = description(detector, sha256_of(model), resizes)
    graph = onnx_package().load_from_string(to_onnx(detector))
    if resizes:
        graph = with_resize(graph, detector.spec().preprocess, OPSET)
    content = with_metadata(graph, about)
    by_openvino = OpenVinoModel(content, path.name) if find_spec("openvino") else None
    accepted = RESIZED if resizes else COMPUTED
    proof = prove(detector, OnnxModel(content, path.name), images, accepted, by_openvino)
    about["proof"] = proof.plain()
    with atomic_write(path, "wb") as file:
        file.write(with_metadata(graph, about))
    write_json(path.with_suffix(".json"), about)
    return path, proof


def with_metadata(graph: Any, about: dict) -> bytes:
    """The content of a file: an ONNX model with a description in its metadata, which replaces the one before."""
    del graph.metadata_props[:]
    graph.metadata_props.add(key=KEY, value=json.dumps(about, allow_nan=False))
    return graph.SerializeToString()


def onnx_package() -> Any:
    """The module onnx, or InputError where it is not installed."""
    try:
        import onnx  # an extra: nothing but exports needs it
    except ImportError as error:
        raise InputError("Exports need the package onnx; run pip install 'adlib[onnx]'.") from error
    return onnx
