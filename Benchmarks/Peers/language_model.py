"""Trains the small recurrent language model (Zaremba et al. 2014) with `dpq train language-model` and with torch.

The same text, sizes, batch, steps, initial ranges, loss, clipping and step size; a full embedding on both sides.
  speed   words a second of processor time in training alone: torch around its loop after a warm-up; dpq as the
          difference of two runs that differ only in their number of batches
  curve   with --epoch: validation perplexity after one whole epoch on both sides

Usage: language_model.py --dpq PATH --train FILE --valid FILE --test FILE [--threads 1] [--batches 100] [--epoch]
Needs torch. Files are plain text.
"""

import argparse
import collections
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

BATCH, STEPS, WIDTH, SCALE, CLIP = 20, 20, 200, 0.1, 5.0


def tokens(path):
    with open(path, encoding="utf-8") as file:
        return [word for line in file for word in line.split() + ["<eos>"]]


def numbered(arguments):
    train = tokens(arguments.train)
    words = collections.Counter(train)
    ids = {word: i for i, word in enumerate(sorted(words, key=lambda w: (-words[w], w.encode())))}
    return len(ids), [ids[w] for w in train], [ids[w] for w in tokens(arguments.valid)]


class Torch:
    def __init__(self, rows, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.embedding = torch.nn.Embedding(rows, WIDTH)
        self.lstm = torch.nn.LSTM(WIDTH, WIDTH, 2)
        self.output = torch.nn.Linear(WIDTH, rows)
        self.parameters = [p for m in (self.embedding, self.lstm, self.output) for p in m.parameters()]
        for parameter in self.parameters:
            torch.nn.init.uniform_(parameter, -SCALE, SCALE)

    def logits(self, ids, state):
        hidden, state = self.lstm(self.embedding(ids), state)
        return self.output(hidden), tuple(s.detach() for s in state)

    def step(self, inputs, targets, state):
        logits, state = self.logits(inputs, state)
        loss = self.torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / BATCH
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        with self.torch.no_grad():
            for parameter in self.parameters:
                parameter -= parameter.grad  # a step size of 1
        return state

    def batches(self, text):
        share = len(text) // BATCH
        streams = self.torch.tensor(text[: share * BATCH]).view(BATCH, share).t().contiguous()
        for first in range(0, share - 1 - STEPS + 1, STEPS):
            yield streams[first : first + STEPS], streams[first + 1 : first + STEPS + 1]

    def speed(self, text, batches):
        state, rates = None, []
        for index, (inputs, targets) in enumerate(self.batches(text)):
            start = time.process_time()
            state = self.step(inputs, targets, state)
            rates.append(BATCH * STEPS / (time.process_time() - start))
            if index == batches + 10:
                break
        return len(rates[10:]) / sum(1 / r for r in rates[10:])

    def epoch(self, text):
        state = None
        for inputs, targets in self.batches(text):
            state = self.step(inputs, targets, state)

    def perplexity(self, text):
        total, state = 0.0, None
        ids = self.torch.tensor(text).view(-1, 1)
        with self.torch.no_grad():
            for first in range(0, len(text) - 1, 500):
                last = min(first + 500, len(text) - 1)
                logits, state = self.logits(ids[first:last], state)
                wanted = ids[first + 1 : last + 1].flatten()
                total += self.torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted, reduction="sum").item()
        return math.exp(total / (len(text) - 1))


def dpq(arguments, *options):
    """The report of a run, and the processor seconds that it took."""
    command = [arguments.dpq, "train", "language-model", "--preset", "ptb-small", "--embedding", "full", "--json", "-q"]
    command += ["--train", arguments.train, "--valid", arguments.valid, "--test", arguments.test]
    command += ["--threads", str(arguments.threads), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        sys.exit(f"dpq failed: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def dpq_speed(arguments):
    few, many = 10, 10 + arguments.batches
    seconds = dpq(arguments, "--steps", str(many))[1] - dpq(arguments, "--steps", str(few))[1]
    return (many - few) * BATCH * STEPS / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--dpq", "--train", "--valid", "--test"):
        parser.add_argument(name, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epoch", action="store_true")
    arguments = parser.parse_args()

    rows, train, valid = numbered(arguments)
    own, peer = [], []
    for _ in range(arguments.repeats):
        own.append(dpq_speed(arguments))
        peer.append(Torch(rows, arguments.threads).speed(train, arguments.batches))
    result = {
        "threads": arguments.threads,
        "words_per_cpu_second": {"dpq": statistics.median(own), "torch": statistics.median(peer)},
        "ratio": statistics.median(own) / statistics.median(peer),
        "runs": {"dpq": own, "torch": peer},
    }
    if arguments.epoch:
        report = dpq(arguments, "--epochs", "1")[0]
        model = Torch(rows, arguments.threads)
        model.epoch(train)
        result["valid_after_one_epoch"] = {"dpq": report["valid"], "torch": model.perplexity(valid)}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
