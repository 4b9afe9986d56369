"""`adlib export`: a saved detector as a file for use without Python or torch."""

import argparse

from adlib.cli.parser import Names, choice, expanded, place

FORMATS = Names("adlib.cli.export:_FORMATS")
_FORMATS = ("onnx",)


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = commands.add_parser("export", help="write a saved detector as ONNX, compared with the original")
    parser.add_argument("model", type=place, help="file that `adlib run --save` wrote")
    choice(parser, "--to", FORMATS, "format of the file", default="onnx")
    parser.add_argument("--out", type=place, metavar="FILE", help="file to write (default: the model's name, .onnx)")
    parser.add_argument(
        "--images",
        type=expanded,
        nargs="+",
        default=[],
        help="files or folders to compare on, good and defective, that the detector did not learn from",
    )
    parser.add_argument(
        "--with-resize",
        action="store_true",
        help="put resizing, cropping and scaling into the file: its input is the decoded RGB image of any size",
    )
    parser.add_argument(
        "--weights", type=expanded, help="file of the backbone's weights (default: searched for, then downloaded)"
    )
    parser.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> None:
    from adlib.export import export_onnx
    from adlib.inspection import image_files

    images = image_files(options.images) if options.images else []
    path, proof = export_onnx(options.model, options.out, images, options.weights, options.with_resize)
    print("\n".join((*proof.lines(), f"Written: {path}, and {path.with_suffix('.json').name} on how to read it.")))
