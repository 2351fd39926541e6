"""Two embeddings side by side are those of their networks, in whole images and in parts."""

import pytest
import torch

from crispseg.models import TwoScaleEmbedding


@pytest.fixture(scope="module")
def network() -> TwoScaleEmbedding:
    torch.manual_seed(0)
    return TwoScaleEmbedding(dim=4, width=8).double()


def test_it_concatenates_the_embeddings_at_both_scales_and_the_colours(network: TwoScaleEmbedding) -> None:
    image = torch.rand(2, 3, 31, 45, dtype=torch.float64)
    embedding = network(image)
    assert embedding.shape == (2, network.dim, 31, 45)
    assert torch.equal(embedding[:, :4], network.fine(image))
    assert torch.equal(embedding[:, 4:], network.coarse(image))
    torch.testing.assert_close(embedding[:, -3:], 3 * image)


def test_a_part_that_starts_at_a_step_has_the_embeddings_of_the_whole(network: TwoScaleEmbedding) -> None:
    image = torch.rand(1, 3, 90, 77, dtype=torch.float64)
    top, left, reach = 2 * network.step, 3 * network.step, network.reach
    assert reach is not None
    part = network(image[..., top:, left:])
    torch.testing.assert_close(part[..., reach:, reach:], network(image)[..., top + reach :, left + reach :])
