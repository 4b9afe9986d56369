"""Options of fast runs, and the paths of samples."""

SMALL = {"resize": 64}
DINO = SMALL | {"rotate": False, "mask": "never"}


def paths(samples):
    return [s.path for s in samples]
