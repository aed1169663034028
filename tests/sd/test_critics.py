"""The critic is the paper's, and its loss says whether it works."""

import pytest
import torch

from vae_course.sd import critics
from vae_course.sd.critics import Judge, PatchGAN, Verdict, adaptive_weight


@pytest.mark.parametrize("norm", critics.NORMS)
def test_the_papers_critic_has_2765633_parameters(norm):
    critic = PatchGAN(norm=norm)
    assert sum(p.numel() for p in critic.parameters()) == 2_765_633


@pytest.mark.parametrize("layers, side", [(1, 16), (2, 34), (3, 70)])
def test_one_score_depends_on_a_patch_of_this_side(layers, side):
    critic = PatchGAN(8, layers)
    assert critic.receptive_field == side
    # Group norm looks at the whole image, so the patch is that of the rest.
    for i, layer in enumerate(critic.layers):
        if isinstance(layer, torch.nn.GroupNorm):
            critic.layers[i] = torch.nn.Identity()
    x = torch.randn(1, 3, 160, 160, requires_grad=True)
    scores = critic(x)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    for axis in (2, 1):
        touched = x.grad[0].sum(0).abs().sum(axis - 1).nonzero()
        assert touched.max() - touched.min() + 1 == side


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_smallest_image_leaves_one_score(layers):
    critic = PatchGAN(8, layers)
    side = critic.smallest
    assert critic(torch.randn(1, 3, side, side)).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match=f"needs {side} pixels"):
        critic(torch.randn(1, 3, side - 1, 99))


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="choose one of"):
        PatchGAN(norm="layer")
    with pytest.raises(ValueError, match="multiple of 8"):
        PatchGAN(12)


def test_hinge_is_1_when_silent_and_0_when_won():
    zero, one = torch.zeros(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    assert Verdict(zero, zero).loss.item() == critics.SILENT == 1.0
    assert Verdict(one, -one).loss.item() == critics.WON == 0.0
    assert Verdict(5 * one, -2 * one).loss.item() == 0.0
    assert Verdict(-one, one).loss.item() == 2.0  # wrong everywhere


def test_a_critic_that_has_won_has_no_gradient():
    real = torch.full((2, 1, 3, 3), 2.0, requires_grad=True)
    fake = torch.full((2, 1, 3, 3), -2.0, requires_grad=True)
    Verdict(real, fake).loss.backward()
    assert real.grad.abs().max() == fake.grad.abs().max() == 0


def test_accuracy_counts_patches():
    real = torch.tensor([1.0, 0.2, -0.1, 3.0]).view(1, 1, 2, 2)
    fake = torch.tensor([-1.0, 0.2, 0.1, 3.0]).view(1, 1, 2, 2)
    assert Verdict(real, fake).accuracy.item() == pytest.approx(0.5)
    assert Verdict(-real, fake).accuracy.item() == pytest.approx(0.25)


def test_the_judge_keeps_both_kinds_apart():
    for norm in critics.NORMS:
        critic = PatchGAN(8, 2, norm)
        real, fake = torch.randn(2, 4, 3, 32, 32)
        verdict = Judge(critic)(real, fake)
        assert torch.allclose(verdict.real, critic(real), atol=1e-5)
        assert torch.allclose(verdict.fake, critic(fake), atol=1e-5)


def test_group_norm_scores_an_image_whatever_stands_beside_it():
    x = torch.randn(4, 3, 32, 32)
    x[3] *= 9
    group, batch = PatchGAN(8, 2, "group"), PatchGAN(8, 2, "batch")
    assert torch.allclose(group(x)[:1], group(x[:1]), atol=1e-5)
    assert not torch.allclose(batch(x)[:1], batch(x[:1]), atol=1e-2)


def test_the_adaptive_weight_evens_out_the_gradients():
    others, adversarial = torch.randn(5, 7), torch.randn(5, 7) / 30
    weight = adaptive_weight(others, adversarial)
    ratio = (weight * adversarial).norm() / others.norm()
    assert ratio.item() == pytest.approx(1, rel=1e-2)
    assert not weight.requires_grad


def test_the_adaptive_weight_is_clamped():
    one, nothing = torch.ones(3), torch.zeros(3)
    assert adaptive_weight(nothing, one).item() == 0
    assert adaptive_weight(one * 1e3, nothing).item() == critics.HEAVIEST


def test_each_side_of_the_game_pulls_its_own_way():
    scores = torch.randn(2, 1, 3, 3, requires_grad=True)
    critics.deception(scores).backward()
    assert (scores.grad < 0).all()  # the autoencoder wants higher scores
    fake = torch.zeros(2, 1, 3, 3, requires_grad=True)
    Verdict(torch.zeros_like(fake), fake).loss.backward()
    assert (fake.grad > 0).all()  # the critic wants lower ones
