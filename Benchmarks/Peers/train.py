"""A DPQ layer's step, forward and backward with all gradients: torch in two forms, each eager and compiled, and dpq.

Codes are indices in both, never one-hot, and responses batched matrix products. "torch autograd" is the layer as one
writes it in a model: rows as they come, gradients by autograd. "torch" is written by hand without autograd, as fast as it
gets: groups lie apart before the clock starts, and go a few at a time so that responses stay in the cache; the eager form
writes into memory taken before, the compiled one is the same without, which torch.compile fuses best.
"""

import sys

import numpy as np
import torch

from common import compare_codes, in_turn, record

# dimension, groups, codes
SHAPES = [(512, 128, 16), (256, 64, 32), (512, 64, 256), (128, 32, 256)]


class TorchStep:
    """Queries are also the gradient from above; keys are also the values, as in `dpq bench train`."""

    def __init__(self, query, keys, chunk):
        self.query = torch.from_numpy(np.ascontiguousarray(query.transpose(1, 0, 2)))  # group, row, coordinate
        self.keys = torch.from_numpy(keys)
        self.norms = self.keys.square().sum(dim=2)[:, None, :]
        self.chunk = chunk
        self.codes = torch.empty(self.query.shape[:2], dtype=torch.int64)
        self.output = torch.empty_like(self.query)
        self.query_gradient = torch.empty_like(self.query)
        self.key_gradient = torch.empty_like(self.keys)
        self.value_gradient = torch.zeros_like(self.keys)

    def parts(self):
        groups = self.keys.shape[0]
        return (slice(first, min(groups, first + self.chunk)) for first in range(0, groups, self.chunk))

    def choose(self, responses, part):
        codes = torch.argmax(responses, dim=2, out=self.codes[part])
        index = codes[:, :, None].expand(-1, -1, self.keys.shape[2])
        torch.gather(self.keys[part], 1, index, out=self.output[part])
        return index

    def sx(self):
        for part in self.parts():
            query, keys = self.query[part], self.keys[part]
            responses = torch.bmm(query, keys.transpose(1, 2))
            index = self.choose(responses, part)
            self.value_gradient[part].zero_().scatter_add_(1, index, query)
            shares = torch.softmax(responses, dim=2)
            gradient = torch.bmm(query, keys.transpose(1, 2))
            gradient.sub_((gradient * shares).sum(dim=2, keepdim=True)).mul_(shares)
            torch.bmm(gradient, keys, out=self.query_gradient[part])
            torch.bmm(gradient.transpose(1, 2), query, out=self.key_gradient[part])

    def vq(self):
        scale = 2 / self.query.numel()
        for part in self.parts():
            query, keys = self.query[part], self.keys[part]
            responses = torch.baddbmm(self.norms[part], query, keys.transpose(1, 2), beta=-1, alpha=2)
            index = self.choose(responses, part)
            difference = self.output[part] - query
            self.key_gradient[part].zero_().scatter_add_(1, index, difference)
            self.key_gradient[part].mul_(scale)
            torch.add(query, difference, alpha=-0.25 * scale, out=self.query_gradient[part])


def sx_part(query, keys):
    responses = torch.bmm(query, keys.transpose(1, 2))
    codes = torch.argmax(responses, dim=2)
    index = codes[:, :, None].expand(-1, -1, keys.shape[2])
    output = torch.gather(keys, 1, index)
    values = torch.zeros_like(keys).scatter_add_(1, index, query)
    shares = torch.softmax(responses, dim=2)
    gradient = torch.bmm(query, keys.transpose(1, 2))
    gradient = (gradient - (gradient * shares).sum(dim=2, keepdim=True)) * shares
    return codes, output, torch.bmm(gradient, keys), torch.bmm(gradient.transpose(1, 2), query), values


def vq_part(query, keys, norms, scale: float):
    responses = torch.baddbmm(norms, query, keys.transpose(1, 2), beta=-1, alpha=2)
    codes = torch.argmax(responses, dim=2)
    index = codes[:, :, None].expand(-1, -1, keys.shape[2])
    output = torch.gather(keys, 1, index)
    difference = output - query
    return (codes, output, torch.add(query, difference, alpha=-0.25 * scale),
            torch.zeros_like(keys).scatter_add_(1, index, difference) * scale)


def compiled(step, variant):
    """The step by torch.compile, once it has agreed with the eager one; nothing where this torch cannot compile."""
    function = torch.compile(sx_part if variant == "sx" else vq_part, dynamic=False)
    scale = 2 / step.query.numel()

    def run():
        for part in step.parts():
            more = () if variant == "sx" else (step.norms[part], scale)
            step.compiled = function(step.query[part], step.keys[part], *more)

    try:
        run()
    except Exception as error:  # no compiler, or a torch without one
        print(f"torch.compile: {str(error).splitlines()[0]}", file=sys.stderr)
        return None
    getattr(step, variant)()
    *_, last = step.parts()
    require_same("torch compiled", step.compiled[2:4], (step.query_gradient[last], step.key_gradient[last]))
    return run


