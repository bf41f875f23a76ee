"""Reading, against rows decoded by numpy."""

import gc
import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from tables import random_table

import dpq


def test_what_it_is(sample, table):
    assert table.shape == sample.rows.shape == (table.rows, table.dimension) and len(table) == 300
    assert table.metric == table.metadata("metric")
    assert table.file_bytes == sample.path.stat().st_size
    assert table.metadata("recipe") == '{"method":"test"}' and table.metadata("no such key") is None
    assert "300 x 50" in repr(table)
    table.verify()


def test_rows(sample, table):
    rows = sample.rows
    assert np.array_equal(table[:], rows) and np.array_equal(np.asarray(table), rows)
    for key in (3, np.int32(3), -1, -300, slice(5, 9), slice(None, None, -7), slice(9, 5), slice(-3, None)):
        assert np.array_equal(table[key], rows[key]), key
    for ids in ([5, 5, 0], np.array([[1, 2], [3, 299]], np.uint16), (7, 8), [], np.arange(300)[::-3]):
        assert np.array_equal(table[ids], rows[np.asarray(ids, np.int64)]), ids
    assert table[np.zeros((2, 0, 3), int)].shape == (2, 0, 3, 50)
    assert np.array_equal(np.stack(list(table)), rows)


@pytest.mark.parametrize("key", [300, -301, [300], [-1], [0, 1, 2**62], np.array([2**64 - 1], np.uint64)])
def test_rows_outside(table, key):
    with pytest.raises(IndexError) as caught:
        table[key]
    assert isinstance(caught.value, dpq.Error)


@pytest.mark.parametrize("key", [1.5, [1.5], np.array([True, False]), None, object()])
def test_ids_that_are_none(table, key):
    with pytest.raises((TypeError, ValueError)):
        table[key]


def test_lookup_into_memory_of_the_caller(sample, table):
    ids = np.array([3, 299, 3])
    out = np.full((3, 50), -1, np.float32)
    assert table.lookup(ids, out) is out and np.array_equal(out, sample.rows[ids])
    wide = np.full((3, 60), -1, np.float32)
    table.lookup(ids, wide[:, 5:55])
    assert np.array_equal(wide[:, 5:55], sample.rows[ids])
    assert (wide[:, :5] == -1).all() and (wide[:, 55:] == -1).all()

    half = np.full((3, 60), -1, np.float16)
    assert np.array_equal(table.lookup(ids, half[:, 5:55]), sample.rows[ids].astype(np.float16))
    assert (half[:, :5] == -1).all() and (half[:, 55:] == -1).all()

    before = out.copy()
    with pytest.raises(dpq.RowError):
        table.lookup([0, 1, 300], out)
    assert np.array_equal(out, before)
    read_only = np.zeros((3, 50), np.float32)
    read_only.flags.writeable = False
    transposed = np.zeros((50, 3), np.float32).T
    for bad in (np.zeros((3, 50)), np.zeros((2, 50), np.float32), read_only, transposed, out[::-1], [0.0]):
        with pytest.raises(ValueError):
            table.lookup(ids, bad)


def test_ids_outside_by_choice(sample, table):
    zero, last = table.lookup([0, -1, 300], outside="zero"), table.lookup([0, -1, 300], outside="last")
    assert np.array_equal(zero[0], sample.rows[0]) and not zero[1:].any()
    assert np.array_equal(last[1:], sample.rows[[299, 299]])
    with pytest.raises(ValueError, match="outside='wrap'"):
        table.lookup([0], outside="wrap")


def test_words(sample, table):
    assert table.has_words and list(table.words) == sample.words and table.words[1] == "naïve"
    assert table.words[-1] == "w299" and table.words[2:4] == ["new york", "😀"] and len(table.words) == 300
    assert "😀" in table and "" in table and "absent" not in table and 3 not in table and "w4" in table.words
    assert table.find("new york") == 2 and table.find("absent") is None and table.words.index("w17") == 17
    assert np.array_equal(table["naïve"], sample.rows[1])
    assert np.array_equal(table[["w9", "w4"]], sample.rows[[9, 4]])
    with pytest.raises(KeyError, match="'absent' is not in the table") as caught:
        table["absent"]
    assert isinstance(caught.value, dpq.WordError) and str(caught.value) == "the word 'absent' is not in the table"
    with pytest.raises(IndexError):
        table.word(300)
    with pytest.raises(IndexError):
        table.words[-301]


