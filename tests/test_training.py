"""The loop: it learns, repeats itself, stops cleanly and says why."""

import copy
import inspect
import io
import math
import time

import pytest
import torch

from vae_course.core import ELBO, elbo
from vae_course.mlp import MLPVAE, Autoencoder, squared_error
from vae_course.training import (
    Halves,
    History,
    Losses,
    Mean,
    TrainingDiverged,
    best_device,
    evaluate,
    step_bar,
    train,
    warm_up_and_decay,
)


def small_vae(seed=0, **kwargs):
    torch.manual_seed(seed)
    return MLPVAE((1, 6, 5), hidden=16, latent=2, **kwargs)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def run(vae, images, **kwargs):
    kwargs = {"epochs": 2, "batch_size": 16, "progress": False, **kwargs}
    return train(vae, images, **kwargs)


def off(model, x, beta):
    """An objective that is no bound: squared error, one number an image."""
    p = model.decode(model.encode(x).mean)
    return Losses((p.mean - x).square().flatten(1).mean(dim=1))


def test_the_loop_that_the_reader_sees_has_at_most_forty_lines():
    source = inspect.getsource(train)
    body = source.split('"""')[2].strip().splitlines()
    assert len(body) <= 40


def test_training_lowers_the_negative_elbo_of_unseen_images(stripes):
    vae, unseen = small_vae(), stripes[::4]
    seen = stripes[torch.arange(64) % 4 != 0]
    before = evaluate(vae, unseen).total
    history = run(vae, seen, epochs=60, held_out=unseen, lr=1e-2)
    assert history.held_out[-1].total < before - 2
    assert len(history.train) == len(history.held_out) == 60


def test_what_is_not_asked_for_is_as_the_docstring_says():
    x = torch.rand(150, 1, 6, 5)
    plain, asked = small_vae(), small_vae()
    how = {"objective": elbo, "beta": 1.0, "batch_size": 128, "lr": 1e-3}
    histories = [
        train(vae, x, epochs=2, held_out=x, progress=False, **options)
        for vae, options in ((plain, {}), (asked, {**how, "seed": 0}))
    ]
    assert torch.equal(weights(plain), weights(asked))
    assert histories[0].held_out == histories[1].held_out
    assert evaluate(plain, x) == evaluate(plain, x, objective=elbo, seed=0)
    assert warm_up_and_decay(1.0)(0.2) == 1.0


def test_each_step_is_adam_on_the_gradient_of_this_batch_alone(stripes):
    by_loop = Autoencoder((1, 6, 5), latent=2)
    by_hand = copy.deepcopy(by_loop)
    run(
        by_loop, stripes, epochs=3, batch_size=64, objective=squared_error
    )  # one batch an epoch, so that shuffling changes nothing
    adam = torch.optim.Adam(by_hand.parameters(), lr=1e-3, betas=(0.9, 0.99))
    for _ in range(3):
        loss = squared_error(by_hand, stripes[:]).loss
        gradients = torch.autograd.grad(loss, [*by_hand.parameters()])
        for weight, gradient in zip(
            by_hand.parameters(), gradients, strict=True
        ):
            weight.grad = gradient
        adam.step()
    torch.testing.assert_close(weights(by_loop), weights(by_hand))


def test_the_history_holds_the_mean_over_images_not_over_batches(stripes):
    # With lr = 0 the weights stand still; batches of 60 and 4 images would
    # weigh the last four too much if batches were averaged.
    ae = Autoencoder((1, 6, 5), latent=2)
    history = run(
        ae, stripes, epochs=1, batch_size=60, lr=0.0, objective=squared_error
    )
    exact = squared_error(ae, stripes[:]).distortion.mean().item()
    assert history.train[0].distortion == pytest.approx(exact, rel=1e-5)


def test_evaluation_is_the_mean_of_both_halves_for_any_batch_size(stripes):
    ae = Autoencoder((1, 6, 5), latent=2)
    exact = squared_error(ae, stripes[:]).distortion.mean().item()
    for batch_size in (7, 64):
        halves = evaluate(
            ae, stripes, objective=squared_error, batch_size=batch_size
        )
        assert halves.distortion == pytest.approx(exact, rel=1e-5)
        assert halves.rate == 0


def test_evaluation_samples_from_the_posterior():
    vae = small_vae(likelihood="normal", likelihood_scale=1.0)
    with torch.no_grad():
        vae.encoder[-1].bias[2:] = 2 * math.log(3.0)  # a wide posterior
    x = torch.rand(1, 1, 6, 5).repeat(4000, 1, 1, 1)
    at_the_mean = -vae.decode(vae.encode(x[:1]).mean).log_prob(x[:1])
    assert evaluate(vae, x).distortion > at_the_mean.item() + 0.1


