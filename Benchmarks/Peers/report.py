"""Results as Markdown and as drawings."""

from html import escape

TITLES = {
    "assign": "Nearest codes (assignment)",
    "lookup": "Rows by number (Zipf)",
    "bag": "Means of 40 rows, int8 table beyond the caches",
    "dot": "Products of one vector with all rows",
    "kmeans": "k-means",
    "train": "DPQ layer step, forward and backward",
    "scaling": "Cost of assignment against rows, dimension, codes",
}
# Contenders that do less than the work, or something else, and so are shown but not compared with.
NOT_PEERS = {"faiss decode alone", "torch uncompressed"}


def shape(result):
    s = result["shape"]
    text = f"{s['dimension']}, {s['groups']}×{s['codes']}"
    if "variant" in s:
        text = f"{s['variant']} {text}"
    if "batch" in s:
        text += f", batch {s['batch']}"
    elif "ids" in s:
        text += f", {s['ids']} ids"
    elif result["work"] == "scaling":
        text += f", n {s['rows']}"
    return text


def best_peer(result):
    """The fastest peer's name, or nothing."""
    peers = {name: c for name, c in result["contenders"].items() if not name.startswith("dpq") and name not in NOT_PEERS}
    return max(peers, key=lambda name: peers[name]["rate"]) if peers else None


def ratio(result):
    peer = best_peer(result)
    return result["contenders"][result["ours"]]["rate"] / result["contenders"][peer]["rate"] if peer else None


def best_ratio(result):
    """The same of each contender's fastest run, which other work on the machine disturbs least."""
    peers = [c["best_rate"] for name, c in result["contenders"].items()
             if not name.startswith("dpq") and name not in NOT_PEERS]
    return result["contenders"][result["ours"]]["best_rate"] / max(peers)


def share(result, machine):
    """Our rate as a share of what the machine can do, and of which limit."""
    limit = machine["limits"].get(str(result["threads"]))
    if not limit:
        return ""
    rate = result["contenders"][result["ours"]]["rate"]
    if "gflops_per_rate" in result:
        part = rate * result["gflops_per_rate"] / limit["fma_gflops"]
        text = f"{part:.0%} of FMA"
        return text + (f", {part / result['bound']:.0%} of s/(s+1)" if "bound" in result else "")
    if "gbytes_per_rate" in result:
        return f"{rate * result['gbytes_per_rate'] / limit['write_gbytes']:.0%} of memory writing"
    return ""


def checked(result):
    if "checks" in result:
        different = max(check["different"] for check in result["checks"].values())
        nearer = max(check["nearer"] for check in result["checks"].values())
        total = result["checks"]["dpq"]["of"]
        return f"{'equal' if result['codes_equal'] else 'WRONG'} ({different} of {total} near ties; none nearer than {nearer:.0e})"
    if "error_ratio" in result:
        return f"error {result['error_ratio']:.4f} of faiss's"
    if "rows_equal" in result:
        return "equal rows" if result["rows_equal"] else "WRONG rows"
    return "equal codes" if result.get("codes_equal") else "WRONG codes"


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def line(result):
    parts = ", ".join(f"{name} {number(c['rate'])}" for name, c in result["contenders"].items())
    times = f", {ratio(result):.2f} x {best_peer(result)}" if best_peer(result) else ""
    return f"{result['work']} {shape(result)}, {result['threads']} threads: {parts} {result['unit']}{times}; {checked(result)}"


def markdown(document, name):
    machine = document["machine"]
    lines = [f"# Peers, {document['date']}, {machine['cpu']}", ""]
    family = "/".join(map(str, machine["family_model_stepping"]))
    lines += [
        f"{machine['processors']} processors (family/model/stepping {family}), load {machine['load_before'][0]:.1f} before "
        f"and {machine['load_after'][0]:.1f} after this run; "
        + ", ".join(f"{key} {value or 'not installed'}" for key, value in document["versions"].items()) + ".",
        "Rates are medians; behind ± half the distance from the slowest to the fastest run. All contenders took turns in one "
        "run on the same data; results were compared in float64. “times” is dpq against the fastest peer at the same "
        "number of threads, by medians; “best runs” the same by each contender's fastest run. One thread is timed by the "
        "processor's time of the process, several by the clock on the wall, which on a machine that does other work says "
        "little: read the load first.",
        "The peers' OpenBLAS chose its core itself." if not machine["openblas_coretype"] else
        f"faiss's OpenBLAS does not know this processor: it was told OPENBLAS_CORETYPE={machine['openblas_coretype']}.",
        "", "| threads | FMA, GFLOP/s | reading memory, GB/s | writing memory, GB/s |", "|---|---|---|---|",
    ]
    for threads, limit in machine["limits"].items():
        lines.append(f"| {threads} | {limit['fma_gflops']:.0f} | {limit['read_gbytes']:.0f} | {limit['write_gbytes']:.0f} |")
    lines += ["", f"![bars]({name}.svg)"]
    for work in TITLES:
        results = [result for result in document["results"] if result["work"] == work]
        if not results:
            continue
        names = list(dict.fromkeys(name for result in results for name in result["contenders"]))
        lines += ["", f"## {TITLES[work]}, {results[0]['unit']}", ""]
        if work == "scaling":
            lines += [f"![curves]({name}-scaling.svg)", ""]
        lines.append("| d, groups×codes | threads | " + " | ".join(names) + " | times | best runs | share of the limit | load | checked |")
        lines.append("|---" * (7 + len(names)) + "|")
        for result in results:
            cells = []
            for contender in names:
                c = result["contenders"].get(contender)
                cells.append(f"{number(c['rate'])} ± {c['spread'] / 2:.0%}" if c else "–")
            times = f"**{ratio(result):.2f}** ({best_peer(result)}) | {best_ratio(result):.2f}"
            lines.append(f"| {shape(result)} | {result['threads']} | {' | '.join(cells)} | {times} "
                         f"| {share(result, machine)} | {result['load']:.1f} | {checked(result)} |")
    lines += threads_table(document)
    return "\n".join(lines) + "\n"