def require_same(name, gradients, references):
    """Gradients of queries and keys, in one layout; they differ where codes are near ties."""
    for gradient, reference in zip(gradients, references):
        if (gradient - reference).norm() > 0.01 * reference.norm():
            sys.exit(f"{name} does not compute the same step")


def codewords(books, codes):
    """The codewords of each row and group; the gradient of an embedding adds up faster than that of an index."""
    first = torch.arange(books.shape[0]) * books.shape[1]
    return torch.nn.functional.embedding(codes + first, books.reshape(-1, books.shape[2]))


def responses(query, keys):
    return torch.bmm(query.transpose(0, 1), keys.transpose(1, 2))  # group, row, code


def sx_loss(query, keys, values, upstream):
    logits = responses(query, keys)
    codes = logits.argmax(dim=2).t()
    soft = torch.bmm(torch.softmax(logits, dim=2), values.detach()).transpose(0, 1)
    output = codewords(values, codes) + (soft - soft.detach())  # straight through: the output is the codeword
    return (output * upstream).sum(), codes, output


def vq_loss(query, keys, values, upstream):
    codes = (2 * responses(query, keys) - keys.square().sum(dim=2)[:, None, :]).detach().argmax(dim=2).t()
    nearest = codewords(keys, codes)
    output = query + (nearest - query).detach()
    regularization = (nearest - query.detach()).square().mean() + 0.25 * (query - nearest.detach()).square().mean()
    return (output * upstream).sum() + regularization, codes, output


class AutogradStep:
    """The same work; codes, output and gradients are left behind."""

    def __init__(self, rows, keys, loss):
        self.upstream = torch.from_numpy(rows)
        self.query, self.keys, self.values = (
            torch.from_numpy(part.copy()).requires_grad_() for part in (rows, keys, keys))
        self.loss = loss

    def run(self):
        self.query.grad = self.keys.grad = self.values.grad = None
        loss, self.codes, self.output = self.loss(self.query, self.keys, self.values, self.upstream)
        loss.backward()


def autograd(rows, keys, variant):
    """The step by autograd, eager and compiled."""
    loss = sx_loss if variant == "sx" else vq_loss
    ways = {"torch autograd": AutogradStep(rows, keys, loss)}
    try:
        step = AutogradStep(rows, keys, torch.compile(loss, dynamic=False))
        step.run()
        ways["torch autograd compiled"] = step
    except Exception as error:  # no compiler, or a torch without one
        print(f"torch.compile: {str(error).splitlines()[0]}", file=sys.stderr)
    return ways


def measure(run, variant, batch, dimension, groups, codes):
    generator = np.random.default_rng(dimension + groups)
    width = dimension // groups
    rows = generator.standard_normal((batch, dimension), np.float32)
    keys = generator.standard_normal((groups, codes, width), np.float32)
    np.save(run.path("rows.npy"), rows)
    np.save(run.path("codebook.npy"), keys)
    # A few megabytes of responses at a time did best, whole tensors worst.
    step = TorchStep(rows.reshape(batch, groups, width), keys, max(1, (1 << 20) // (batch * codes)))

    def with_dpq():
        return run.seconds(run.bench(
            "train", "--variant", variant, "--batch", batch, "--input", run.path("rows.npy"), "--codebook",
            run.path("codebook.npy"), "--codes-out", run.path("codes.npy")))

    by_hand = getattr(step, variant)
    by_hand()
    ways = {"torch": run.timed(by_hand)}
    if with_compiled := compiled(step, variant):
        ways["torch compiled"] = run.timed(with_compiled)
    for name, way in autograd(rows.reshape(batch, groups, width), keys, variant).items():
        way.run()
        require_same(name, (way.query.grad.transpose(0, 1), way.keys.grad), (step.query_gradient, step.key_gradient))
        ways[name] = run.timed(way.run)
    seconds = in_turn(run.rounds, {**ways, "dpq": with_dpq})
    ours, theirs = np.load(run.path("codes.npy")), step.codes.t().numpy().astype(np.uint8)
    if variant == "vq":
        gap = compare_codes(rows, keys, ours, theirs)
        check = max(gap["nearer"], gap["farther"])
    else:
        places = np.nonzero(ours != theirs)
        query = rows.reshape(batch, groups, width)[places].astype(np.float64)
        a = (query * keys[places[1], ours[places]]).sum(axis=1)
        b = (query * keys[places[1], theirs[places]]).sum(axis=1)
        check = float(np.abs((a - b) / np.maximum(np.abs(a), 1e-30)).max(initial=0.0))
    products = 4 if variant == "sx" else 1
    return record(
        "train", {"variant": variant, "batch": batch, "dimension": dimension, "groups": groups, "codes": codes}, run,
        seconds, batch / 1e3, "thousand rows/s", "dpq", codes_equal=check < 1e-4, largest_gap=check,
        gflops_per_rate=2e-6 * products * dimension * codes)


def run(run):
    for variant in ("sx", "vq"):
        for shape in filter(lambda shape: run.wants(*shape), SHAPES[1:2] if run.quick else SHAPES):
            yield measure(run, variant, 2048 if run.quick else 8192, *shape)