def test_the_same_seed_gives_the_same_weights_and_another_does_not(stripes):
    runs = []
    for seed in (1, 1, 2):
        vae = small_vae()
        run(vae, stripes.binarized(), seed=seed)
        runs.append(weights(vae))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_order_of_the_images_is_the_seeds(stripes):
    """No noise here: what differs between two seeds is the order alone."""
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        ae = Autoencoder((1, 6, 5), latent=2, hidden=16)
        run(ae, stripes, objective=squared_error, seed=seed)
        runs.append(weights(ae))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_evaluation_draws_by_its_own_seed_and_not_by_the_callers(stripes):
    vae = small_vae()
    found = []
    for callers, seed in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(callers)
        found.append(evaluate(vae, stripes.binarized(0), seed=seed))
    assert found[0] == found[1]
    assert found[0].distortion != found[2].distortion


def test_the_callers_random_state_is_left_alone(stripes):
    vae = small_vae()
    before = torch.get_rng_state()
    run(vae, stripes.binarized(), held_out=stripes.binarized())
    assert torch.equal(before, torch.get_rng_state())


def test_measuring_held_out_images_does_not_change_the_training(stripes):
    with_it, without = small_vae(), small_vae()
    run(with_it, stripes, held_out=stripes.binarized())
    run(without, stripes)
    assert torch.equal(weights(with_it), weights(without))


def test_two_epochs_and_two_more_are_four_epochs(stripes):
    whole, parts = small_vae(), small_vae()
    four = run(whole, stripes.binarized(), epochs=4)
    two = run(parts, stripes.binarized(), epochs=2)
    two_more = run(parts, stripes.binarized(), epochs=2, history=two)
    assert torch.equal(weights(whole), weights(parts))
    assert two_more.train == four.train


def test_going_on_takes_the_new_learning_rate(stripes):
    vae = small_vae()
    history = run(vae, stripes)
    before = weights(vae)
    run(vae, stripes, history=history, lr=0.0)
    assert torch.equal(before, weights(vae))


def test_a_learning_rate_may_follow_the_share_of_the_run_that_is_done(stripes):
    asked = []

    def lr(done):
        asked.append(done)
        return 1e-3

    constant, by_function = small_vae(), small_vae()
    run(constant, stripes, lr=1e-3)
    run(by_function, stripes, lr=lr)
    assert torch.equal(weights(constant), weights(by_function))
    assert asked == [0, 1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8]


def test_warm_up_and_decay_peaks_where_it_says_and_ends_near_nothing():
    lr = warm_up_and_decay(2.0, warm_up=0.25)
    assert lr(0.25) == 2.0 and lr(0.125) == 1.0 and lr(0.625) == 1.0
    assert 0 < lr(0.0) <= 0.02 and 0 < lr(1.0) <= 0.02


@pytest.mark.parametrize(
    ("sabotage", "cause"),
    [
        (lambda vae, x: x.fill_(math.nan), "images themselves"),
        (lambda vae, x: vae.decoder[0].weight.data.fill_(math.nan), "weights"),
        (lambda vae, x: vae.encoder[-1].bias.data.fill_(1e4), "rate overflow"),
        (lambda vae, x: vae.decoder[-1].bias.data.fill_(1e30), "distortion"),
    ],
)
def test_a_loss_that_breaks_names_the_step_and_the_cause(sabotage, cause):
    vae = small_vae(likelihood="normal", likelihood_scale=1e-3)
    x = torch.rand(32, 1, 6, 5)
    sabotage(vae, x)
    with pytest.raises(TrainingDiverged, match=f"epoch 1, step 1.*{cause}"):
        run(vae, x)


@pytest.mark.parametrize("objective", [elbo, off])
def test_one_image_of_many_whose_loss_is_nan_is_not_averaged_away(objective):
    x = torch.rand(32, 1, 6, 5)
    x[7] = math.nan
    at_once = "epoch 1, step 1.*images themselves"
    with pytest.raises(TrainingDiverged, match=at_once):
        run(small_vae(), x, batch_size=32, objective=objective)


def test_the_step_named_is_the_step_at_which_it_broke(stripes):
    calls = []

    def breaks_in_the_sixth_step(vae, x, beta):
        calls.append(x)
        terms = elbo(vae, x, beta)
        broken = terms.distortion * (math.inf if len(calls) == 6 else 1)
        return ELBO(broken, terms.rate, beta)

    with pytest.raises(TrainingDiverged, match="epoch 2, step 2"):
        run(small_vae(), stripes, objective=breaks_in_the_sixth_step)


def test_a_diverged_model_keeps_the_weights_from_before(stripes):
    vae = small_vae()
    before = weights(vae)
    with pytest.raises(TrainingDiverged):
        run(vae, stripes[:] * math.nan)
    assert torch.equal(before, weights(vae))
    assert not vae.training


