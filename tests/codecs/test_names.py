"""A name that is not known is told with the nearest one, if one is near."""

import pytest
from codecshift.codecs.names import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("jpg", " (did you mean 'jpeg'?)"),
        ("jpeg200", " (did you mean 'jpeg2000'?)"),
        ("JPEG 2000", " (did you mean 'jpeg2000'?)"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_told(name: str, hint: str) -> None:
    assert did_you_mean(name, ("webp", "jpeg", "jpeg2000")) == hint
    assert did_you_mean(name, ()) == ""
