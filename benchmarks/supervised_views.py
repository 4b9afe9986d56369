"""Four views of labelled defects, losses for rare pixels, and what a mask is worth: results/mtd/supervised_views.csv.

    python benchmarks/supervised_views.py --data path/to/mtd [--cache DIR] [--seeds 0 1 2] [--parts NAME ...]

Splits and features are those of benchmarks/supervision.py: half of the defects are labelled, the other half is tested
together with 60 good test images, at 128 x 128 pixels. The parts:

    masks    the head of benchmarks/supervision.py from `labelled` defects, by image labels and masks (the cross entropy
             of the image score plus that of the patches): image AUROC
    losses   the head from all labelled masks alone, at 128 x 128 pixels, by loss: Dice (threshold 0.5), pixel AP, AUPRO
    views    the head and a bank of the same features as segmentation, saliency and detection; the bank's threshold is
             the one of the highest Dice on the labelled half
    unet     a U-Net in the same views, trained from scratch on the same masks and grey images of 64 x 64 pixels by the
             sum of cross entropy and Dice loss; 500 steps, a short training
    unet_features  the same with the head's features as further channels, 250 steps
    guided   an autoencoder of patches and an attention that is trained to stay on good patches and off the masks of
             `labelled` defects (after CAVGA, Venkataramanan et al. 2020): image AUROC of the autoencoder of good images
             and of the guided one, whose error counts where the attention is; of both errors weighted by 1 - attention;
             and of 1 - attention alone

A part of a seed whose rows are in the table is skipped. Without --data the stored table is printed.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from supervision import Halves, Tiles, fit, halves, make_head, read_tiles, scores_of
from torch import Tensor, nn

from adlib.bank.coreset import greedy_coreset
from adlib.bank.neighbours import nearest
from adlib.data import load_dataset, read_image, read_mask
from adlib.evaluation import box_ap, boxes_of, dice, image_metrics, pixel_metrics, saliency
from adlib.features.cache import TensorCache
from adlib.files import atomic_write
from adlib.networks.unet import Hourglass
from adlib.progress import progress

TABLE = Path(__file__).parents[1] / "results/mtd/supervised_views.csv"
SIDE, GOOD_TESTED, SMALLEST = 128, 60, 8
STEPS, BATCH, LABELLED = 200, 8, (1, 5, 20, 0)
GREY, UNET_WIDTH, UNET_DEPTH = 64, 16, 4
NARROW = 16  # values in the middle of the autoencoder
KEYS = ["part", "seed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the magnetic tiles; without it the stored table is printed")
    parser.add_argument("--cache", help="folder for features; none by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    if options.data:
        cache = TensorCache(options.cache) if options.cache else None
        tiles = read_tiles(load_dataset(options.data), cache)
        masks = _masks(tiles)
        for seed in options.seeds:
            for name in options.parts:
                if not _is_stored(name, seed):
                    rows = PARTS[name](tiles, masks, halves(tiles, seed), seed)
                    _store([{"part": name, "seed": seed} | row for row in rows])
                    print(name, seed, flush=True)
    table = _stored()
    print(table.groupby(["part", "model", "labelled", "metric"])["value"].agg(["mean", "std"]).round(3).to_string())


def _masks(tiles: Tiles) -> np.ndarray:
    """(N, SIDE, SIDE) bool: pixels of which at least half is defective."""
    of = {tiles.dataset.relative(s): s.mask for s in tiles.dataset.samples}
    return np.stack([_mask(of[name]) for name in tiles.names])


def _mask(path: Path | None) -> np.ndarray:
    if path is None:
        return np.zeros((SIDE, SIDE), dtype=bool)
    whole = Image.fromarray(read_mask(path).astype(np.uint8) * 255)
    return np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.BOX)) >= 128


# --- losses for rare pixels -------------------------------------------------------------------------------------------


def focal(logits: Tensor, masks: Tensor, gamma: float = 2.0) -> Tensor:
    """Cross entropy, weighted by (1 - p of the truth) ** gamma."""
    loss = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return ((1 - torch.exp(-loss)) ** gamma * loss).mean()


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - Dice of probabilities and masks over the batch."""
    probable = torch.sigmoid(logits)
    return 1 - (2 * (probable * masks).sum() + 1) / (probable.sum() + masks.sum() + 1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross entropy": F.binary_cross_entropy_with_logits,
    "focal": focal,
    "Dice": dice_loss,
}


