"""Which parameters each term of the loss moves, and which it must not."""

import math

import pytest
import torch
from tiny import distance, stripes

from vae_course import elbo
from vae_course.sd import AutoencoderKL
from vae_course.sd.critics import Judge, PatchGAN, adaptive_weight, deception
from vae_course.sd.losses import Coder, absolute_error, generator_step


@pytest.fixture
def setting():
    torch.manual_seed(0)
    coder = Coder(AutoencoderKL("small"), learned_scale=True)
    critic = PatchGAN(8, 1)
    x = stripes(6)[:]
    noise = torch.randn(6, 4, 4, 4)
    return coder, critic, x, noise


def moved(module) -> set[str]:
    """Parameters with a gradient that is not zero."""
    return {
        name
        for name, p in module.named_parameters()
        if p.grad is not None and p.grad.abs().max() > 0
    }


def parts(names) -> set[str]:
    return {name.split(".")[1] for name in names if "." in name}


def send(coder, _, x, noise, **terms):
    """The autoencoder's half of a step, with these terms on."""
    weights = {"beta": 0.0} | terms
    step = generator_step(coder, coder(x, noise), x, **weights)
    step.loss.backward()
    return step


def test_the_error_reaches_encoder_decoder_and_scale(setting):
    coder = setting[0]
    send(*setting)
    assert parts(moved(coder)) == {"encoder", "decoder"}
    assert "log_scale" in moved(coder)


def test_the_rate_reaches_the_encoder_alone(setting):
    coder, _, x, noise = setting
    (coder(x, noise).rate.mean()).backward()
    assert parts(moved(coder)) == {"encoder"}
    assert "log_scale" not in moved(coder)


def gradients(module):
    return torch.cat([p.grad.flatten() for p in module.vae.parameters()])


@pytest.mark.parametrize("term", ["perceptual", "critic", "rate"])
def test_each_term_changes_the_gradient_of_the_encoder_and_the_decoder(
    setting, term
):
    coder, critic, *_ = setting
    change = {
        "perceptual": {"perceptual": distance()},
        "critic": {"critic": critic},
        "rate": {"beta": 1.0},
    }[term]
    send(*setting)
    before = {n: p.grad.clone() for n, p in coder.vae.named_parameters()}
    coder.zero_grad()
    send(*setting, **change)
    changed = {
        name.split(".")[0]
        for name, p in coder.vae.named_parameters()
        if (p.grad - before[name]).abs().max() > 1e-6 * p.grad.abs().max()
    }
    reached = {"encoder"} if term == "rate" else {"encoder", "decoder"}
    assert changed >= reached
    if term == "rate":
        decoder = [n for n in before if n.startswith("decoder")]
        named = dict(coder.vae.named_parameters())
        assert all(
            torch.allclose(named[n].grad, before[n], rtol=1e-4, atol=1e-5)
            for n in decoder
        )


def test_the_autoencoders_step_leaves_no_gradient_in_the_critic(setting):
    _, critic, *_ = setting
    send(*setting, critic=critic, perceptual=distance())
    assert all(p.grad is None for p in critic.parameters())


def test_the_critics_gradient_after_a_step_is_that_of_its_own_loss(setting):
    coder, critic, x, noise = setting
    coded = coder(x, noise)
    step = generator_step(coder, coded, x, beta=1e-6, critic=critic)
    step.loss.backward()
    Judge(critic)(x, coded.image.detach()).loss.backward()
    found = [p.grad.clone() for p in critic.parameters()]
    critic.zero_grad()
    Judge(critic)(x, coder(x, noise).image.detach()).loss.backward()
    for gradient, p in zip(found, critic.parameters(), strict=True):
        assert torch.allclose(gradient, p.grad, rtol=1e-4, atol=1e-7)


def test_the_critics_loss_does_not_reach_the_autoencoder(setting):
    coder, critic, x, noise = setting
    image = coder(x, noise).image.detach()
    Judge(critic)(x, image).loss.backward()
    assert not moved(coder)


def test_the_gradient_is_that_of_the_loss_written_in_one_line(setting):
    coder, critic, x, noise = setting
    perceptual = distance()
    send(
        *setting,
        beta=0.3,
        perceptual=perceptual,
        perceptual_weight=0.2,
        critic=critic,
        adversarial_weight=0.5,
    )
    found = gradients(coder)
    scale = coder.log_scale.grad.clone()
    coder.zero_grad()

    coded = coder(x, noise)
    values = x[0].numel()
    error = absolute_error(x, coded.image)
    error = error + 0.2 * values * perceptual(coded.image, x)
    b = coder.log_scale.exp()
    nll = (error / b + values * torch.log(2 * b)).mean()
    fooled = deception(critic(coded.image))
    weight = adaptive_weight(
        *(
            torch.autograd.grad(t, coder.last_layer, retain_graph=True)[0]
            for t in (nll, fooled)
        )
    )
    (nll + 0.3 * coded.rate.mean() + 0.5 * weight * fooled).backward()
    written = gradients(coder)
    assert (found - written).norm() < 1e-4 * written.norm()
    assert scale.item() == pytest.approx(coder.log_scale.grad.item(), rel=1e-4)


def test_the_reported_loss_is_minus_the_elbo_where_it_claims_to_be(setting):
    """β = 1, no other term: distortion + rate of the model's own Laplace."""
    coder, _, x, noise = setting
    step = send(*setting, beta=1.0)
    torch.manual_seed(3)
    drawn = torch.randn_like(noise)  # what rsample will draw
    step = send(coder, None, x, drawn, beta=1.0)
    torch.manual_seed(3)
    assert step.terms["loss"].item() == pytest.approx(
        elbo(coder.vae, x).loss.item(), rel=1e-5
    )


def test_a_scale_that_is_not_learned_gets_no_gradient():
    coder = Coder(AutoencoderKL("small"))
    x = stripes(2)[:]
    step = generator_step(coder, coder(x, torch.randn(2, 4, 4, 4)), x, beta=1)
    step.loss.backward()
    assert coder.log_scale.grad is None and step.terms["scale"] == 1


def test_the_learned_scale_settles_at_the_mean_absolute_error(setting):
    coder, _, x, noise = setting
    image = coder(x, noise).image.detach()
    mean = (x - image).abs().mean().log()
    coder.log_scale.data.copy_(mean)
    send(*setting)
    assert abs(coder.log_scale.grad.item()) < 1e-3 * x[0].numel()


def test_magnifying_changes_nothing(setting):
    coder, critic, *_ = setting
    send(*setting, critic=critic)
    plain = gradients(coder)
    coder.zero_grad()
    send(*setting, critic=critic, magnify=2.0**12)
    assert (gradients(coder) - plain).norm() < 1e-4 * plain.norm()


def test_terms_are_sums_over_an_image(setting):
    coder, critic, x, noise = setting
    step = send(*setting, critic=critic, adaptive=False)
    image = coder(x, noise).image
    error = (x - image).abs().sum(dim=(1, 2, 3)).mean()
    assert step.terms["error"].item() == pytest.approx(error.item(), rel=1e-5)
    total = error + x[0].numel() * math.log(2)
    total = total + 0.5 * step.terms["adversarial"]
    assert step.terms["loss"].item() == pytest.approx(total.item(), rel=1e-5)
