"""From a saved detector to an ONNX file and its JSON, by way of the comparison that may refuse it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adlib.detectors.registry import load_detector
from adlib.errors import InputError
from adlib.export.describe import KEY, description
from adlib.export.graph import to_onnx
from adlib.export.model import OnnxModel, onnx_runtime
from adlib.export.proof import Proof, prove
from adlib.files import atomic_write, sha256_of, write_json


def export_onnx(
    model: str | Path, out: str | Path | None = None, images: Sequence[str | Path] = (), weights: str | None = None
) -> tuple[Path, Proof]:
    """Write a saved detector as an ONNX file, with a JSON file beside it, if the file says what the detector says.

    model: file that `Detector.save` wrote.
    out: the file to write, its name ending in .onnx; None for the model's name with that ending.
    images: files to compare on, good and defective, that the detector did not learn from; synthetic ones are added.
    weights: file of the backbone's weights, None to search for it.

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
    about = description(detector, sha256_of(model))
    graph = to_onnx(detector)
    proof = prove(detector, OnnxModel(with_metadata(graph, about), path.name), images)
    about["proof"] = proof.plain()
    with atomic_write(path, "wb") as file:
        file.write(with_metadata(graph, about))
    write_json(path.with_suffix(".json"), about)
    return path, proof


def with_metadata(graph: bytes, about: dict) -> bytes:
    """An ONNX file's content with a description in its metadata."""
    model = onnx_package().load_from_string(graph)
    model.metadata_props.add(key=KEY, value=json.dumps(about, allow_nan=False))
    return model.SerializeToString()


def onnx_package() -> Any:
    """The module onnx, or InputError where it is not installed."""
    try:
        import onnx  # an extra: nothing but exports needs it
    except ImportError as error:
        raise InputError("Exports need the package onnx; run pip install 'adlib[onnx]'.") from error
    return onnx
