"""`adlib chat`: questions for a multimodal chat model, and a mark for its answers."""

import argparse

from adlib.cli.arguments import data_arguments, reading
from adlib.cli.parser import place


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its two parts."""
    parser = commands.add_parser("chat", help="write questions for a chat model (ask), and score its answers (mark)")
    parts = parser.add_subparsers(metavar="PART", required=True)
    ask = parts.add_parser("ask", help="write images, a prompt and an empty table of answers into a folder")
    data_arguments(ask)
    ask.add_argument("--category", help="the category; required if there are several")
    ask.add_argument("--out", type=place, required=True, help="new folder; the labels go next to it, not into it")
    ask.add_argument("--product", help="what the images show, in words (default: the category)")
    ask.add_argument("--each", type=int, help="at most this many good and this many defective test images")
    ask.add_argument("--shots", type=int, default=0, help="flawless images that are shown first")
    ask.add_argument("--seed", type=int, default=0, help="of the order and the choice of images")
    ask.set_defaults(command=_ask)
    answered = parts.add_parser("mark", help="score a table of answers")
    answered.add_argument("folder", type=place, help="folder that `adlib chat ask` wrote")
    answered.add_argument("--answers", type=place, help="the table (default: answers.csv in the folder)")
    answered.set_defaults(command=_mark)


def _ask(options: argparse.Namespace) -> None:
    from adlib.data import load_dataset
    from adlib.inspection.chat import ANSWERS, PROMPT, key_of, write_questions

    dataset = load_dataset(options.data, options.category, options.layout, **reading(options))
    product = options.product or dataset.categories[0]
    count = write_questions(dataset, options.out, product, options.each, options.shots, options.seed)
    print(f"{count} images, {PROMPT} and {ANSWERS}: {options.out}")
    print(f"Labels, not for the model: {key_of(options.out)}")
    print(f"When {ANSWERS} is filled in: adlib chat mark {options.out}")


def _mark(options: argparse.Namespace) -> None:
    from adlib.inspection.chat import mark

    for name, value in mark(options.folder, options.answers).items():
        print(f"{name}: {'not available' if value is None else format(value, '.4g')}")
