"""Draws the dashboard as one SVG from the series of a Prometheus, approximately as Grafana shows it.

  picture.py PROMETHEUS DASHBOARD BEGUN FILE

BEGUN is the start of the series, in seconds since 1970. The same series give the same picture: the colour of a series
depends on its position.
"""

import json
import math
import re
import sys
import time
from html import escape

from prometheus import Prometheus, targets

WIDTH, UNIT, GAP, TITLE = 1080, 25, 6, 66
COLUMN = WIDTH / 24
COLOURS = ["#3274d9", "#e0752d", "#299c46", "#c4162a", "#8f3bb8", "#0f8a8a", "#b8860b", "#6b7280", "#d6518f", "#5c7a29"]
CAPTION = "deploy/grafana/dashboard.json, drawn from the series of a test: tests/observe/run breaks one thing after the other"
NAMED = 6  # series in a legend; the others are counted

prometheus = Prometheus(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    dashboard = json.load(file)
begun, now = int(sys.argv[3]), int(time.time())
out = []


def text(x, y, words, size=11, colour="#1f2933", anchor="start", weight="normal"):
    out.append(f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>')


def format_value(value, unit, decimals=None):
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{1000 * value:.3g} ms"
    mark = {"s": " s", "reqps": "/s"}.get(unit, "")
    if decimals is not None:
        return f"{value:.{decimals}f}{mark}"
    return (f"{value:.0f}" if value >= 100 else f"{value:.3g}") + mark


def round_up(top):
    """The smallest of 1, 2, 2.5, 5, 10 … that is not below `top`, so that ticks are round numbers."""
    if top <= 0:
        return 1
    power = 10 ** math.floor(math.log10(top))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= top * 0.999)


def legend(target, labels):
    words = re.sub(r"{{(\w+)}}", lambda name: labels.get(name[1], ""), target["legendFormat"])
    return " ".join(words.split())


def curves(panel):
    for other, target, expression in targets(dashboard):
        if other is panel:
            for series in prometheus.over_time(expression, begun, now, 1):
                points = [(float(at), float(value)) for at, value in series["values"]]
                points = [(at, value) for at, value in points if math.isfinite(value)]
                if points:
                    yield legend(target, series["metric"]), points


def draw_curves(panel, x, y, w, h):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    shown = list(curves(panel))
    scale = 2**20 if unit == "bytes" else 1
    top = scale * round_up(max((value for _, points in shown for _, value in points), default=1) / scale)
    left, right, upper, lower = x + 48, x + w - 10, y + 28, y + h - 58
    across = lambda at: left + (right - left) * (at - begun) / (now - begun)
    for part in (0, 0.5, 1):
        level = lower - (lower - upper) * part
        out.append(f'<path d="M{left:.0f} {level:.0f}H{right:.0f}" stroke="#e4e7eb"/>')
        text(left - 4, level + 4, format_value(top * part, unit), 10, "#616e7c", "end")
    for second in range(0, now - begun - 5, 20 if w < 400 or now - begun < 150 else 60):
        text(across(begun + second), lower + 13, f"{second} s", 10, "#616e7c", "middle" if second else "start")
    axis = panel["fieldConfig"]["defaults"]["custom"].get("axisLabel")
    if axis:
        text(right, upper - 3, axis, 10, "#616e7c", "end")
    for number, (_, points) in enumerate(shown):
        path, last = "", None
        for at, value in points:
            # A gap in the series is a gap in the line. A single point is a dot.
            path += f"{'L' if last is not None and at - last <= 2 else 'M'}{across(at):.0f} {lower - (lower - upper) * value / top:.1f}"
            last = at
        colour = COLOURS[number % len(COLOURS)]
        out.append(f'<path d="{path}" stroke="{colour}" fill="none" stroke-width="1.4" stroke-linecap="round"/>')
    columns = 3 if w > 400 else 2
    for number, (name, _) in enumerate(shown[:NAMED]):
        at_x = x + 10 + (number % columns) * (w - 16) / columns
        at_y = lower + 28 + number // columns * 14 if columns == 3 else lower + 25 + number // columns * 13
        room = int((w - 16) / columns / 5.6) - 2
        if number == NAMED - 1 and len(shown) > NAMED:
            name = f"and {len(shown) - NAMED + 1} more"
        else:
            out.append(f'<rect x="{at_x:.0f}" y="{at_y - 7:.0f}" width="7" height="7" fill="{COLOURS[number % len(COLOURS)]}"/>')
        text(at_x + 10, at_y, name if len(name) <= room else name[: room - 1] + "…", 10)


def now_of(panel):
    for other, target, expression in targets(dashboard):
        if other is panel:
            for series in prometheus.get("query", query=expression)["result"]:
                yield legend(target, series["metric"]), float(series["value"][1]), series["metric"]


def draw_number(panel, x, y, w, h):
    defaults = panel["fieldConfig"]["defaults"]
    value = next(now_of(panel))[1]
    colour = "#3274d9"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = {"green": "#299c46", "yellow": "#b7791f", "red": "#c4162a", "blue": "#3274d9"}[step["color"]]
    text(x + w / 2, y + h / 2 + 22, format_value(value, defaults["unit"], defaults.get("decimals")), 26, colour, "middle", "bold")


def draw_bars(panel, x, y, w, h):
    bars = list(now_of(panel))
    most = max(value for _, value, _ in bars) or 1
    row = (h - 36) / len(bars)
    for number, (name, value, _) in enumerate(bars):
        at = y + 30 + number * row
        text(x + 84, at + row / 2 + 4, name, 11, anchor="end")
        out.append(f'<rect x="{x + 90:.0f}" y="{at + 2:.0f}" width="{(w - 145) * value / most:.0f}" height="{row - 5:.0f}" fill="#3274d9"/>')
        text(x + 96 + (w - 145) * value / most, at + row / 2 + 4, f"{value:.0f}", 11)


def draw_table(panel, x, y, w, h):
    for number, (_, _, labels) in enumerate(now_of(panel)):
        words = [labels.get(name, "") for name in ("instance", "version", "revision")]
        for column, word in enumerate(words):
            text(x + 14 + column * w / 3, y + 48 + number * 20, word)


KINDS = {"timeseries": draw_curves, "stat": draw_number, "bargauge": draw_bars, "table": draw_table}
height = 0
for panel in dashboard["panels"]:
    place = panel["gridPos"]
    x, y, w, h = place["x"] * COLUMN, TITLE + place["y"] * UNIT, place["w"] * COLUMN, place["h"] * UNIT
    height = max(height, y + h)
    if panel["type"] == "row":
        text(4, y + 18, panel["title"], 15, weight="bold")
        continue
    out.append(f'<rect x="{x + GAP / 2:.0f}" y="{y + GAP / 2:.0f}" width="{w - GAP:.0f}" height="{h - GAP:.0f}" fill="#fff" stroke="#cbd2d9" rx="3"/>')
    text(x + 10, y + 19, panel["title"], 12, weight="bold")
    KINDS[panel["type"]](panel, x, y, w, h)
with open(sys.argv[4], "w", encoding="utf-8") as file:
    file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 8:.0f}" font-family="Helvetica, Arial, sans-serif">')
    file.write('<rect width="100%" height="100%" fill="#f5f7fa"/>')
    drawn, out = out, []
    text(6, 26, dashboard["title"], 20, weight="bold")
    text(6, 46, CAPTION + f", {now - begun} s.", 12, "#616e7c")
    file.write("\n".join(out + drawn) + "\n</svg>\n")
print(f"{sys.argv[4]}: {len(drawn)} shapes")
