"""The picture of the benchmark's curves."""

from __future__ import annotations

from lxml import etree

from benchmarks.numbers import Spread
from benchmarks.picture import Curve, draw


def test_every_point_stands_where_its_number_says() -> None:
    slots = Curve("worker slots", ((1, Spread(300, 280, 310)), (8, Spread(800, 700, 900))))
    history = Curve("rows < 5 & more", ((0, Spread(800, 790, 810)), (1_000_000, Spread(400, 400, 400))))
    root = etree.fromstring(draw([slots, history]))
    circles = [float(circle.get("cy")) for circle in root.iter("{*}circle")]
    assert circles[1] == circles[2], "the same number has the same height in all curves"
    assert circles[0] > circles[3] > circles[1], "more is higher"
    texts = [text.text for text in root.iter("{*}text")]
    assert "W1, tasks/s, by rows < 5 & more" in texts
    assert {"1", "8", "1,000,000", "300", "800", "400"} <= set(texts)
    lines = [line for line in root.iter("{*}line") if line.get("stroke") == "#0a6"]
    assert [float(line.get("y1")) >= float(line.get("y2")) for line in lines] == [True] * 4
