"""Sentences of WinCLIP's compositional prompt ensemble (Jeong et al. 2023)."""

NORMAL_STATES = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
)
ANOMALOUS_STATES = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")
_SCENES = (
    "a cropped photo of {} {}.",
    "a close-up photo of {} {}.",
    "a bright photo of {} {}.",
    "a dark photo of {} {}.",
    "a jpeg corrupted photo of {} {}.",
    "a blurry photo of {} {}.",
    "a photo of {} {}.",
    "a photo of {} small {}.",
    "a photo of {} large {}.",
    "a photo of {} {} for visual inspection.",
    "a photo of {} {} for anomaly detection.",
)
TEMPLATES = tuple(scene.format(article, "{}") for scene in _SCENES for article in ("a", "the"))


def prompt_ensemble(object_name: str) -> tuple[list[str], list[str]]:
    """Sentences of a normal and of an anomalous object: every state in every template, 7 x 22 and 4 x 22.

    object_name: what the image shows, such as "metal nut".
    """
    normal, anomalous = (
        [template.format(state.format(object_name)) for state in states for template in TEMPLATES]
        for states in (NORMAL_STATES, ANOMALOUS_STATES)
    )
    return normal, anomalous
