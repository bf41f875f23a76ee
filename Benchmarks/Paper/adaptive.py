#!/usr/bin/env python3
"""Adaptive code lengths against fixed ones, by frequency and at random, on four tasks (after AdaComp: Kim, Kim, Lee 2020).

All start from GloVe. The fixed lengths, VQ and SX, have the fewest groups of 16 codes that take, with their codebooks, no
fewer bytes than the adaptive file, and `-smaller` the most that take no more, the kilobyte of their header aside: rows fill
whole bytes, so none is equal. Tiers by frequency and at random have as many rows each as those that are learned in the same run; so has `straight-through`, the ablation of
how they are learned. The best step or epoch on the dev data is tested; test data choose nothing.
"""

import statistics

import common

GLOVE = ["--pretrained", "embeddings/glove.6B.50d.top100k.f32.npy.zst",
         "--vocabulary", "embeddings/glove.6B.50d.top100k.vocab.txt.zst"]
DIMENSION, CODES = 50, 16
# Files, further settings, and tiers with mean bits: as chosen first, few enough that it matters who gets them, and, at 20
# times and more, enough to come near the full table.
TIGHT = ("1x2,5x16,25x16", 12)
TASKS = {
    "ag-news": (["classify", "--train", "ag_news/train_subset.tsv.zst", "--test", "ag_news/test.csv.zst"],
                ["--steps", 5000], [("2x16,6x16,25x16", 16), TIGHT, ("2x16,6x16,25x16", 24), ("2x16,6x16,25x16", 48)]),
    "sst-2": (["classify", "--train", "sst2/stsa.binary.train.zst", "--dev", "sst2/stsa.binary.dev.zst",
               "--test", "sst2/stsa.binary.test.zst"], ["--steps", 5000], [("2x16,6x16,25x16", 16), TIGHT]),
    "conll2000": (["tag", "--train", "conll2000/train.txt.zst", "--test", "conll2000/test.txt.zst"],
                  [], [("2x16,10x16,25x16", 48), TIGHT, ("2x16,10x16,25x16", 60)]),
    "sick": (["infer", "--train", "sick/SICK_train.tsv.zst", "--dev", "sick/SICK_dev.tsv.zst",
              "--test", "sick/SICK_test.tsv.zst"], [], [("2x16,6x16,25x16", 16), TIGHT]),
    "ptb": (["language-model", "--train", "ptb/ptb.train.txt.zst", "--valid", "ptb/ptb.valid.txt.zst",
             "--test", "ptb/ptb.test.txt.zst"], ["--preset", "ptb-small", "--dimension", DIMENSION, "--epochs", 3],
            [("2x16,10x16,25x16", 40), TIGHT]),
}
CHOICES = ["random", "frequency", "straight-through", "learned"]
FIXED = ["vq", "sx", "vq-smaller", "sx-smaller"]
EMBEDDINGS = ["full", *FIXED, *CHOICES]


def command(options, task, extra, seed):
    files, settings, _ = TASKS[task]
    paths = [options.data / part if "/" in part else part for part in files[1:] + GLOVE]
    return [files[0], *paths, *settings, *extra, "--seed", seed]


