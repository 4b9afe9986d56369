"""A saved detector as one ONNX file that was compared with the detector before it was written (docs/deploy.md)."""

from adlib.export.model import OnnxModel, load_model
from adlib.export.proof import Proof
from adlib.export.write import export_onnx

__all__ = [
    "OnnxModel",
    "Proof",
    "export_onnx",
    "load_model",
]