def test_an_interrupt_leaves_a_usable_model_and_its_history(stripes):
    calls = []

    def interrupted_in_the_third_epoch(vae, x, beta):
        calls.append(x)
        if len(calls) == 10:  # four steps an epoch
            raise KeyboardInterrupt
        return elbo(vae, x, beta)

    vae = small_vae()
    history = run(
        vae, stripes, epochs=9, objective=interrupted_in_the_third_epoch
    )
    assert history.interrupted and len(history.train) == 2
    assert not vae.training
    assert math.isfinite(evaluate(vae, stripes).total)
    resumed = run(vae, stripes, epochs=1, history=history)
    assert len(resumed.train) == 3 and not resumed.interrupted


def test_no_images_is_an_error_that_says_so(stripes):
    vae = small_vae()
    with pytest.raises(ValueError, match="no images to train"):
        run(vae, torch.zeros(0, 1, 6, 5))
    with pytest.raises(ValueError, match="no images to evaluate"):
        evaluate(vae, torch.zeros(0, 1, 6, 5))


@pytest.mark.parametrize("size", [0, -3])
def test_a_batch_of_no_images_is_refused_in_words(size):
    vae, images = small_vae(), torch.rand(4, 1, 6, 5)
    with pytest.raises(ValueError, match=f"batch_size={size}"):
        train(vae, images, epochs=1, batch_size=size, progress=False)
    with pytest.raises(ValueError, match=f"batch_size={size}"):
        evaluate(vae, images, batch_size=size)


def test_beta_zero_buys_distortion_with_rate(stripes):
    free, strict = small_vae(), small_vae()
    run(free, stripes, epochs=40, lr=1e-2, beta=0.0)
    run(strict, stripes, epochs=40, lr=1e-2, beta=10.0)
    assert evaluate(free, stripes).rate > evaluate(strict, stripes).rate + 1
    assert evaluate(free, stripes).distortion < (
        evaluate(strict, stripes).distortion
    )


def test_total_is_the_negative_elbo():
    assert Halves(80.0, 25.0).total == 105.0


def test_the_device_is_chosen_by_what_the_machine_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert best_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert best_device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert best_device().type == "cpu"


def test_an_empty_history_is_a_fresh_start(stripes):
    fresh, given = small_vae(), small_vae()
    run(fresh, stripes)
    run(given, stripes, history=History())
    assert torch.equal(weights(fresh), weights(given))


def test_a_history_shows_itself_in_one_line(stripes):
    history = run(small_vae(), stripes, held_out=stripes)
    latest = history.held_out[-1]
    expected = f"{latest.distortion:.1f} + {latest.rate:.1f} nats"
    assert repr(history).startswith("History of 2 epochs, complete; held out")
    assert repr(history).endswith(expected)
    assert repr(History()) == "History of 0 epochs, complete"


def test_an_objective_that_is_no_bound_trains_and_is_named(stripes):
    vae = small_vae()
    before = evaluate(vae, stripes, objective=off)
    history = run(
        vae, stripes, epochs=30, lr=1e-2, objective=off, held_out=stripes
    )
    assert isinstance(history.train[0], Mean)
    assert history.held_out[-1].loss < before.loss / 2
    assert repr(history).endswith(f"loss {history.held_out[-1].loss:.3f}")


def test_batches_may_be_tuples_and_divergence_is_still_explained():
    class Pairs(torch.utils.data.TensorDataset):
        def to(self, device):
            return self

    pairs = Pairs(torch.ones(8, 3), torch.zeros(8, 1))
    layer = torch.nn.Linear(3, 1)

    def error(model, batch, beta):
        x, wanted = batch
        return Losses((model(x) - wanted).square().flatten())

    history = run(layer, pairs, objective=error, epochs=40, lr=0.1)
    assert history.train[-1].loss < 0.1
    with torch.no_grad():
        layer.weight.fill_(1e30)
    with pytest.raises(TrainingDiverged, match=r"output grew.*lower lr"):
        run(layer, pairs, objective=error)
    pairs.tensors[0][0, 0] = math.nan
    with pytest.raises(TrainingDiverged, match="NaN or inf: mend the data"):
        run(layer, pairs, objective=error)


def test_a_bar_is_not_drawn_ten_times_a_second():
    """Its messages would fill a kernel's queue in a few minutes."""
    drawn = io.StringIO()
    start = time.perf_counter()
    with step_bar(file=drawn) as bar:
        while time.perf_counter() < start + 0.6:
            time.sleep(0.005)
            bar.update()
    seconds = time.perf_counter() - start  # more than 0.6 where one waits
    # At the start, at the end, and once a second.
    assert drawn.getvalue().count("\r") <= 2 + seconds