def threads_table(document):
    """How much two threads give: dpq and its fastest peer."""
    pairs = {}
    for result in document["results"]:
        if result["work"] != "scaling":
            pairs.setdefault((result["work"], shape(result)), {})[result["threads"]] = result
    lines = ["", "## Two threads against one", "", "| work | d, groups×codes | dpq | fastest peer |", "|---|---|---|---|"]
    for (work, text), by_threads in pairs.items():
        if {1, 2} <= by_threads.keys() and best_peer(by_threads[1]):
            one, two = by_threads[1], by_threads[2]
            ours = two["contenders"][two["ours"]]["rate"] / one["contenders"][one["ours"]]["rate"]
            peer = two["contenders"][best_peer(two)]["rate"] / one["contenders"][best_peer(one)]["rate"]
            lines.append(f"| {work} | {text} | {ours:.2f} | {peer:.2f} |")
    return lines if len(lines) > 5 else []


COLOURS = ["#4e79a7", "#a0cbe8", "#8cd17d", "#b6992d", "#f1ce63", "#86bcb6", "#bab0ac"]
OURS = ["#e15759", "#ff9d9a"]


def colour(name, names):
    if name.startswith("dpq"):
        return OURS[0 if name == "dpq" else 1]
    return COLOURS[[other for other in names if not other.startswith("dpq")].index(name) % len(COLOURS)]


class Drawing:
    def __init__(self, width):
        self.width, self.y, self.parts = width, 10, []

    def text(self, x, y, text, size=12, anchor="start", weight="normal", fill="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
                          f'fill="{fill}">{escape(text)}</text>')

    def rectangle(self, x, y, width, height, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>')

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.y + 10:.0f}" '
                f'font-family="system-ui, sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def bars(document):
    """A bar for each contender, longest of each shape full length: every shape has its own scale."""
    drawing = Drawing(860)
    left, full, height = 230, 440, 13
    for work in ("assign", "lookup", "bag", "dot", "kmeans", "train"):
        results = [r for r in document["results"] if r["work"] == work and r["threads"] == 1]
        if not results:
            continue
        names = list(dict.fromkeys(name for result in results for name in result["contenders"]))
        drawing.y += 26
        drawing.text(10, drawing.y, f"{TITLES[work]}, {results[0]['unit']}, one thread", 15, weight="bold")
        drawing.y += 10
        for result in results:
            top = max(c["rate"] for c in result["contenders"].values())
            drawing.y += 8
            for position, (name, c) in enumerate(result["contenders"].items()):
                if position == 0:
                    drawing.text(10, drawing.y + height - 3, shape(result), 12, weight="bold")
                length = full * c["rate"] / top
                drawing.rectangle(left, drawing.y, max(length, 1), height - 2, colour(name, names))
                drawing.text(left + length + 5, drawing.y + height - 3, f"{number(c['rate'])}  {name}", 11)
                drawing.y += height
    return drawing.svg()


def curves(document):
    """Seconds against each quantity, both axes logarithmic."""
    import math

    drawing = Drawing(900)
    results = [result for result in document["results"] if result["work"] == "scaling"]
    threads = sorted({result["threads"] for result in results})
    left, width, height = 60, 230, 170
    for row, n in enumerate(threads):
        drawing.y += 34
        drawing.text(10, drawing.y, f"Seconds of assignment, threads: {n}", 15, weight="bold")
        for column, against in enumerate(("count", "dimension", "codes")):
            key = "rows" if against == "count" else against
            chosen = [r for r in results if r["threads"] == n and r["against"] == against]
            if not chosen:
                continue
            x0, y0 = left + column * (width + 60), drawing.y + 20
            xs = [math.log10(r["shape"][key]) for r in chosen]
            ys = [math.log10(c["seconds"]) for r in chosen for c in r["contenders"].values()]
            low, high = math.floor(min(ys)), math.ceil(max(ys))
            place = lambda x, y: (x0 + (x - min(xs)) / max(1e-9, max(xs) - min(xs)) * width,
                                  y0 + (high - y) / max(1, high - low) * height)
            for power in range(low, high + 1):
                y = place(xs[0], power)[1]
                drawing.rectangle(x0, y, width, 0.5, "#bbb")
                drawing.text(x0 - 5, y + 4, f"1e{power}", 10, "end")
            for r, x in zip(chosen, xs):
                drawing.text(place(x, low)[0], y0 + height + 14, str(r["shape"][key]), 10, "middle")
            drawing.text(x0 + width / 2, y0 + height + 30, {"count": "rows"}.get(against, against), 12, "middle")
            names = list(chosen[0]["contenders"])
            for position, name in enumerate(names):
                points = [place(x, math.log10(r["contenders"][name]["seconds"])) for r, x in zip(chosen, xs)]
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
                drawing.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour(name, names)}" stroke-width="2"/>')
                if column == 0:
                    drawing.text(x0 + 8, y0 + 12 + 13 * position, name, 11, fill=colour(name, names))
        drawing.y += height + 50
    return drawing.svg()
