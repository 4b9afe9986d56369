"""What bounds could save AnomalyDINO: products that `GroupedBank` needs, and those that blocks of a bank exclude.

    python benchmarks/grouped.py [--bottle FOLDER] [--images 8] [--rounds 3]

FOLDER: the folder of MVTec AD. Tokens are EfficientNet-Lite0's, of length 1, of ELPV's `mono` cells and of `bottle`:
the default layer at 448 pixels, and the three layers of `sharing.py` at 256. For each number of shots the table has

- `group`: mean fraction of a reference's rows left to a query by blocks of that reference (see `adlib.bank.index`), if
  the distance to the nearest row of the reference were known beforehand: the least that any search in these blocks
  computes. A shared column needs the minimum of every reference, so no reference excludes rows of another one;
- `bank`: the same in blocks of the whole bank, where only the minimum over all references is asked for;
- axes: the price of the bounds of both, as a fraction of all products;
- CPU seconds of one thread for all images: `GroupedBank`, and `BankIndex` on the whole bank, the fastest of the rounds.
"""

import argparse
import time

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from adlib.bank import BankIndex, GroupedBank
from adlib.bank.index import Blocks, _axes
from adlib.data import load_dataset
from adlib.features.backbones import load_backbone
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess, patch_vectors

SETTINGS = {"default, 448": (("blocks4",), 448), "three layers, 256": (("blocks3", "blocks4", "blocks5"), 256)}
SHOTS = (4, 16, 64, 256)
GROUPS = 8  # references whose blocks are measured


def tokens(paths: list, layers: tuple[str, ...], side: int, label: str) -> Tensor:
    """(images, patches, D) patch vectors of length 1."""
    spec = FeatureSpec(layers, Preprocess(side))
    features = extract(load_backbone("efficientnet_lite0"), paths, spec, show_progress=True, label=label)
    return torch.stack([F.normalize(patch_vectors(image.maps, 1)[0], dim=1) for image in features])


def left(bank: Tensor, queries: Tensor) -> tuple[float, float]:
    """Price of the bounds, and the fraction of a bank's rows that its blocks leave to the queries."""
    offset, axes = _axes(bank)
    return (axes.shape[1] + 1) / bank.shape[1], Blocks(bank, offset, axes).visited(queries, bank, 1)


def cpu_seconds(ways: dict, rounds: int) -> dict[str, float]:
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            seconds[name] = min(seconds[name], time.process_time() - begin)
    return seconds


def row(references: Tensor, images: Tensor, rounds: int) -> dict[str, float]:
    bank, (count, patches, dims) = references.flatten(0, 1), references.shape
    queries = images.flatten(0, 1)
    groups = pd.DataFrame([left(one, queries) for one in references[:: -(-count // GROUPS)]])
    axes, visited = left(bank, queries)
    grouped, index = GroupedBank(bank, range(0, len(bank) + 1, patches)), BankIndex(bank)
    seconds = cpu_seconds(
        {
            "GroupedBank": lambda: [grouped.nearest(image) for image in images],
            "BankIndex": lambda: [index.nearest(image) for image in images],
        },
        rounds,
    )
    prices = {"group: axes": groups[0].mean(), "group: left": groups[1].mean()}
    prices |= {"bank: axes": axes, "bank: left": visited}
    return {"references": count, "rows": len(bank), "D": dims} | prices | seconds | {"blocks": index.blocks is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bottle", help="folder of MVTec AD with its category bottle")
    parser.add_argument("--images", type=int, default=8, help="number of test images")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the fastest of")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for folder, category in [("elpv", "mono"), (options.bottle, "bottle")]:
        if folder is None:
            continue
        dataset = load_dataset(folder, category)
        test = [s.path for s in dataset.test]
        for name, (layers, side) in SETTINGS.items():
            count = min(SHOTS[-1], len(dataset.few_shot(None)))
            good = [s.path for s in dataset.few_shot(count, 0, "random")]
            references = tokens(good, layers, side, category)
            images = tokens(test[:: len(test) // options.images][: options.images], layers, side, category)
            for shots in sorted({min(shots, len(good)) for shots in SHOTS}):
                rows.append({"set": category, "tokens": name} | row(references[:shots], images, options.rounds))
    print(pd.DataFrame(rows).round(3).to_markdown(index=False))


if __name__ == "__main__":
    main()
