"""Settings of a method: values of the wrong type are named."""

import pytest

from adlib.detectors.registry import DETECTORS
from adlib.errors import InputError
from adlib.experiments.settings import check_settings


@pytest.mark.parametrize("method", DETECTORS)
def test_every_default_fits_its_own_parameter(method):
    defaults = DETECTORS[method].parameter_defaults()
    check_settings(method, {k: v for k, v in defaults.items() if k not in ("backbone", "weights", "device", "seed")})
    with pytest.raises(InputError, match=f"sigma of {method} must be a number, not 'wide'"):
        check_settings(method, {"sigma": "wide"})
    for name in ("backbone", "seed"):
        with pytest.raises(InputError, match=f"{name} is no option"):
            check_settings(method, {name: defaults[name]})
