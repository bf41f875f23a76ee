#!/usr/bin/env python3
"""Language modelling: the full table, SX and VQ at the papers' settings, and the baselines.

The epoch with the lowest validation perplexity is tested. Runs take hours; one that was stopped goes on at its last epoch.
"""

import common

DATA = {
    "ptb": [("train", "ptb/ptb.train.txt.zst"), ("valid", "ptb/ptb.valid.txt.zst"), ("test", "ptb/ptb.test.txt.zst")],
    "wikitext2": [("train", "wikitext-2/wiki.train.tokens.zst"), ("valid", "wikitext-2/wiki.valid.tokens.zst"),
                  ("test", "wikitext-2/wiki.test.tokens.zst")],
}
CODED = ["--groups", 25, "--codes", 8, "--shared"]
EMBEDDINGS = {
    "full": ["--embedding", "full"],
    "sx": ["--embedding", "sx", *CODED],
    "vq": ["--embedding", "vq", "--groups", 25, "--codes", 32, "--shared"],
    "sx, small queries": ["--embedding", "sx", *CODED, "--query-scale", 0.03],
}
# The small preset trains without dropout, as the papers do, and then the full table overfits.
WITH_DROPOUT = {f"{name}, keep 0.9": [*EMBEDDINGS[name], "--keep", 0.9] for name in ("full", "vq", "sx, small queries")}
# The full table is at its best after five or six epochs: a step size that falls sooner suits it.
EARLIER = {"full, decay after 3": [*EMBEDDINGS["full"], "--decay-after", 3]}
BASELINES = {
    **{name: ["--embedding", name] for name in ("scalar8", "scalar6", "scalar4")},
    "low-rank": ["--embedding", "low-rank", *CODED],
    "pq": ["--embedding", "pq", *CODED],
    "dpq-table": ["--embedding", "dpq-table", *CODED],
    "pq, more bits": ["--embedding", "pq", "--groups", 100, "--codes", 16],
}


def main():
    parser = common.arguments(__doc__, "language-model")
    parser.add_argument("--only", nargs="+", choices=list(DATA), default=list(DATA), help="data sets to run")
    parser.add_argument("--sizes", nargs="+", choices=["small", "medium"], default=["small"])
    parser.add_argument("--epochs", type=int, help="fewer or more passes than the preset has")
    parser.add_argument("--embeddings", nargs="+", choices=[*EMBEDDINGS, *EARLIER, *WITH_DROPOUT, *BASELINES],
                        help="what to run (default: all on PTB small, no dropout and no baselines elsewhere)")
    parser.set_defaults(seeds=1)
    options = parser.parse_args()
    study = common.Study(options)
    rows = []
    for data in DATA:
        files = [part for name, file in DATA[data] for part in (f"--{name}", options.data / file)]
        for size in ("small", "medium"):
            kinds = {**EMBEDDINGS, **({**EARLIER, **WITH_DROPOUT, **BASELINES} if (data, size) == ("ptb", "small") else {})}
            for name, extra in kinds.items():
                asked = data in options.only and size in options.sizes and name in (options.embeddings or kinds)
                made = []
                for seed in range(1, options.seeds + 1):
                    command = ["language-model", *files, "--preset", f"{data}-{size}", *extra, "--seed", seed]
                    if options.epochs:
                        command += ["--epochs", options.epochs]
                    made.append(study.run(f"{data}-{size}-{name.replace(', ', '-').replace(' ', '-')}-seed{seed}", command,
                                          only_known=not asked))
                made = [run for run in made if run]
                if made:
                    first = made[0]
                    rows.append([f"{data} {size}", name, common.layout(first), f"{first['ratio_paper']:.1f}",
                                 f"{first['ratio']:.1f}",
                                 common.mean_and_deviation([run["valid"] for run in made]),
                                 common.mean_and_deviation([run["test"] for run in made]), str(len(made)),
                                 f"{first['best_epoch']} of {first['epochs']}", f"{first['seconds'] / 3600:.1f} h"])
                    # A table of what is there so far, after every run.
                    study.write("Language modelling", common.table(
                        ["data", "embedding", "groups × codes", "ratio as papers count", "ratio of the file",
                         "validation perplexity", "test perplexity", "seeds", "best epoch", "time a run"], rows)
                        + ["", "The presets have more epochs (13 for PTB small) than some runs here: those were stopped, "
                           "and the best epoch until then tested. pq and dpq-table code the table of the full model; nothing is "
                           "trained after that."])


if __name__ == "__main__":
    main()