def test_without_words(tmp_path):
    table = dpq.open(random_table(tmp_path / "plain.dpq", words=False).path)
    assert not table.has_words and "w4" not in table
    assert table.neighbors(table[7], k=1)[0][::2] == (7, None)
    for call in (lambda: table.words, lambda: table["w4"], lambda: table.word(3)):
        with pytest.raises(dpq.WordError):
            call()


def test_bags(sample, table):
    random = np.random.default_rng(3)
    ids, weights = random.integers(0, 300, 100), random.standard_normal(100).astype(np.float32)
    offsets = np.array([0, 0, 1, 40, 100])
    spans = list(zip(offsets, [*offsets[1:], 100]))
    wide = sample.rows.astype(np.float64)
    sums = np.stack([wide[ids[a:b]].sum(0) for a, b in spans])
    means = np.stack([wide[ids[a:b]].sum(0) / max(b - a, 1) for a, b in spans])
    weighted = np.stack([(wide[ids[a:b]] * weights[a:b, None]).sum(0) for a, b in spans])
    assert np.allclose(table.bag(ids, offsets), sums, atol=1e-4)
    assert np.allclose(table.bag(ids, offsets, "mean"), means, atol=1e-5)
    assert np.allclose(table.bag(ids, offsets, weights=weights), weighted, atol=1e-4)
    square = ids.reshape(10, 10)
    out = np.empty((10, 50), np.float32)
    assert table.bag(square, out=out) is out and np.allclose(out, wide[square].sum(1), atol=1e-4)
    assert np.allclose(table.bag(square, weights=weights.reshape(10, 10), mode="sum")[3],
                       (wide[square[3]] * weights[30:40, None]).sum(0), atol=1e-4)
    assert table.bag(np.zeros((0, 5), int)).shape == (0, 50) and not table.bag(np.zeros((5, 0), int)).any()
    assert np.allclose(table.bag([0, 400], [0], outside="zero"), sample.rows[:1])
    for bad in (
        lambda: table.bag(ids),
        lambda: table.bag(square, offsets),
        lambda: table.bag(ids, [1, 2]),
        lambda: table.bag(ids, [0, 50, 40]),
        lambda: table.bag(ids, [0], "median"),
        lambda: table.bag(ids, [0], weights=[1.0]),
        lambda: table.bag(ids, [0], "mean", weights),
    ):
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(IndexError):
        table.bag([300], [0])


def test_products(sample, table):
    random = np.random.default_rng(4)
    queries = random.standard_normal((3, 50)).astype(np.float32)
    expected = queries.astype(np.float64) @ sample.rows.T.astype(np.float64)
    bound = 1e-5 * np.abs(queries).astype(np.float64) @ np.abs(sample.rows.T)
    assert (np.abs(table.dot(queries[0]) - expected[0]) <= bound[0] + 1e-6).all()
    assert (np.abs(table.dot(queries) - expected) <= bound + 1e-6).all()
    ids = np.array([[5, 299], [5, 0]])
    assert np.array_equal(table.dot(queries, ids), table.dot(queries)[:, ids])
    assert table.dot(queries[0], 7).shape == () and float(table.dot(queries[0], 7)) == table.dot(queries[0])[7]
    assert table.dot(queries, []).shape == (3, 0) and table.dot(queries[:0]).shape == (0, 300)
    assert np.array_equal(table.dot(queries[0].astype(np.float64)), table.dot(queries[0]))
    out = np.empty((3, 300), np.float32)
    assert table.dot(queries, out=out) is out and np.array_equal(out, table.dot(queries))
    for bad in (queries[:, :49], 1.0, queries[None], np.array(["a"] * 50)):
        with pytest.raises(ValueError):
            table.dot(bad)
    with pytest.raises(IndexError):
        table.dot(queries, [300])
    with pytest.raises(ValueError):
        table.dot(queries, out=out[:, ::2])


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_neighbors(sample, table, metric):
    wide = sample.rows.astype(np.float64)
    query = wide[9]
    lengths = np.linalg.norm(wide, axis=1)
    products = wide @ query
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.nan_to_num(products / lengths / lengths[9])
    scores = {"dot": products, "cosine": cosine, "l2": ((wide - query) ** 2).sum(1)}[metric]
    scores[9] = np.inf if metric == "l2" else -np.inf
    best = np.sort(scores)[:10] if metric == "l2" else np.sort(scores)[::-1][:10]
    near = table.neighbors("w9", metric=metric)
    assert len(near) == 10 and np.allclose([n.score for n in near], best, rtol=1e-4, atol=1e-3)
    assert np.allclose([scores[n.id] for n in near], best, rtol=1e-4, atol=1e-3)
    assert all(n.word == sample.words[n.id] for n in near)
    assert table.neighbors(table[9], metric=metric, exclude=9) == near
    assert len(table.neighbors(table[9], k=1000)) == 300 and table.neighbors("w9", k=0) == []


