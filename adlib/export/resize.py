"""Preprocessing as a graph: from the decoded image, of any size, to the network's input.

The graph does what `Preprocess` does with Pillow. ONNX's antialiased resizing of 8-bit values follows Pillow's
arithmetic, up to the last bit of a few pixels; "exclude_outside" leaves weights beyond the border out, as Pillow does.
"""

from typing import Any

from adlib.features.patches import Preprocess

PICTURE = "picture"  # name of the graph's input
# Pillow's filters in ONNX's words.
_FILTERS = {"bilinear": 'mode = "linear"', "bicubic": 'mode = "cubic", cubic_coeff_a = -0.5'}


def with_resize(scoring: Any, preprocess: Preprocess, opset: int) -> Any:
    """A graph that takes the image itself: uint8 (height, width, 3), RGB.

    scoring: ONNX model whose input "image" is the preprocessed image.
    preprocess: how an image becomes that input.
    opset: of both graphs, at least 18.
    Returns the joined ONNX model.
    """
    from onnx import compose, parser

    front = parser.parse_model(_text(preprocess, opset, scoring.ir_version))
    joined = compose.merge_models(front, scoring, io_map=[("pixels", "image")], prefix1="resize_")
    _rename_input(joined.graph, f"resize_{PICTURE}", PICTURE)
    return joined


def _text(how: Preprocess, opset: int, ir_version: int) -> str:
    """The graph in ONNX's own text format; all sizes are (height, width)."""
    # As in `Preprocess.frame`: the quotient of whole numbers, at least 1, and half an odd gap rounded to even.
    if how.resize is None:
        resized = "resized = Identity (size)"
    elif how.aspect == "square":
        resized = f"resized = Constant <value = int64[2] {{{how.resize}, {how.resize}}}> ()"
    else:
        resized = f"""shorter = ReduceMin <keepdims = 1> (size)
        side = Constant <value = int64 {{{how.resize}}}> ()
        larger = Mul (size, side)
        quotient = Div (larger, shorter)
        one = Constant <value = int64 {{1}}> ()
        resized = Max (quotient, one)"""
    crop = f"crop = Constant <value = int64 {{{how.crop or 2**31}}}> ()"
    return f"""<ir_version: {ir_version}, opset_import: ["" : {opset}]>
    preprocess (uint8[height, width, 3] {PICTURE}) => (float[1, 3, rows, columns] pixels) {{
        size = Shape <end = 2> ({PICTURE})
        {resized}
        front = Constant <value = int64[2] {{1, 3}}> ()
        sizes = Concat <axis = 0> (front, resized)
        channels = Transpose <perm = [2, 0, 1]> ({PICTURE})
        axis = Constant <value = int64[1] {{0}}> ()
        batch = Unsqueeze (channels, axis)
        whole = Resize <{_FILTERS[how.interpolation]}, antialias = 1, exclude_outside = 1> (batch, , , sizes)
        {crop}
        cut = Min (resized, crop)
        gap = Sub (resized, cut)
        gaps = Cast <to = 1> (gap)
        two = Constant <value = float {{2.0}}> ()
        halves = Div (gaps, two)
        rounded = Round (halves)
        start = Cast <to = 7> (rounded)
        multiple = Constant <value = int64 {{{how.multiple}}}> ()
        count = Div (cut, multiple)
        seen = Mul (count, multiple)
        end = Add (start, seen)
        axes = Constant <value = int64[2] {{2, 3}}> ()
        kept = Slice (whole, start, end, axes)
        values = Cast <to = 1> (kept)
        white = Constant <value = float {{255.0}}> ()
        pixels = Div (values, white)
    }}"""


def _rename_input(graph: Any, old: str, new: str) -> None:
    """Give the graph's one input another name."""
    graph.input[0].name = new
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
