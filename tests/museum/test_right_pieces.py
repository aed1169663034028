"""A mended exhibit is the course's own code, or equal to a library."""

import math

import pytest
import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.core import elbo, importance_weighted_bound, standard_normal
from vae_course.diffusion.objective import forward_process
from vae_course.diffusion.schedule import cosine
from vae_course.mlp import MLPVAE
from vae_course.museum import (
    diffusion,
    exhibit,
    exhibits,
    judging,
    loss,
    network,
    training,
    vae,
)
from vae_course.sd.critics import PatchGAN, Verdict

VISIBLE = [e for e in exhibits() if e.visible]


def twins(model: vae.AssembledVAE) -> MLPVAE:
    """Chapter 2's model with the weights of an assembled one."""
    plain = MLPVAE(hidden=16, latent=4)
    plain.encoder.load_state_dict(model.encoder.state_dict())
    plain.decoder.load_state_dict(model.decoder.state_dict())
    return plain


def seeded(function, *given):
    torch.manual_seed(5)
    return function(*given)


@pytest.mark.parametrize("each", VISIBLE, ids=lambda e: e.name)
def test_mending_restores_the_model_of_chapter_2(each):
    torch.manual_seed(0)
    x = torch.rand(9, 1, 28, 28).round()
    mended = each.mended(hidden=16, latent=4)
    # Weights of a size that training reaches: at its start σ is 1, and most
    # faults are asleep.
    with torch.no_grad():
        for p in mended.parameters():
            p.mul_(3)
    plain = twins(mended)
    expected = seeded(elbo, plain, x)
    found = seeded(mended.objective, x)
    assert found.written.item() == pytest.approx(expected.loss.item(), 1e-5)
    torch.testing.assert_close(found.distortion, expected.distortion)
    torch.testing.assert_close(found.rate, expected.rate)
    assert torch.equal(
        seeded(mended.encode(x).sample), seeded(plain.encode(x).sample)
    )


@pytest.mark.parametrize("each", VISIBLE, ids=lambda e: e.name)
def test_the_fault_changes_the_model_of_chapter_2(each):
    torch.manual_seed(0)
    x = torch.rand(9, 1, 28, 28).round()
    broken = each.broken(hidden=16, latent=4)
    with torch.no_grad():
        for p in broken.parameters():
            p.mul_(3)
    expected = seeded(elbo, twins(broken), x)
    found = seeded(broken.objective, x)
    wrong = found.written.item() - expected.loss.item()
    assert abs(wrong) > 0.5


def test_training_and_a_right_draw():
    torch.manual_seed(0)
    x = (torch.arange(28) > torch.randint(4, 24, (400, 1))).float()
    x = x.view(400, 1, 1, 28).expand(-1, 1, 28, 28).contiguous()
    model = exhibit("variance-for-deviation").broken(hidden=16, latent=4)
    before = seeded(model.claimed, x).item()
    assert vae.trained(model, x, steps=40) is model
    assert seeded(model.claimed, x).item() < before - 50
    judged = vae.with_right_draw(model)
    assert judged.draw is vae.draw
    assert model.draw is not vae.draw
    q, p = judged.encode(x[:3]), twins(model).encode(x[:3])
    assert torch.equal(seeded(q.sample), seeded(p.sample))
    with pytest.raises(ValueError, match="beta=2"):
        vae.objective(model, x, 2.0)


def test_the_rate_is_that_of_the_library():
    moments = torch.randn(5, 8)
    mean, log_var = moments.chunk(2, dim=1)
    q = D.Independent(D.Normal(mean, (0.5 * log_var).exp()), 1)
    truth = D.kl_divergence(q, standard_normal(torch.zeros(4)))
    torch.testing.assert_close(vae.rate(moments, mean), truth)


def test_the_gaussian_is_that_of_the_library():
    x, mean, log_std = torch.randn(3, 7)
    expected = -D.Normal(mean, log_std[0].exp()).log_prob(x)
    found = loss.gaussian_nll(x, mean, log_std[0])
    torch.testing.assert_close(found, expected)


def test_the_weighted_loss_is_the_course_s_bound():
    model, x = MLPVAE(hidden=16, latent=4), torch.rand(3, 1, 28, 28).round()
    with torch.no_grad():
        bound = seeded(importance_weighted_bound, model, x, 6)
        torch.manual_seed(5)
        q = model.encode(x)
        z = q.rsample((6,))
        log_weights = torch.stack(
            [
                model.decode(each).log_prob(x)
                + model.prior.log_prob(each)
                - q.log_prob(each)
                for each in z
            ]
        )
    torch.testing.assert_close(loss.weighted_loss(-log_weights), -bound)


def test_attention_is_that_of_the_library():
    q, k, v = torch.randn(3, 2, 6, 8)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(network.attend(q, k, v), expected)


def test_the_noised_latent_is_the_forward_process():
    schedule, z, noise = cosine(100), *torch.randn(2, 3, 4, 2, 2)
    q = forward_process(schedule, z, 40)
    expected = q.mean + q.stddev * noise
    torch.testing.assert_close(
        diffusion.noised(z, noise, schedule.abar[40].item()), expected
    )
    a, s = schedule.at(40, z)
    z_t, noise = seeded(diffusion.lesson_of, z, a, s)
    torch.testing.assert_close(z_t, q.mean + q.stddev * noise)


def test_a_critic_s_step_is_one_on_its_own_loss():
    critic = PatchGAN(width=8, layers=1)
    real, fake = torch.randn(2, 2, 3, 16, 16)
    own = Verdict(critic(real), critic(fake)).loss
    found = judging.critic_loss(critic, real, fake)
    torch.testing.assert_close(found, own)
    before = [p.detach().clone() for p in critic.parameters()]
    gradients = torch.autograd.grad(own, [*critic.parameters()])
    training.critic_step(
        critic, torch.optim.SGD(critic.parameters(), lr=0.5), real, fake
    )
    for p, start, g in zip(
        critic.parameters(), before, gradients, strict=True
    ):
        torch.testing.assert_close(p.detach(), start - 0.5 * g)


def test_a_split_is_a_split():
    kept, held_out = training.split(torch.arange(50), 10)
    assert len(kept) == 40 and len(held_out) == 10
    assert sorted([*kept.tolist(), *held_out.tolist()]) == [*range(50)]


def test_the_stand_in_of_many_devices_averages_as_they_do():
    """Three idle devices add nothing to the sum: a quarter is left."""
    module = torch.nn.Linear(2, 1)
    training.wrapped_step(training.Averaging(module, 4), torch.ones(1, 2))
    found = module.weight.grad.clone()
    alone = torch.nn.Linear(2, 1)
    alone.load_state_dict(module.state_dict())
    alone(torch.ones(1, 2)).square().mean().backward()
    torch.testing.assert_close(4 * found, alone.weight.grad)


def test_the_plateau_is_where_nothing_is_said():
    assert diffusion.best_guess(diffusion.lesson_of, 0) == pytest.approx(
        0.5, abs=0.03
    )
    assert math.isclose(
        exhibit("nothing-to-learn").measure("broken"), 1, abs_tol=0.03
    )
