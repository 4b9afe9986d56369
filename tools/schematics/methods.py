"""Schematics of the methods that learn from good images alone (chapters 02 to 08, 17), or from a few defects (18)."""

from adlib.plots.style import DEFECTIVE, FAINT, GOOD, INK
from tools.schematics.glyphs import (
    SIZE,
    bank,
    bell,
    blob_mask,
    crack_mask,
    ellipses,
    grid,
    heat,
    hourglass,
    minus,
    mirrored,
    moved,
    moved_crack,
    network,
    part,
    pasted,
    sphere,
    texture,
    unet,
)
from tools.schematics.layouts import COLUMNS, across, beside, steps, two_rows
from tools.schematics.marks import PALE, WIDTH, Mark, arrow, box, dot, frame, lines, path, words

PLAIN_ROW = ("image", "network,|frozen", "one vector|a patch")


def teacher_student() -> str:
    """STFPM: a student that imitates a teacher on good images only."""
    return beside(
        "teacher, frozen",
        "student, trained|on good images",
        "difference",
        "map: where|they disagree",
    )


def one_class() -> str:
    """Deep SVDD: a network that maps good images near a centre."""
    return two_rows(
        sphere,
        "centre",
        "pull all to|one point",
        "score: distance|from the centre",
        ("image", "network,|trained", "one vector|a patch"),
    )


def gaussian() -> str:
    """One Gaussian, or one at each position."""
    return two_rows(
        ellipses,
        "mean and|covariance",
        "one for all,|or one a place",
        "map: distance|in standard|deviations",
        PLAIN_ROW,
    )


def flow() -> str:
    """A normalizing flow on features."""
    return two_rows(
        bell,
        "flow to a|Gaussian",
        "raise the|likelihood",
        "map: how|unlikely",
        PLAIN_ROW,
    )


def memory_bank() -> str:
    """PatchCore: a coreset of good patches."""
    return two_rows(
        lambda x, y: bank(x, y, (0, 3, 5, 6, 9)),
        "memory bank",
        "kept:|filled",
        "map: distance|to the nearest;|score: highest",
        ("image", "network,|frozen", "one vector|per patch"),
    )


def reconstruction() -> str:
    """An autoencoder: an image through a bottleneck, minus the image."""
    image, net, back, middle, result = (*COLUMNS[:-1], COLUMNS[-1] + 34)
    centre, y = SIZE / 2, 80
    marks = [
        *part(image, y, defect=True),
        *network(net, y, "#CFE3F1"),
        *mirrored(network(back - 40, y, "#CFE3F1"), back - 40),
    ]
    marks += [across(image, net, y), arrow(net + SIZE, y + centre, back - 40, y + centre)]
    marks += [*part(middle - 24, y), arrow(back - 40 + SIZE + 4, y + centre, middle - 32, y + centre)]
    marks += [*heat(result, y)]
    marks += [dot(middle + 118, y + centre, 22, "#FFFFFF", INK), minus(middle + 118, y + centre)]
    marks += [
        arrow(middle - 24 + SIZE + 4, y + centre, middle + 89, y + centre),
        arrow(middle + 145, y + centre, result - 6, y + centre),
    ]
    marks.append(
        path(f"M{image + centre:g} {y - 8:g} V{y - 56:g} H{middle + 118:g} V{y + 17:g}", extra='marker-end="url(#tip)"')
    )
    marks += lines(image + centre, y + SIZE + 28, "image")
    marks += lines((net + back - 40 + SIZE) / 2, y + SIZE + 28, "encoder, bottleneck, decoder,|trained on good images")
    marks += lines(middle - 24 + centre, y + SIZE + 28, "repaired") + lines(
        result + centre, y + SIZE + 28, "map: error"
    )
    return frame(marks, 250)


def anomaly_synthesis() -> str:
    """DRAEM: paste a texture into a good image on a mask, repair the image, segment the defect."""
    source, image, first, back, second, result = 24, 154, 286, 416, 546, 680
    y, centre, sources = 128, SIZE / 2, (4, 128, 252)
    marks = [
        *part(source, 4),
        *blob_mask(source, y),
        *texture(source, 252),
        *pasted(image, y),
        *hourglass(first, y),
        *part(back, y),
    ]
    marks += [*unet(second, y), *heat(result, y)]
    for top, name, end in zip(sources, ("good", "mask", "texture"), (20, centre, 72), strict=True):
        marks += [words(source + centre, top + SIZE + 23, name)]
        marks.append(arrow(source + SIZE + 6, top + centre, image - 8, y + end))
    for left, right in ((image, first), (first, back), (back, second), (second, result)):
        marks.append(arrow(left + SIZE + 6, y + centre, right - 6, y + centre))
    marks.append(
        path(f"M{image + centre:g} {y - 8:g} V82 H{second + centre:g} V{y - 4:g}", extra='marker-end="url(#tip)"')
    )
    marks.append(words((image + second) / 2 + centre, 68, "the second network sees both"))
    texts = ((image, "synthetic|defect"), (first, "network 1:|repair"), (back, "repaired"))
    for x, text in (*texts, (second, "network 2:|segment"), (result, "map")):
        marks += lines(x + centre, y + SIZE + 28, text)
    marks.append(words(450, 340, "trained until: repaired = good, map = mask", 22, FAINT))
    return frame(marks, 380)


