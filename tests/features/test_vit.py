"""The resampling of position embeddings against its definition."""

import pytest
import torch

from adlib.features.vit import ANTIALIASED_POSITIONS, DINOV2_POSITIONS, HUGGING_FACE_POSITIONS, resample_positions
from helpers import plain_dinov2


@pytest.mark.parametrize("rule", [DINOV2_POSITIONS, ANTIALIASED_POSITIONS])
@pytest.mark.parametrize("grid", [(1, 1), (16, 37), (32, 32), (32, 57), (37, 37), (48, 48), (74, 20)])
def test_positions_follow_their_definition(rule, grid):
    positions = torch.randn(1, 37 * 37, 5, generator=torch.Generator().manual_seed(1))
    expected = plain_dinov2.resampled_positions(positions[0], *grid, rule.offset, rule.antialias)
    found = resample_positions(positions, (37, 37), grid, rule)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if grid == (37, 37):
        assert torch.equal(found, positions[0])


@pytest.mark.parametrize("rule", [DINOV2_POSITIONS, ANTIALIASED_POSITIONS, HUGGING_FACE_POSITIONS])
@pytest.mark.parametrize("grid", [(1, 1), (9, 12), (16, 37), (37, 37), (74, 20)])
def test_positions_in_a_graph_are_the_same(rule, grid, monkeypatch):
    positions = torch.randn(1, 37 * 37, 5, generator=torch.Generator().manual_seed(1))
    expected = resample_positions(positions, (37, 37), grid, rule)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    found = resample_positions(positions, (37, 37), grid, rule)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_two_position_rules_differ_noticeably():
    positions = torch.randn(1, 37 * 37, 5, generator=torch.Generator().manual_seed(1))
    plain, registers = (
        resample_positions(positions, (37, 37), (32, 32), rule) for rule in (DINOV2_POSITIONS, ANTIALIASED_POSITIONS)
    )
    assert (plain - registers).abs().mean() > 0.05
