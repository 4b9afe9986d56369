"""Groups of images that are alike (one part, film or camera), as far as file names show them."""

import re
from collections import Counter
from collections.abc import Sequence

# What to try: the folder of an image, its name without the last word, the first word of its name.
PROPOSALS = (r"([^/]+)/[^/]+$", r"([^/]+)[_ -][^/_ -]+$", r"([^/_ -]+)[^/]*$")
_FEWEST = 3  # groups that are worth holding out


def proposed_group(names: Sequence[str]) -> tuple[str, Counter] | None:
    """A regular expression that finds groups in names, and the number of images in each; None where names show none.

    Groups are shown by names where there are at least 3 and most have at least two images.

    names: paths below the data set of good images.
    """
    for pattern in PROPOSALS:
        found = [re.search(pattern, name) for name in names]
        sizes = Counter(match[1] for match in found if match)
        if all(found) and _FEWEST <= len(sizes) <= len(names) / 2:
            return pattern, sizes
    return None
