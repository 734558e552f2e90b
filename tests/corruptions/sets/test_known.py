"""Every known set is described; an unknown name says what was expected."""

from pathlib import Path

import pytest
from codecshift.corruptions.sets import KNOWN, UnknownSet, open_set, published

NOWHERE = Path("/nonexistent/data")
EXPECTED = "expected a set (sample, kodak, clic2020-test, folder:PATH, generated:DIR)"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("kodak-c", "kodak-c is kodak with corruptions applied: use --set kodak"),
        ("clic2020-test-c", "clic2020-test-c is clic2020-test with corruptions applied: use --set clic2020-test"),
        ("kodk", f"{EXPECTED}, got 'kodk'; did you mean kodak?"),
        ("clic", f"{EXPECTED}, got 'clic'; did you mean clic2020-test?"),
        ("folder", f"{EXPECTED}, got 'folder'; did you mean folder:PATH?"),
        ("Kodak", f"{EXPECTED}, got 'Kodak'; did you mean kodak?"),
        ("xyz", f"{EXPECTED}, got 'xyz'"),
        ("", f"{EXPECTED}, got ''"),
    ],
)
def test_unknown_names_say_what_was_expected(name: str, sentence: str) -> None:
    with pytest.raises(UnknownSet) as caught:
        open_set(name, NOWHERE)
    assert sentence == str(caught.value)
    assert (name, tuple(KNOWN)) == (caught.value.name, caught.value.known)


def test_known_sets_are_described_by_their_own_names() -> None:
    assert list(KNOWN) == [known.name for known in KNOWN.values()]
    assert all(known.about and known.terms for known in KNOWN.values())
    for name in ("sample", "kodak"):
        assert len(published.manifest_rows(name)) == KNOWN[name].images
    assert sum(archive.images for archive in published.CLIC_ARCHIVES) == KNOWN["clic2020-test"].images
