#!/usr/bin/env python3
"""Text classification: the full table, SX and VQ, and the baselines (Chen, Li, Sun 2020, section 4).

For each data set SX and VQ are trained at every setting with every seed; the setting with the best mean accuracy on the dev
texts is the one chosen. Test accuracies are those of the best dev step; test texts choose nothing. The step
size falls to zero, for every embedding alike; --constant-rate keeps it, as the paper does. Everything is trained
without dropout, as there, and with as much as the full table prefers on the dev texts.
"""

import statistics
import subprocess

import common


def read(*parts):
    """Files of the folder of the data, as options."""
    return lambda options, seed: [part if part.startswith("--") else options.data / part for part in parts]


def films_apart(options, seed):
    """IMDB with other films in the dev texts than in those trained on, as in the test texts: files of `part_films`."""
    folder = options.runs / "imdb-films"
    return ["--format", "imdb", "--train", folder / f"train-{seed}.tsv", "--dev", folder / f"dev-{seed}.tsv",
            "--test", options.data / "imdb/test.tsv.zst"]


def part_films(options, seed):
    """Writes IMDB's training texts but for a tenth, and that tenth. Texts of one film lie together in the file, bad ones in its
    first half, good ones in its second: the tenth is a stretch of each half, another for each seed."""
    _, _, _, train, _, dev, *_ = films_apart(options, seed)
    if dev.exists():
        return
    train.parent.mkdir(parents=True, exist_ok=True)
    file = options.data / "imdb/train.tsv.zst"
    lines = subprocess.run(["zstd", "-dc", file], check=True, capture_output=True).stdout.split(b"\n")[:-1]
    half, tenth = len(lines) // 2, (seed - 1) % 10
    is_dev = [i % half * 10 // half == tenth for i in range(2 * half)]
    for path, wanted in ((train, False), (dev, True)):
        part = path.with_suffix(".part")
        part.write_bytes(b"".join(line + b"\n" for line, is_in in zip(lines, is_dev) if is_in == wanted))
        part.rename(path)


DATA = {
    "ag-news": read("--train", "ag_news/train_subset.tsv.zst", "--test", "ag_news/test.csv.zst"),
    "sst-2": read("--train", "sst2/stsa.binary.train.zst", "--dev", "sst2/stsa.binary.dev.zst",
                  "--test", "sst2/stsa.binary.test.zst"),
    "imdb": read("--train", "imdb/train.tsv.zst", "--test", "imdb/test.tsv.zst"),
    "imdb-films": films_apart,
}
# What makes the files of a data set before it is first trained on.
MADE = {"imdb-films": part_films}
SETTINGS = [["--groups", groups, "--codes", codes] for groups in (100, 50) for codes in (16, 32)]
# 100 x 32 with a codebook a group is just short of 19 times; one codebook for all groups has room for the finer codes.
SETTINGS.append(["--groups", 100, "--codes", 32, "--shared"])
# Found on the dev texts of AG News. Rows that start small let the few steps of rare words count, in the full table too.
# SX codes depend on the direction of a query alone, which makes a row seen once as large as one seen a thousand times, unless
# queries start around an offset: then rows that have hardly moved share a code.
STARTS = {
    "full": ["--query-scale", "0.005"],
    "sx": ["--tied", "--raw-responses", "--query-scale", "0.005", "--query-offset", "0.03", "--key-scale", "0.05"],
    "vq": ["--query-scale", "0.005"],
}
# Under much dropout a sharper softmax and larger keys do better on the dev texts of SST-2.
SHARP = ["--tied", "--raw-responses", "--query-scale", "0.005", "--query-offset", "0.03", "--key-scale", "0.1",
         "--temperature", "0.3"]
# Shares that dropout keeps: all, as in the paper, and what the full table prefers on the dev texts by accuracy (0.8, 0.2, and on
# IMDB 1, or 0.2 with films apart) and by loss (0.5, 0.2, 0.2), of those tried: 1, 0.8, 0.5, 0.2; 1, 0.5, 0.3, 0.2, 0.1; 1, 0.5, 0.2.
KEEP = {"ag-news": (1, 0.8, 0.5), "sst-2": (1, 0.2), "imdb": (1, 0.2), "imdb-films": (0.2,)}
SCALARS = ["scalar8", "scalar6", "scalar4"]
# The baselines that reach 20 times, and the layers, at the same groups and codes (a low rank of as many bytes).
COMPARED = ["low-rank", "pq", "dpq-table", "sx", "vq"]
COMPARED_GROUPS, COMPARED_CODES, COMPARED_SEEDS = (100, 50, 25, 10), 16, 3


def command(options, data, embedding, extra, seed, keep=1):
    files = DATA[data](options, seed)
    rate = [] if options.constant_rate else ["--final-learning-rate", 0]
    dropout = ["--keep", keep] if keep < 1 else []
    return ["classify", *files, "--embedding", embedding, *extra, *dropout, *rate, "--steps", options.steps,
            "--evaluate-every", options.evaluate_every, "--seed", seed]


def name(options, data, embedding, extra, keep=1):
    extra = [*extra, *(["--keep", keep] if keep < 1 else [])]
    rate = [] if options.constant_rate else ["falling"]
    return "-".join([data, embedding, *(str(part).strip("-") for part in extra), *rate])


def add_arguments(parser):
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--evaluate-every", type=int, default=100)
    parser.add_argument("--constant-rate", action="store_true", help="the step size of the paper, which never falls")


def main():
    parser = common.arguments(__doc__, "classification")
    parser.add_argument("--only", nargs="+", choices=list(DATA), default=list(DATA), help="data sets to run")
    add_arguments(parser)
    parser.add_argument("--without-baselines", action="store_true")
    options = parser.parse_args()
    study = common.Study(options)
    rows, baselines = [], []

    def runs(data, embedding, extra, seeds, keep=1):
        made = [study.run(f"{name(options, data, embedding, extra, keep)}-seed{seed}",
                          command(options, data, embedding, extra, seed, keep), data not in options.only,
                          prepare=lambda: MADE[data](options, seed) if data in MADE else None)
                for seed in seeds]
        return [run for run in made if run]

    for data, keep in [(data, keep) for data in DATA for keep in (KEEP[data] if not options.constant_rate else (1,))]:
        seeds = range(1, options.seeds + 1)
        full = runs(data, "full", STARTS["full"], seeds, keep)
        if not full:
            continue
        target = statistics.mean(run["test"] for run in full)

        def row(made, note="", target=target, label=f"{data}, keep {keep}" if keep < 1 else data, full=full):
            tests = [100 * run["test"] for run in made]
            against = "–"
            if made is not full:
                against = f"{statistics.mean(tests) - 100 * target:+.2f}"
                if len(made) > 1 and len(full) > 1:
                    # Standard error of the difference of two means over seeds.
                    error = sum(statistics.variance([100 * run["test"] for run in part]) / len(part)
                                for part in (made, full)) ** 0.5
                    against += f" ({error:.2f})"
            first = made[0]
            times = [run["cpu_seconds"] for run in made if run.get("cpu_seconds")]
            return [label, first["embedding"] + note, common.layout(first), f"{first['ratio_paper']:.1f}",
                    f"{first['ratio']:.1f}", f"{100 * statistics.mean(run['valid'] for run in made):.2f}",
                    common.mean_and_deviation(tests), against, str(len(made)),
                    f"{statistics.mean(times):.0f} s" if times else "–"]

        rows.append(row(full))
        for embedding in ("sx", "vq"):
            starts = [STARTS[embedding]] + ([SHARP] if embedding == "sx" and keep < 0.5 else [])
            settings = [[*start, *setting] for start in starts for setting in SETTINGS]
            tried = [made for made in (runs(data, embedding, setting, seeds, keep) for setting in settings) if made]
            small = [made for made in tried if made[0]["ratio_paper"] >= 19]
            best = max(small, key=lambda made: statistics.mean(run["valid"] for run in made), default=None)
            for made in tried:
                note = ", sharp" if "--temperature" in made[0]["command"] else ""
                rows.append(row(made, note + (" (chosen on dev)" if made is best and len(small) > 1 else "")))
        if data == "ag-news" and keep == 1 and not options.without_baselines:
            some = seeds[:COMPARED_SEEDS]
            kinds = [(name, []) for name in SCALARS]
            kinds += [(name, ["--groups", groups, "--codes", COMPARED_CODES])
                      for groups in COMPARED_GROUPS for name in COMPARED]
            for embedding, extra in kinds:
                start = [] if embedding == "low-rank" else STARTS.get(embedding, STARTS["full"])
                made = runs(data, embedding, [*start, *extra], some)
                if made:
                    baselines.append(row(made))

    head = ["data", "embedding", "groups × codes", "ratio as papers count", "ratio of the file", "dev %",
            "test %, mean ± deviation", "against full (its standard error)", "seeds", "processor time a run"]
    lines = common.table(head, rows)
    starts = "; ".join(f"{embedding} `{' '.join(start)}`" for embedding, start in STARTS.items())
    starts += f"; sharp `{' '.join(SHARP)}`" if not options.constant_rate else ""
    rate = "stays" if options.constant_rate else "falls evenly to 0"
    lines += ["", f"How embeddings start: {starts}. At most {options.steps} steps of 64 texts, the best dev step tested; the step "
              f"size of Adam, 0.001, {rate}. The setting with the best mean dev accuracy among those with a ratio of "
              "at least 19, as papers count, is the one chosen. Keep: what dropout leaves. AG News: 37 % of the original training texts, "
              "a tenth of them for dev; IMDB: a tenth of the training texts for dev, drawn at random, or (imdb-films) of other "
              "films than those trained on."]
    if baselines:
        lines += ["", "## Baselines on AG News, and the layers at the same sizes", ""] + common.table(head, baselines)
    study.write("Text classification" + (", at a constant step size" if options.constant_rate else ""), lines)


if __name__ == "__main__":
    main()
