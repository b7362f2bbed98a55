"""Draw the loop from dvc.yaml: `python docs/_site/picture.py > docs/images/loop.svg`.

One file without script, font or address, readable on a light and on a dark page.
"""

import sys
from itertools import pairwise
from pathlib import Path

import yaml

# After the pipeline: what happens to a release.
RELEASED = ("register", "promote", "deploy", "serve", "monitor", "collect")
WIDTH, GAP, TALL, ROW = 118, 34, 44, 92
LEFT, TOP = 62, 66
# Dark text on these reaches 7:1; lines reach 3:1 on white and on black.
FILLS = {"data": "#f6dfae", "stage": "#cfe6e4", "release": "#ddd3f0"}
INK, LINE, MUTED = "#15201f", "#7b8586", "#747c7d"


def draw(stages: list[str]) -> str:
    """The picture: data and stages in rows that turn at their ends, releases below, and the way back to the data."""
    steps = ["data", *stages]
    columns = max(-(-len(steps) // 2), len(RELEASED))
    rows = [steps[:columns], steps[columns:], list(RELEASED)]
    places = {}
    for number, row in enumerate(rows):
        for place, name in enumerate(row):
            # The second row is read from right to left, so that each row begins where the one above ended.
            column = columns - 1 - place if number == 1 else place
            places[name] = (LEFT + column * (WIDTH + GAP), TOP + number * ROW + (26 if number == 2 else 0))
    order = [*steps, *RELEASED]
    width = LEFT * 2 + columns * (WIDTH + GAP) - GAP
    height = TOP + 2 * ROW + 26 + TALL + 40
    last, first = places[RELEASED[-1]], places["data"]
    right = width - 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t">',
        f'<title id="t">The loop: {", ".join(order)}, and back to the data</title>',
        f'<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
        '<g font-family="-apple-system, BlinkMacSystemFont, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif">',
        *(label(*said) for said in labels(columns)),
        f'<g fill="none" stroke="{LINE}" stroke-width="2" marker-end="url(#a)">',
        *(arrow(places[here], places[there]) for here, there in pairwise(order)),
        # Around everything, over the top, back to the data.
        f'<path d="M{last[0] + WIDTH} {last[1] + TALL / 2}H{right - 12}q12 0 12 -12V36q0 -12 -12 -12'
        f'H{first[0] + WIDTH / 2 + 12}q-12 0 -12 12V{first[1] - 3}"/>',
        "</g>",
        *(box(name, *place) for name, place in places.items()),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def labels(columns: int) -> list[tuple[str, float, float, str]]:
    centre = LEFT + (columns * (WIDTH + GAP) - GAP) / 2
    return [
        ("labelled records of production, or a person's commit", centre, 16, "middle"),
        ("what the gate accepted; what it refused changes nothing", LEFT + WIDTH / 2 + 14, TOP + 2 * ROW + 4, "start"),
        # of feature: monitoring
        (
            "the monitor's rule: nothing, an issue, a retraining, or back to the release before",
            LEFT,
            TOP + 2 * ROW + 26 + TALL + 24,
            "start",
        ),
        # end
    ]


def label(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="14" fill="{MUTED}" text-anchor="{anchor}">{text}</text>'


def box(name: str, x: float, y: float) -> str:
    fill = FILLS["data" if name == "data" else "release" if name in RELEASED else "stage"]
    middle, foot = x + WIDTH / 2, y + TALL / 2 + 6
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{TALL}" rx="9" fill="{fill}"/>'
        f'<text x="{middle:g}" y="{foot:g}" font-size="17" fill="{INK}" text-anchor="middle">{name}</text>'
    )


def arrow(here: tuple[float, float], there: tuple[float, float]) -> str:
    """From one box to the next: sideways in a row, down to the next row, with a turn where that begins elsewhere."""
    if here[1] != there[1]:
        middle = here[0] + WIDTH / 2
        turn = here[1] + TALL + 18
        return f'<path d="M{middle:g} {here[1] + TALL:g}V{turn:g}H{there[0] + WIDTH / 2:g}V{there[1] - 3:g}"/>'
    start, end = (here[0] + WIDTH, there[0] - 3) if here[0] < there[0] else (here[0], there[0] + WIDTH + 3)
    return f'<path d="M{start:g} {here[1] + TALL / 2:g}H{end:g}"/>'


if __name__ == "__main__":
    pipeline = yaml.safe_load((Path(__file__).parents[2] / "dvc.yaml").read_text(encoding="utf-8"))
    sys.stdout.write(draw(list(pipeline["stages"])))