def _fit_masks(tiles: Tiles, masks: np.ndarray, part: Halves, defects: np.ndarray, loss: str, seed: int) -> nn.Module:
    """A head of patches, compared with masks at SIDE x SIDE pixels."""
    torch.manual_seed(seed)
    head, rng = make_head(tiles.features), np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=1e-2)
    for _ in range(STEPS):
        batch = np.concatenate([rng.choice(some, BATCH // 2) for some in (part.good, defects)])
        value = LOSSES[loss](_logits(head, tiles.features[batch]), torch.tensor(masks[batch]).float())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return head


def _logits(head: nn.Module, features: Tensor) -> Tensor:
    """(B, SIDE, SIDE) from (B, P, D)."""
    return _upsampled(head(features)[..., 0])


def _upsampled(grid: Tensor) -> Tensor:
    """(B, P) -> (B, SIDE, SIDE)."""
    side = round(grid.shape[1] ** 0.5)
    return F.interpolate(grid.reshape(-1, 1, side, side), size=(SIDE, SIDE), mode="bilinear")[:, 0]


@torch.no_grad()
def _probabilities(head: nn.Module, features: Tensor) -> np.ndarray:
    return torch.cat([torch.sigmoid(_logits(head, block)) for block in features.split(32)]).numpy()


def _tested(tiles: Tiles, part: Halves) -> np.ndarray:
    """Test images: all defective ones and the first good ones."""
    good = part.test[tiles.kinds[part.test] == "good"]
    return np.concatenate([good[:GOOD_TESTED], part.test[tiles.kinds[part.test] != "good"]])


def _row(model: str, labelled: int, metric: str, value: float) -> dict[str, object]:
    return {"model": model, "labelled": labelled, "metric": metric, "value": value}


# --- the parts --------------------------------------------------------------------------------------------------------


def _of_masks(tiles: Tiles, masks: np.ndarray, part: Halves, seed: int) -> Iterator[dict]:
    side = round(tiles.features.shape[1] ** 0.5)
    patches = F.adaptive_max_pool2d(torch.tensor(masks).float(), side).flatten(1)  # 1 where any pixel is defective
    for labelled in LABELLED:
        defects = part.pool[: labelled or None]
        head = fit(tiles.features, part.good, defects, "cross_entropy", seed, patches)
        auroc = image_metrics(tiles.kinds[part.test] != "good", scores_of(head, tiles.features[part.test]))
        yield _row("image labels and masks", len(defects), "image_auroc", auroc["image_auroc"])


def _of_losses(tiles: Tiles, masks: np.ndarray, part: Halves, seed: int) -> Iterator[dict]:
    tested = _tested(tiles, part)
    for loss in LOSSES:
        head = _fit_masks(tiles, masks, part, part.pool, loss, seed)
        maps = _probabilities(head, tiles.features[tested])
        metrics = pixel_metrics(maps, masks[tested])
        yield _row(loss, len(part.pool), "dice", dice(maps > 0.5, masks[tested]))
        for name in ("pixel_ap", "aupro"):
            yield _row(loss, len(part.pool), name, metrics[name])


def _of_views(tiles: Tiles, masks: np.ndarray, part: Halves, seed: int) -> Iterator[dict]:
    tested, count = _tested(tiles, part), len(part.pool)
    head = _fit_masks(tiles, masks, part, part.pool, "cross entropy", seed)
    patches = tiles.features[part.good].flatten(0, 1)
    bank = patches[greedy_coreset(patches, len(patches) // 200, seed)]
    asked = tiles.features[[*part.pool, *tested]]
    of_bank = _upsampled(torch.stack([nearest(one, bank, 1)[0][:, 0] for one in asked])).numpy()
    learned, seen = of_bank[:count], of_bank[count:]
    steps = np.quantile(learned, np.linspace(0.8, 0.999, 60))
    threshold = max(steps, key=lambda t: dice(learned > t, masks[part.pool]))
    scaled = np.clip((seen - learned.min()) / (learned.max() - learned.min()), 0, 1)
    yield from _judged("bank", 0, seen, scaled, seen > threshold, masks[tested])
    yield from _judged(
        "bank, thresholded", count, seen, (seen > threshold).astype(float), seen > threshold, masks[tested]
    )
    maps = _probabilities(head, tiles.features[tested])
    yield from _judged("head", count, maps, maps, maps > 0.5, masks[tested])


def _of_unet(
    tiles: Tiles, masks: np.ndarray, part: Halves, seed: int, steps: int = 500, with_features: bool = False
) -> Iterator[dict]:
    tested, images = _tested(tiles, part), _grey(tiles)

    def inputs(chosen: np.ndarray) -> Tensor:  # (B, 1 or 1 + D, GREY, GREY)
        if not with_features:
            return images[chosen]
        patches = tiles.features[chosen].mT  # (B, D, P)
        side = round(patches.shape[2] ** 0.5)
        grids = F.interpolate(patches.reshape(*patches.shape[:2], side, side), size=(GREY, GREY), mode="bilinear")
        return torch.cat([images[chosen], grids], dim=1)

    maps = _mapped(_fit_unet(inputs, masks, part, seed, steps), inputs, tested)
    model = "U-Net on features" if with_features else "U-Net"
    yield from _judged(model, len(part.pool), maps, maps, maps > 0.5, masks[tested])


def _grey(tiles: Tiles) -> Tensor:
    """(N, 1, GREY, GREY) grey images, each with mean 0 and standard deviation 1, as tiles differ in brightness."""
    root = tiles.dataset.root
    greys = [read_image(root / name).convert("L").resize((GREY, GREY), Image.Resampling.BOX) for name in tiles.names]
    images = torch.tensor(np.stack([np.asarray(grey) for grey in greys]))[:, None].float()
    spread, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
    return (images - mean) / spread


def _fit_unet(
    inputs: Callable[[np.ndarray], Tensor], masks: np.ndarray, part: Halves, seed: int, steps: int
) -> nn.Module:
    """A U-Net from scratch, on batches as those of `_fit_masks`, each flipped at random."""
    torch.manual_seed(seed)
    channels, rng = inputs(part.pool[:1]).shape[1], np.random.default_rng(seed)
    net = Hourglass(channels, 1, UNET_WIDTH, UNET_DEPTH, skips=UNET_DEPTH)
    optimiser = torch.optim.AdamW(net.parameters(), 5e-3, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    truth = F.adaptive_avg_pool2d(torch.tensor(masks)[:, None].float(), GREY).ge(0.5).float()  # (N, 1, GREY, GREY)
    for _ in progress(range(steps), label="U-Net", unit="step"):
        batch = np.concatenate([rng.choice(some, BATCH // 2) for some in (part.good, part.pool)])
        axes = [2 + axis for axis in range(2) if rng.random() < 0.5]
        logits, y = net(inputs(batch).flip(axes)), truth[batch].flip(axes)
        value = F.binary_cross_entropy_with_logits(logits, y) + dice_loss(logits, y)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        rate.step()
    return net.eval()


@torch.no_grad()
def _mapped(net: nn.Module, inputs: Callable[[np.ndarray], Tensor], tested: np.ndarray) -> np.ndarray:
    """(N, SIDE, SIDE) probabilities."""
    blocks = np.array_split(tested, -(-len(tested) // 32))
    grids = torch.cat([torch.sigmoid(net(inputs(block))) for block in blocks])
    return F.interpolate(grids, size=(SIDE, SIDE), mode="bilinear")[:, 0].numpy()


def _judged(
    model: str, labelled: int, maps: np.ndarray, unit: np.ndarray, called: np.ndarray, truth: np.ndarray
) -> Iterator[dict]:
    """Segmentation, saliency and detection. maps: scores. unit: in [0, 1]. called: bool. truth: masks."""
    boxes = [boxes_of(one, SMALLEST) for one in called]
    scores = [np.array([m[t:b, left:r].max() for t, left, b, r in found]) for m, found in zip(maps, boxes, strict=True)]
    values = {
        "dice": dice(called, truth),
        "aupro": pixel_metrics(maps, truth)["aupro"],
        **saliency(unit, truth),
        "ap50": box_ap(boxes, scores, [boxes_of(one) for one in truth]),
    }
    for metric, value in values.items():
        yield _row(model, labelled, metric, value)


def _of_guided(tiles: Tiles, masks: np.ndarray, part: Halves, seed: int) -> Iterator[dict]:
    side = round(tiles.features.shape[1] ** 0.5)
    patches = F.adaptive_max_pool2d(torch.tensor(masks).float(), side).flatten(1)  # 1 where any pixel is defective
    asked, truth = tiles.features[part.test], tiles.kinds[part.test] != "good"
    plain = _fit_guided(tiles.features, patches, part.good, part.pool[:0], seed)[0]
    for labelled in LABELLED:
        defects = part.pool[: labelled or None]
        guided, attention = _fit_guided(tiles.features, patches, part.good, defects, seed)
        with torch.no_grad():
            away = 1 - torch.sigmoid(attention(asked)[..., 0])
            of_plain, of_guided = _errors(plain, asked), _errors(guided, asked)
        for model, grid in {
            "autoencoder": of_plain,
            "autoencoder, guided": of_guided,
            "guided, away from attention": of_guided * away,
            "autoencoder, away from attention": of_plain * away,
            "attention alone": away,
        }.items():
            scores = grid.topk(grid.shape[1] // 10, dim=1).values.mean(dim=1).numpy()
            yield _row(model, len(defects), "image_auroc", image_metrics(truth, scores)["image_auroc"])


def _fit_guided(
    features: Tensor, patches: Tensor, good: np.ndarray, defects: np.ndarray, seed: int
) -> tuple[nn.Module, nn.Module]:
    """An autoencoder of patches and its attention; without defects, the attention is 1 everywhere and not trained.

    The error counts where the attention is; a second loss asks for attention on good patches and none on masks.
    """
    torch.manual_seed(seed)
    width, rng = features.shape[2], np.random.default_rng(seed)
    net = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, NARROW), nn.Linear(NARROW, 64), nn.ReLU())
    net.append(nn.Linear(64, width))
    attention = make_head(features)
    optimiser = torch.optim.AdamW([*net.parameters(), *attention.parameters()], 3e-3, weight_decay=1e-2)
    for _ in range(STEPS):
        batch = rng.choice(good, BATCH)
        if len(defects):
            batch[BATCH // 2 :] = rng.choice(defects, BATCH // 2)
        x, marked = features[batch], patches[batch] > 0  # (B, P, D), (B, P)
        if len(defects):
            on = torch.sigmoid(attention(x)[..., 0])  # (B, P)
            guide = (1 - on)[~marked].mean() + on[marked].mean()
            value = (on * _errors(net, x)).sum() / on.sum() + guide
        else:
            value = _errors(net, x).mean()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return net, attention


def _errors(net: nn.Module, x: Tensor) -> Tensor:
    """(B, P) mean squared error of patches (B, P, D)."""
    return ((net(x) - x) ** 2).mean(dim=2)


PARTS = {
    "masks": _of_masks,
    "losses": _of_losses,
    "views": _of_views,
    "unet": _of_unet,
    "unet_features": partial(_of_unet, steps=250, with_features=True),
    "guided": _of_guided,
}


def _stored() -> pd.DataFrame:
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=KEYS)


def _is_stored(part: str, seed: int) -> bool:
    return bool(_stored()[KEYS].eq([part, seed]).all(axis=1).any())


def _store(rows: list[dict]) -> None:
    stored = [_stored()] if TABLE.exists() else []
    table = pd.concat([*stored, pd.DataFrame(rows)]).sort_values(KEYS, kind="stable")
    with atomic_write(TABLE) as file:
        table.to_csv(file, index=False, float_format="%.5f", lineterminator="\n")


if __name__ == "__main__":
    main()
