"""The optimiser of the embedded model: what Newton-Schulz makes of a matrix, and who is given to whom."""

from __future__ import annotations

import pytest
import torch

from vlmunl.models.muon import Muon, muon_and_adamw, orthogonalised


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 40), (2, 40, 8)])
def test_the_update_is_nearly_orthogonal_and_keeps_the_singular_directions(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    found = u.mT @ orthogonalised(matrices) @ v.mT  # diagonal, if the directions stay
    values = found.diagonal(dim1=-2, dim2=-1)
    assert values.min() > 0.3  # the smallest singular values are still on their way up after five rounds
    assert values.max() < 1.3
    assert (found - torch.diag_embed(values)).abs().max() < 1e-3


def test_a_matrix_is_treated_alike_alone_and_among_others() -> None:
    matrices = torch.randn(4, 12, 20, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([orthogonalised(m[None]) for m in matrices])
    torch.testing.assert_close(orthogonalised(matrices), alone)


def test_the_scale_of_the_gradient_does_not_matter() -> None:
    def moved(scale: float) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.eye(6))
        optimiser = Muon([weight], lr=0.1)
        weight.grad = scale * torch.arange(36.0).reshape(6, 6).sin()
        optimiser.step()
        return weight.detach()

    torch.testing.assert_close(moved(1.0), moved(1e4))


def test_matrices_inside_go_to_muon_and_everything_else_to_adamw() -> None:
    net = torch.nn.ModuleDict(
        {
            "embed_tokens": torch.nn.Embedding(7, 4),
            "block": torch.nn.Linear(4, 4),
            "norm": torch.nn.LayerNorm(4),
            "frozen": torch.nn.Linear(4, 4).requires_grad_(False),
            "lm_head": torch.nn.Linear(4, 7),
        }
    )
    muon, adamw = muon_and_adamw(net, 0.1)
    names = {id(p): n for n, p in net.named_parameters()}
    by_muon = {names[id(p)] for g in muon.param_groups for p in g["params"]}
    by_adamw = {names[id(p)] for g in adamw.param_groups for p in g["params"]}
    assert by_muon == {"block.weight"}
    assert by_adamw == {n for n in names.values() if not n.startswith("frozen")} - by_muon


def test_an_optimiser_with_nothing_to_train_is_left_out() -> None:
    adapters = torch.nn.Sequential(torch.nn.Linear(4, 2, bias=False), torch.nn.Linear(2, 4, bias=False))
    assert [type(o) for o in muon_and_adamw(adapters, 0.1)] == [Muon]
    assert [type(o) for o in muon_and_adamw(torch.nn.LayerNorm(4), 0.1)] == [torch.optim.AdamW]


def test_it_descends() -> None:
    generator = torch.Generator().manual_seed(2)
    x, wanted = torch.randn(64, 8, generator=generator), torch.randn(8, 8, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(8, 8))
    optimiser = Muon([weight], lr=0.1)
    losses = []
    for _ in range(100):
        loss = ((x @ weight - x @ wanted) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]