def test_neighbors_refuses(table):
    for bad in (lambda: table.neighbors([np.nan] * 50), lambda: table.neighbors([1.0]),
                lambda: table.neighbors("w9", k=-1), lambda: table.neighbors("w9", metric="l1")):
        with pytest.raises(ValueError):
            bad()


def test_open_refuses(tmp_path, sample):
    with pytest.raises(FileNotFoundError, match="missing.dpq"):
        dpq.open(tmp_path / "missing.dpq")
    (tmp_path / "text.dpq").write_text("no table " * 20)
    with pytest.raises(dpq.FormatError):
        dpq.open(tmp_path / "text.dpq")
    whole = sample.path.read_bytes()
    (tmp_path / "cut.dpq").write_bytes(whole[:-1])
    with pytest.raises(dpq.FormatError, match="cut.dpq"):
        dpq.open(str(tmp_path / "cut.dpq"))
    (tmp_path / "changed.dpq").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with dpq.open(tmp_path / "changed.dpq") as table, pytest.raises(dpq.FormatError, match="checksum"):
        table.verify()
    with pytest.raises(ValueError):
        dpq.open(sample.path, mode="memory")
    with pytest.raises(ValueError):
        dpq.open("a\0b")


@pytest.mark.parametrize("mode", ["map", "read", "large_pages"])
def test_open_modes(sample, mode):
    with dpq.open(sample.path, mode) as table:
        assert np.array_equal(table[:], sample.rows)


def test_from_buffer(sample):
    table = dpq.from_buffer(np.fromfile(sample.path, np.uint8))
    gc.collect()
    assert np.array_equal(table[:], sample.rows)
    table.verify()
    with pytest.raises(ValueError):
        dpq.from_buffer(b"")


def test_closing(sample):
    table = dpq.open(sample.path)
    table.close()
    table.close()
    assert table.closed and "closed" in repr(table) and len(table) == 300
    for call in (lambda: table[0], lambda: table.find("w4"), lambda: table.dot(np.zeros(50)), table.verify):
        with pytest.raises(dpq.Error, match="closed"):
            call()


def test_many_threads(sample):
    table, wrong = dpq.open(sample.path), []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(100):
            ids = random.integers(0, 300, 200)
            if not np.array_equal(table[ids], sample.rows[ids]) or table.neighbors("w9", 1)[0].id == 9:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_errors_are_plain():
    assert issubclass(dpq.Error, Exception)
    error = pickle.loads(pickle.dumps(dpq.RowError("row 9")))
    assert str(error) == "row 9"
    assert dpq.__version__.count(".") == 2


def test_tiers(sample, table):
    (tier,) = table.tiers
    assert (tier.kind, tier.groups, tier.codes, tier.bits) == ("concat", 17, 32, 5)
    assert tier.rows == 300 and tier.row_bytes == 11
    assert np.array_equal(table.tier_of([[0, 299]]), [[0, 0]])
    with pytest.raises(dpq.RowError):
        table.tier_of([300])


def test_several_tiers():
    golden = Path(__file__).parents[1] / "DPQTests" / "Fixtures" / "golden_tiers.dpq"
    with dpq.open(golden) as table:
        assert len(table.tiers) == int(table.metadata("tiers")) > 1
        for index, tier in enumerate(table.tiers):
            for field in ("kind", "groups", "codes", "bits", "rows"):
                assert str(getattr(tier, field)) == table.metadata(f"tier.{index}.{field}")
        # The map as docs/format.md has it.
        data = golden.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        begin, end = json.loads(data[8:start])["tier.map"]["data_offsets"]
        width = (len(table.tiers) - 1).bit_length()
        bits = np.unpackbits(np.frombuffer(data[start + begin : start + end], np.uint8), bitorder="little")
        tiers = bits[: len(table) * width].reshape(-1, width) @ (1 << np.arange(width))
        assert np.array_equal(table.tier_of(np.arange(len(table))), tiers)
        assert [tier.rows for tier in table.tiers] == np.bincount(tiers, minlength=len(table.tiers)).tolist()
