"""A codec has one look in every figure, which no other codec and no band has."""

from codecshift.analysis.figures.parts.looks import BAND_COLOURS, FAMILIES, looks

OURS = [name for *_, names in FAMILIES for name in names]


def line(look: dict[str, object]) -> tuple[object, ...]:
    return look["color"], look["marker"], look["linestyle"], look.get("markerfacecolor")


def test_a_codec_of_ours_looks_the_same_among_whichever_codecs() -> None:
    for codec in OURS:
        assert looks([codec]) == {codec: looks(["mine", *OURS, "yours"])[codec]}


def test_no_two_codecs_look_the_same() -> None:
    strangers = [f"codec{number}" for number in range(90 - len(OURS))]
    for names in (strangers, [*OURS, *strangers]):
        assert len({line(look) for look in looks(names).values()}) == len(names)


def test_a_stranger_has_a_solid_line_of_its_own_colour_while_there_are_some() -> None:
    styles = looks(["jpeg", "webp", *(f"codec{number}" for number in range(len(FAMILIES) - 2))])
    assert {look["linestyle"] for look in styles.values()} == {"-"}
    assert len({look["color"] for look in styles.values()}) == len(styles)


def test_no_codec_has_the_colour_of_a_band() -> None:
    colours = {look["color"] for look in looks([*OURS, *(f"codec{number}" for number in range(60))]).values()}
    assert not colours & set(BAND_COLOURS.values())