def fixed_groups(bytes_kept, rows):
    """The fewest groups whose codes and codebooks take at least as many bytes, and the most that take at most as many."""
    def size(groups):
        return rows * -(-groups * 4 // 8) + 4 * CODES * groups * -(-DIMENSION // groups)
    possible = [g for g in range(1, DIMENSION + 1) if (g - 1) * -(-DIMENSION // g) < DIMENSION]
    return next(g for g in possible if size(g) >= bytes_kept), next(g for g in possible[::-1] if size(g) <= bytes_kept)


def main():
    parser = common.arguments(__doc__, "adaptive")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS), help="tasks to run")
    parser.add_argument("--bits", type=int, nargs="+", help="mean bits to run (default: all)")
    parser.add_argument("--embeddings", nargs="+", choices=EMBEDDINGS, default=EMBEDDINGS, help="what to run")
    parser.set_defaults(seeds=3)
    options = parser.parse_args()
    study = common.Study(options)
    rows, looks = [], []
    for task, (_, _, settings) in TASKS.items():
        def runs(name, extra, asked, task=task):
            found = [study.run(f"{task}-{name}-seed{seed}", command(options, task, extra, seed), only_known=not asked)
                     for seed in range(1, options.seeds + 1)]
            return [run for run in found if run]

        def asked(name, bits=None, task=task):
            return (task in options.only and name in options.embeddings
                    and (bits is None or not options.bits or bits in options.bits))

        full = runs("full", ["--embedding", "full"], asked("full"))
        add_row(rows, task, "full", None, full)
        for place, (tiers, bits) in enumerate(settings):
            prefix = "" if place == 0 else f"{bits}-bits-"
            made = {}
            for choice in CHOICES:
                made[choice] = runs(prefix + choice, ["--embedding", "adaptive", "--tiers", tiers, "--target-bits", bits,
                                                      "--tier-choice", choice], asked(choice, bits))
            if made["learned"]:
                first = made["learned"][0]
                larger, smaller = fixed_groups(max(run["embedding_bytes"] for run in made["learned"]), first["vocabulary"])
                for name in FIXED:
                    groups = smaller if name.endswith("-smaller") else larger
                    made[name] = runs(prefix + name, ["--embedding", name[:2], "--groups", groups, "--codes", CODES],
                                      asked(name, bits))
                looks += look(f"{task}, {bits} bits", made["learned"])
            for name in EMBEDDINGS[1:]:
                add_row(rows, task, name, f"{tiers} of {bits} bits", made.get(name))
    lines = common.table(
        ["data", "metric", "embedding", "codes", "bytes", "ratio of the file", "dev, mean ± deviation",
         "test, mean ± deviation", "seeds"], rows)
    study.write("Adaptive code lengths", lines + ["", "## Who gets the bits"] + looks)


def add_row(rows, task, name, tiers, found):
    """Appends what the runs of one kind came to."""
    if not found:
        return
    first = found[0]
    scale = 1 if first["metric"] == "perplexity" else 100
    rows.append([
        task, first["metric"], name, tiers if name in CHOICES else common.layout(first), str(first["embedding_bytes"]),
        f"{first['ratio']:.1f}", common.mean_and_deviation([scale * run["valid"] for run in found]),
        common.mean_and_deviation([scale * run["test"] for run in found]), str(len(found))])


def look(task, made):
    """Mean bits by use, association and label over the seeds, and words of the first one."""
    lines = ["", f"### {task}", ""]
    shares = [[tier["rows"] for tier in run["tiers"]] for run in made]
    head = [f"{tier['groups']} × {tier['codes']}, {tier['bits']} bits" for tier in made[0]["tiers"]]
    lines += common.table(["tier", *head], [
        ["rows, mean", *(f"{statistics.mean(counts):.0f}" for counts in zip(*shares))]])
    for member, title in [("bits_by_uses", "uses in training"), ("bits_by_association", "G of label against all words"),
                          ("bits_by_label", "most frequent label")]:
        bands = {}
        for run in made:
            for band in run.get(member, []):
                bands.setdefault(band["name"], []).append(band)
        if bands:
            lines += [""] + common.table([title, "rows", "mean bits"], [
                [name, f"{statistics.mean(band['rows'] for band in found):.0f}",
                 f"{statistics.mean(band['bits'] for band in found):.1f}"] for name, found in bands.items()])
    for end in ("longest", "shortest"):
        words = " ".join(made[0][end]).replace("|", "\\|").replace("`", "'")
        lines += ["", f"Most used words of the {end} tier: `{words}`"]
    return lines


if __name__ == "__main__":
    main()
