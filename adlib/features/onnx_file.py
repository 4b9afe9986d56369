"""The tensors of an ONNX file under the names that they had in the network it was exported from."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from adlib.errors import InputError

Node = tuple[str, str, tuple[str, ...]]  # operator, name, names of the inputs


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The tensors of an ONNX file that PyTorch exported.

    path: the file.
    Returns {name: tensor}, see `original_names`.
    Raises InputError where the package onnx is missing, and onnx's own errors for a damaged file.
    """
    try:
        import onnx  # an extra: only one backbone needs it
    except ImportError as error:
        raise InputError(f"Reading {path} needs the package onnx; run pip install 'adlib[dinov2]'.") from error
    graph = onnx.load(path).graph
    tensors = {item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer}
    return original_names(tensors, [(node.op_type, node.name, tuple(node.input)) for node in graph.node])


def original_names(tensors: dict[str, Tensor], nodes: Iterable[Node]) -> dict[str, Tensor]:
    """Undo the export's folding of constants, which transposes linear weights and takes their names away.

    tensors: by their names in the file. A folded one is called "onnx::<operator>_<number>".
    nodes: of the graph. A node is named by its place in the network, such as /block.0/mlp/fc1/MatMul.
    Returns the tensors, a linear weight as block.0.mlp.fc1.weight (out, in). A position embedding that the export
    split, (1, 1, D) of the class token and (1, n, D) of the patches, is joined as <module>.position_embeddings.
    """
    named = {name: value for name, value in tensors.items() if not name.startswith("onnx::")}
    positions: dict[str, list[Tensor]] = {}
    for operator, node, inputs in nodes:
        module = node.strip("/").rpartition("/")[0].replace("/", ".")
        for name in (name for name in inputs if name in tensors and name not in named):
            if operator == "MatMul":
                named[f"{module}.weight"] = tensors[name].T.contiguous()
            else:
                positions.setdefault(f"{module}.position_embeddings", []).append(tensors[name])
    for name, parts in positions.items():
        named[name] = torch.cat(sorted(parts, key=lambda part: part.shape[1]), dim=1)
    return named