def cutpaste() -> str:
    """CutPaste: classify good, patch and scar; then forget the classes and fit a Gaussian to good features."""
    source, net, vector, result = 60, 262, 404, 640
    above, y, below, centre = 4, 128, 252, SIZE / 2
    marks = [*part(source, above), *moved(source, y), *moved(source, below, scar=True), *network(net, y, "#CFE3F1")]
    for top, name, end in ((above, "good", 20), (y, "patch", centre), (below, "scar", 72)):
        marks += [words(source + centre, top + SIZE + 23, name)]
        marks.append(arrow(source + SIZE + 6, top + centre, net - 8, y + end))
    marks += lines(net + centre, y + SIZE + 28, "network,|trained")
    marks += [box(vector + 30, y, 26, SIZE, "#9CC3DF", GOOD), *lines(vector + 44, y + SIZE + 28, "one vector|an image")]
    marks.append(arrow(net + SIZE + 8, y + centre, vector + 24, y + centre))
    marks += [box(result - 30, 20, 150, 64, PALE), *lines(result + 45, 46, "good, patch|or scar?")]
    marks += [arrow(vector + 62, y + 30, result - 38, 62), *ellipses(result, 214)]
    marks.append(words(result + 122, 290, "defect"))
    marks.append(arrow(vector + 62, y + 62, result - 14, 250))
    marks += lines(result + 46, 326, "Gaussian of good|images: the score")
    marks += [words(530, 60, "1 learn", 22, FAINT), words(562, 272, "2 judge", 22, FAINT)]
    return frame(marks, 380)


def after_patchcore() -> str:
    """Two questions to a bank: which good patches judge a place, and what is remembered of them."""
    marks: list[Mark] = [*lines(98, 50, "which good|patches judge|a place?"), *lines(98, 232, "what is|remembered?")]
    windows = ((0, "the same place|(PaDiM)"), (1, "around it|(N-pad, RAD)"), (3, "anywhere|(PatchCore)"))
    for number, (reach, label) in enumerate(windows):
        x = 240 + 200 * number
        near = [max(abs(row - 1), abs(column - 1)) <= reach for row in range(4) for column in range(4)]
        marks += [*grid(x, 14, shades=["#9CC3DF" if inside else "#FFFFFF" for inside in near])]
        marks += [dot(x + 34.5, 48.5, 8, DEFECTIVE), *lines(x + 46, 134, label)]
    marks += [*bank(240, 184), *lines(286, 304, "the vectors|(PatchCore)")]
    marks += [*network(430, 184, "#CFE3F1"), *lines(486, 304, "vectors behind a|trained head|(ReConPatch)")]
    axis, far = ((648, 262), (722, 202)), (714, 262)
    marks += [path(f"M{axis[0][0]} {axis[0][1]} L{axis[1][0]} {axis[1][1]}", GOOD, width=3)]
    marks += [dot(x, y, 5) for x, y in ((656, 250), (672, 246), (678, 234), (694, 228), (700, 214))]
    marks += [path(f"M{far[0]} {far[1]} L690 228", DEFECTIVE, width=2.5), dot(*far, 6, DEFECTIVE)]
    marks += lines(686, 304, "main directions|(SubspaceAD)")
    return frame(marks, 370)


def real_defects() -> str:
    """A defect is cut out of a rejected part, varied or made up by a generator, and blended into good parts."""
    gap = (WIDTH - 100 - SIZE) / 4
    cut, paste = 50 + gap + SIZE / 2, 50 + 3 * gap + SIZE / 2
    marks = [
        box(cut + 42, 212, paste - cut - 84, 60, PALE),
        *lines((cut + paste) / 2, 238, "or a generator|makes up new ones"),
    ]
    marks += [path(f"M{cut:g} 182 V242 H{cut + 34:g}", extra='marker-end="url(#tip)"')]
    marks += [path(f"M{paste - 42:g} 242 H{paste:g} V186", extra='marker-end="url(#tip)"')]
    return steps(
        [
            (lambda x, y: part(x, y, defect=True), "a rejected|part"),
            (crack_mask, "cut by|its mask"),
            ("turn,|mirror,|scale", "vary"),
            (moved_crack, "blend into|good parts"),
            ("train,|choose", "with known|masks"),
        ],
        290,
        marks,
    )
