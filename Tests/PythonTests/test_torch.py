"""The modules, against torch's own over the decoded rows."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import dpq.torch


def test_embedding(sample):
    layer = dpq.torch.Embedding(sample.path, padding_idx=3)
    ids = torch.tensor([[1, 2, 299], [3, 3, 0]], dtype=torch.int32)
    expected = torch.from_numpy(sample.rows.copy())[ids.long()]
    expected[1, :2] = 0
    assert torch.equal(layer(ids), expected)
    assert not list(layer.parameters()) and not layer.state_dict() and "300, 50" in repr(layer)
    with pytest.raises(IndexError):
        layer(torch.tensor([300]))


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bag(sample, mode):
    layer = dpq.torch.EmbeddingBag(dpq.open(sample.path), mode)
    peer = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(sample.rows.copy()), mode=mode)
    ids, offsets = torch.arange(40) * 7 % 300, torch.tensor([0, 5, 5, 30])
    assert torch.allclose(layer(ids, offsets), peer(ids, offsets), atol=1e-4)
    assert torch.allclose(layer(ids.view(8, 5)), peer(ids.view(8, 5)), atol=1e-4)
    if mode == "sum":
        weights = torch.from_numpy(np.random.default_rng(1).standard_normal(40).astype(np.float32))
        assert torch.allclose(layer(ids, offsets, weights), peer(ids, offsets, weights), atol=1e-4)
