"""A saved detector on new images: scores, maps and overlays in a folder."""

from adlib.inspection.chat import mark, read_answers, write_questions
from adlib.inspection.overlays import colour_scale, paint
from adlib.inspection.predict import image_files, predict_files

__all__ = [
    "colour_scale",
    "image_files",
    "mark",
    "paint",
    "predict_files",
    "read_answers",
    "write_questions",
]
