#!/usr/bin/env python3
"""Ratio against accuracy over a grid of groups and codes: a table and a drawing (Chen, Li, Sun 2020, figure 3).

One seed a point; the dimension is that of the classifier, 300.
"""

import html
import math

import classification
import common

COLOURS = ["#3b82c4", "#e08a1e", "#2a9d6f", "#d1495b", "#8e6bbf"]


def drawing(title, series, level):
    """`series` {name: [(ratio, accuracy, label)]} over a logarithmic axis of ratios; `level` is the full table's."""
    width, height, left, right, top, bottom = 720, 420, 72, 696, 78, 364
    points = [point for line in series.values() for point in line]
    low, high = math.log(min(p[0] for p in points) / 1.1), math.log(max(p[0] for p in points) * 1.1)
    values = [p[1] for p in points] + [level]
    bottom_value, top_value = min(values) - 0.2, max(values) + 0.2
    x = lambda ratio: left + (math.log(ratio) - low) / (high - low) * (right - left)
    y = lambda value: bottom - (value - bottom_value) / (top_value - bottom_value) * (bottom - top)
    text = lambda px, py, content, anchor="start", style="label": (
        f'<text x="{px:.1f}" y="{py:.1f}" text-anchor="{anchor}" class="{style}">{html.escape(content)}</text>')
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           f'role="img" font-family="system-ui, sans-serif"><title>{html.escape(title)}</title><style>'
           ".ground { fill: #ffffff } .title { font-size: 15px; font-weight: 600; fill: #1f2430 } "
           ".label { font-size: 12px; fill: #4a5160 } .small { font-size: 10px; fill: #4a5160 } "
           ".grid { stroke: #e3e6eb } .axis { fill: none; stroke: #9aa1ad } "
           "@media (prefers-color-scheme: dark) { .ground { fill: #16181d } .title { fill: #eceef2 } "
           ".label, .small { fill: #b4bac6 } .grid { stroke: #2b2f38 } .axis { stroke: #6b7280 } }</style>"
           f'<rect width="{width}" height="{height}" class="ground"/>', text(left, 28, title, style="title")]
    for tick in (2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if low <= math.log(tick) <= high:
            out += [f'<line x1="{x(tick):.1f}" y1="{top}" x2="{x(tick):.1f}" y2="{bottom}" class="grid"/>',
                    text(x(tick), bottom + 18, str(tick), "middle")]
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if (top_value - bottom_value) / s <= 8)
    for i in range(math.ceil(bottom_value / step), math.floor(top_value / step) + 1):
        out += [f'<line x1="{left}" y1="{y(i * step):.1f}" x2="{right}" y2="{y(i * step):.1f}" class="grid"/>',
                text(left - 8, y(i * step) + 4, f"{i * step:.1f}", "end")]
    out += [f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" class="axis"/>',
            f'<line x1="{left}" y1="{y(level):.1f}" x2="{right}" y2="{y(level):.1f}" class="axis" stroke-dasharray="4 4"/>',
            text(right - 6, y(level) - 5, "full table", "end", "small"),
            text((left + right) / 2, bottom + 42, "ratio as papers count", "middle"), text(14, top - 8, "test accuracy, %")]
    place = left
    for (name, line), colour in zip(series.items(), COLOURS):
        out += [f'<rect x="{place}" y="48" width="16" height="4" fill="{colour}"/>', text(place + 22, 54, name)]
        place += 42 + 7 * len(name)
        for ratio, value, label in line:
            out += [f'<circle cx="{x(ratio):.1f}" cy="{y(value):.1f}" r="4" fill="{colour}"/>',
                    text(x(ratio) + 6, y(value) - 4, label, style="small")]
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = common.arguments(__doc__, "grid")
    parser.add_argument("--only", nargs="+", choices=list(classification.DATA), default=["ag-news"])
    parser.add_argument("--groups", nargs="+", type=int, default=[10, 25, 50, 100])
    parser.add_argument("--codes", nargs="+", type=int, default=[2, 8, 16, 32, 128])
    classification.add_arguments(parser)
    options = parser.parse_args()
    study = common.Study(options)
    lines = []
    for data in options.only:
        def run_of(embedding, extra, data=data):
            return study.run(f"{classification.name(options, data, embedding, extra)}-seed1",
                             classification.command(options, data, embedding, extra, 1))

        full = run_of("full", classification.STARTS["full"])
        rows, series = [], {}
        for embedding in ("sx", "vq"):
            for groups in options.groups:
                for codes in options.codes:
                    run = run_of(embedding, [*classification.STARTS[embedding], "--groups", groups, "--codes", codes])
                    if run:
                        rows.append([embedding, common.layout(run), f"{run['ratio_paper']:.1f}", f"{run['ratio']:.1f}",
                                     f"{100 * run['valid']:.2f}", f"{100 * run['test']:.2f}"])
                        series.setdefault(embedding, []).append(
                            (run["ratio_paper"], 100 * run["test"], f"{groups} × {codes}"))
        if full and series:
            options.results.mkdir(parents=True, exist_ok=True)
            (options.results / f"{data}.svg").write_text(
                drawing(f"{data}: accuracy against ratio", series, 100 * full["test"]))
            lines += [f"## {data}", "", f"Full table: dev {100 * full['valid']:.2f}, test {100 * full['test']:.2f}.", "",
                      *common.table(["embedding", "groups × codes", "ratio as papers count", "ratio of the file",
                                     "dev %", "test %"], rows), "", f"![accuracy against ratio]({data}.svg)", ""]
    study.write("Ratio against accuracy", lines)


if __name__ == "__main__":
    main()
