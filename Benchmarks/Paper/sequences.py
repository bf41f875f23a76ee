#!/usr/bin/env python3
"""Sequence tagging and inference between sentences: the full table, SX, VQ and the baselines, all from GloVe.

Chunking is CoNLL-2000 (a tenth of the training sentences, by the seed, chooses the epoch), inference SICK, and SNLI's dev
pairs trained on for its test pairs.
"""

import common

TASKS = {
    "conll2000": ("tag", ["--train", "conll2000/train.txt.zst", "--test", "conll2000/test.txt.zst"], []),
    "conll2000-crf": ("tag", ["--train", "conll2000/train.txt.zst", "--test", "conll2000/test.txt.zst"],
                      ["--decoder", "crf"]),
    "sick": ("infer", ["--train", "sick/SICK_train.tsv.zst", "--dev", "sick/SICK_dev.tsv.zst",
                       "--test", "sick/SICK_test.tsv.zst"], []),
    "snli": ("infer", ["--train", "snli-devtest/dev.tsv.zst", "--test", "snli-devtest/test.tsv.zst"], ["--epochs", 8]),
}
VECTORS = ["--pretrained", "embeddings/glove.6B.50d.top100k.f32.npy.zst",
           "--vocabulary", "embeddings/glove.6B.50d.top100k.vocab.txt.zst"]
CODED = ["--groups", 25, "--codes", 16]
EMBEDDINGS = {"full": [], "sx": CODED, "vq": CODED}
BASELINES = {"scalar8": [], "scalar4": [], "pq": CODED, "dpq-table": CODED}


def command(options, task, embedding, extra, seed):
    name, files, settings = TASKS[task]
    paths = [part if part.startswith("--") else options.data / part for part in files + VECTORS]
    return [name, *paths, *settings, "--embedding", embedding, *extra, "--seed", seed]


def main():
    parser = common.arguments(__doc__, "sequences")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS), help="data sets to run")
    parser.add_argument("--without-baselines", action="store_true")
    parser.set_defaults(seeds=3)
    options = parser.parse_args()
    study = common.Study(options)
    rows = []
    for task in TASKS:
        kinds = EMBEDDINGS if options.without_baselines else {**EMBEDDINGS, **BASELINES}
        for embedding, extra in kinds.items():
            made = [study.run(f"{task}-{embedding}-seed{seed}", command(options, task, embedding, extra, seed),
                              only_known=task not in options.only) for seed in range(1, options.seeds + 1)]
            made = [run for run in made if run]
            if not made:
                continue
            first = made[0]
            rows.append([
                task, first["metric"], embedding, common.layout(first), f"{first['ratio_paper']:.1f}",
                f"{first['ratio']:.1f}", common.mean_and_deviation([100 * run["valid"] for run in made]),
                common.mean_and_deviation([100 * run["test"] for run in made]), str(len(made)),
                f"{sum(run.get('cpu_seconds') or run['seconds'] for run in made) / len(made):.0f} s"])
            # A table of what is there so far.
            study.write("Tagging and inference", common.table(
                ["data", "metric, %", "embedding", "groups × codes", "ratio as papers count", "ratio of the file",
                 "dev, mean ± deviation", "test, mean ± deviation", "seeds", "processor time a run"], rows))


if __name__ == "__main__":
    main()
