"""WinCLIP stated plainly, one window, sentence and patch at a time, on open_clip's own network.

    python tests/helpers/plain_winclip.py          # needs the extra `clip`

writes vectors of small images, which open_clip computes, and the scores and maps that follow from them to
`tests/detectors/winclip_open_clip.json`: tests without open_clip read them there. A window is computed by masking: all
tokens are in the transformer, and attention to those outside the window is forbidden. Nothing of the library is used.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from helpers.tiny_clip import SHAPES, tiny_network

STORED = Path(__file__).parents[1] / "detectors/winclip_open_clip.json"
SIDES = {"windows2": 2, "windows3": 3}
SIZE, PATCH = SHAPES["vision_cfg"]["image_size"], SHAPES["vision_cfg"]["patch_size"]
GRID = SIZE // PATCH
OBJECT = "metal nut"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
NORMAL = ["[o]", "flawless [o]", "perfect [o]", "unblemished [o]"]
NORMAL += [f"[o] without {word}" for word in ("flaw", "defect", "damage")]
DAMAGED = ["damaged [o]", "[o] with flaw", "[o] with defect", "[o] with damage"]
KINDS = ("cropped", "close-up", "bright", "dark", "jpeg corrupted", "blurry")


def sentences(states: list[str], thing: str) -> list[str]:
    """All states in all templates of the paper's list."""
    found = []
    for state in states:
        words = state.replace("[o]", thing)
        for article in ("a", "the"):
            found += [f"a {kind} photo of {article} {words}." for kind in KINDS]
            found += [f"a photo of {article} {words}{tail}." for tail in ("", " for visual inspection")]
            found += [f"a photo of {article} {size} {words}." for size in ("small", "large")]
            found += [f"a photo of {article} {words} for anomaly detection."]
    return found


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(float((vector**2).sum()))


def text_vectors(network, tokenizer, thing: str) -> np.ndarray:
    """(2, D): mean vectors of the sentences on normal and on damaged objects, of length 1."""
    means = []
    for states in (NORMAL, DAMAGED):
        vectors = [network.encode_text(tokenizer([one]))[0].double().numpy() for one in sentences(states, thing)]
        means.append(unit(np.mean([unit(vector) for vector in vectors], axis=0)))
    return np.array(means)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """(3, h, w) RGB in [0, 1] -> what the network takes."""
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def image_vectors(network, pixels: torch.Tensor) -> dict[str, np.ndarray]:
    """Layer -> (rows, columns, D) of one image (3, h, w) in [0, 1]."""
    visual = network.visual
    given = normalised(pixels)[None]
    found = {"image": network.encode_image(given).numpy()[None]}
    for layer, side in SIDES.items():
        count = GRID - side + 1
        rows = [[masked_window(visual, given, y, x, side) for x in range(count)] for y in range(count)]
        found[layer] = np.array(rows)
    tokens = visual.ln_post(visual.transformer(visual._embeds(given)))[0, 1:]
    found["patches"] = tokens.reshape(GRID, GRID, -1).numpy()
    return found


def masked_window(visual, given: torch.Tensor, top: int, left: int, side: int) -> np.ndarray:
    """(D,) vector of one window: attention to patches outside it is forbidden."""
    inside = [0]  # the class token
    for y in range(top, top + side):
        for x in range(left, left + side):
            inside.append(1 + y * GRID + x)
    forbidden = torch.full((1 + GRID * GRID,) * 2, -torch.inf)
    forbidden[:, inside] = 0
    out = visual.transformer(visual._embeds(given), attn_mask=forbidden)
    return (visual.ln_post(out[:, 0]) @ visual.proj)[0].numpy()


def damaged(vector: np.ndarray, text: np.ndarray, temperature: float) -> float:
    """Softmax over the two cosines; the second."""
    normal, bad = (math.exp(float(unit(vector) @ one) / temperature) for one in text)
    return bad / (normal + bad)


def spread(values: list[list[float]], side: int) -> np.ndarray:
    """(GRID, GRID): at each patch the harmonic mean of the values of all windows over it."""
    out = np.zeros((GRID, GRID))
    for y in range(GRID):
        for x in range(GRID):
            over = [
                values[top][left]
                for top in range(len(values))
                for left in range(len(values[0]))
                if top <= y < top + side and left <= x < left + side
            ]
            out[y, x] = len(over) / sum(1 / value for value in over)
    return out


def zero_shot(vectors: dict[str, np.ndarray], text: np.ndarray, temperature: float) -> tuple[float, np.ndarray]:
    """Image score and map of WinCLIP."""
    score = damaged(vectors["image"][0, 0], text, temperature)
    maps = [np.full((GRID, GRID), score)]
    for layer, side in SIDES.items():
        values = [[damaged(vector, text, temperature) for vector in row] for row in vectors[layer]]
        maps.append(spread(values, side))
    return score, len(maps) / sum(1 / one for one in maps)


def few_shot(
    vectors: dict[str, np.ndarray], references: list[dict[str, np.ndarray]], text: np.ndarray, temperature: float
) -> tuple[float, np.ndarray]:
    """Image score and map of WinCLIP+."""
    maps = []
    for layer, side in {**SIDES, "patches": 1}.items():
        bank = [unit(vector) for one in references for row in one[layer] for vector in row]
        values = [[min((1 - float(unit(v) @ c)) / 2 for c in bank) for v in row] for row in vectors[layer]]
        maps.append(spread(values, side))
    distances = np.mean(maps, axis=0)
    score, grid = zero_shot(vectors, text, temperature)
    return (score + distances.max()) / 2, (grid + distances) / 2


def pictures() -> list[torch.Tensor]:
    """(3, SIZE, SIZE) in [0, 1]: two of one texture, and one with a bright square."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    found = []
    for shift, square in ((0.0, False), (0.13, False), (0.05, True)):
        waves = [0.5 + 0.3 * np.sin(9 * rows + 5 * c * columns + shift) for c in range(1, 4)]
        image = np.stack(waves)
        if square:
            image[:, 34:44, 18:28] = 1.0
        found.append(torch.from_numpy(image).float())
    return found


def rounded(values) -> list | float:
    return [rounded(one) for one in values] if np.ndim(values) else float(f"{float(values):.6g}")


def cases() -> dict:
    """What is stored: vectors by open_clip, and the scores that follow from the rounded vectors."""
    import open_clip

    with torch.no_grad():
        network = tiny_network()
        text = rounded(text_vectors(network, open_clip.SimpleTokenizer(), OBJECT))
        vectors = [{k: rounded(v) for k, v in image_vectors(network, one).items()} for one in pictures()]
    *references, image = [{k: np.array(v) for k, v in one.items()} for one in vectors]
    found = {"object": OBJECT, "temperature": 0.05, "text": text, "vectors": vectors}
    score, grid = zero_shot(image, np.array(text), 0.05)
    found["zero_shot"] = {"score": rounded(score), "map": rounded(grid)}
    score, grid = few_shot(image, references, np.array(text), 0.05)
    return found | {"few_shot": {"score": rounded(score), "map": rounded(grid)}}


def main() -> None:
    STORED.write_text(json.dumps(cases(), separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
