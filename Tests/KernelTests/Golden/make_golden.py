"""Reference values of one training step of a DPQ layer, in float64 with numpy alone.

Gradients are complex-step derivatives, exact to rounding, of the function whose gradient the straight-through estimator
takes: the choice of codes and what stands behind a stop of the gradient are constants. Form of the files:
Tests/KernelTests/GoldenTests.swift. Usage: make_golden.py FOLDER SEED
"""

import sys

import numpy as np
from safetensors.numpy import save_file

STEP = 1e-100
EPSILON = 1e-3
# name, variant, batch, groups, codes, width, shared, batchnorm, temperature
CASES = [
    ("small_sx", "sx", 5, 3, 6, 4, False, False, 1.0),
    ("small_sx_batchnorm", "sx", 9, 2, 16, 4, False, True, 0.7),
    ("small_sx_shared_batchnorm", "sx", 6, 4, 8, 3, True, True, 1.0),
    ("small_vq", "vq", 7, 3, 17, 2, False, False, 1.0),
    ("small_vq_batchnorm", "vq", 6, 3, 5, 5, False, True, 1.0),
    ("small_vq_shared_batchnorm", "vq", 5, 4, 8, 3, True, True, 1.0),
]


def respond(variant, batchnorm, query, keys):
    keys = np.broadcast_to(keys, (query.shape[1],) + keys.shape[1:])
    if variant == "sx":
        response = np.einsum("bds,dks->bdk", query, keys)
    else:
        difference = query[:, :, None, :] - keys[None]
        response = -(difference * difference).sum(axis=-1)
    mean = response.mean(axis=(0, 1))
    variance = ((response - mean) ** 2).mean(axis=(0, 1))
    return (response - mean) / np.sqrt(variance + EPSILON) if batchnorm else response, mean, variance


def chosen(codebook, codes):
    return codebook[np.minimum(np.arange(codes.shape[1]), codebook.shape[0] - 1)[None, :], codes]


def derivative(function, point):
    """d function / d point of a real function, a value at a time."""
    gradient = np.empty(point.shape)
    for place in np.ndindex(point.shape):
        moved = point.astype(complex)
        moved[place] += STEP * 1j
        gradient[place] = function(moved).imag / STEP
    return gradient


def case(random, variant, batch, groups, codes, width, shared, batchnorm, temperature):
    books = 1 if shared else groups

    def draw(*shape):
        return (random.standard_normal(shape) * 0.5).astype(np.float32).astype(np.float64)

    query, keys, values = draw(batch, groups, width), draw(books, codes, width), draw(books, codes, width)
    upstream = draw(batch, groups, width)
    response, mean, variance = respond(variant, batchnorm, query, keys)
    code = response.argmax(axis=-1)
    result = {"query": query, "keys": keys, "upstream": upstream, "codes": code.astype(np.int32),
              "response_mean": mean, "response_variance": variance}
    if variant == "sx":
        rewards = np.einsum("bds,dks->bdk", upstream, np.broadcast_to(values, (groups, codes, width)))

        def loss(query, keys):
            response, _, _ = respond(variant, batchnorm, query, keys)
            shares = np.exp((response - response.real.max(axis=-1, keepdims=True)) / temperature)
            return (shares / shares.sum(axis=-1, keepdims=True) * rewards).sum()

        result |= {
            "values": values, "output": chosen(values, code), "regularization": np.zeros(1),
            "query_gradient": derivative(lambda x: loss(x, keys), query),
            "key_gradient": derivative(lambda x: loss(query, x), keys),
            "value_gradient": derivative(lambda x: (chosen(x, code) * upstream).sum(), values)}
    else:
        def regularization(keys):
            return ((chosen(keys, code) - query) ** 2).mean()

        result |= {
            "output": chosen(keys, code), "regularization": np.array([regularization(keys)]),
            "query_gradient": upstream, "key_gradient": derivative(regularization, keys)}
    return result


def main(folder, seed):
    random = np.random.default_rng(seed)
    for name, *settings in CASES:
        fields = ("variant", "batch", "groups", "codes", "width", "shared", "batchnorm", "temperature")
        metadata = dict(zip(fields, map(str, settings))) | {"epsilon": str(EPSILON), "seed": str(seed)}
        tensors = {key: np.ascontiguousarray(value) for key, value in case(random, *settings).items()}
        save_file(tensors, f"{folder}/{name}.safetensors", metadata)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
