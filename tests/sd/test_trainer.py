"""A run is the same run: stopped and resumed, in parts, on two processes."""

import dataclasses
import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kills import metrics
from tiny import COMMON, Features, distance, recipe, run, stripes

from vae_course.sd import AutoencoderKL, checkpoints, stream
from vae_course.sd.perceptual import FeatureDistance
from vae_course.sd.recipe import RecipeError
from vae_course.sd.runs import Run, RunError
from vae_course.sd.setup import check
from vae_course.sd.trainer import Trainer
from vae_course.train import train

HERE = Path(__file__).parent
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}",
}


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """accelerate keeps its settings for the whole process."""
    from accelerate.state import AcceleratorState

    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def trainer(images=None, held_out=None, **changes):
    return Trainer(
        recipe(**changes),
        images or stripes(),
        held_out,
        perceptual=distance(),
    )


def weights(trained) -> torch.Tensor:
    return joined(trained.coder.state_dict())


def joined(state) -> torch.Tensor:
    """All weights but those that have no say.

    Softmax takes no notice of a bias of the keys; and while all scores are
    inside the margin, that of the critic's last layer helps one side as much
    as it harms the other. Such gradients are zero but for rounding, of which
    Adam makes a full step.
    """
    idle = ("to_k.bias", "layers.5.bias")
    return torch.cat(
        [v.flatten() for k, v in state.items() if not k.endswith(idle)]
    )


def near(name: str, value: float):
    """Equal to rounding; what is counted from scores, up to that bias.

    The slope of an absolute error jumps where rounding carries the error
    across 0, so the gradient's norm feels rounding most.
    """
    margin = {"adversarial": 5e-3, "critic_accuracy": 0.02}.get(name, 0.0)
    share = 2e-2 if name == "gradient" else 2e-3
    return pytest.approx(value, rel=share, abs=margin)


def steps(trained, count=None):
    trained.lines = [
        trained.advance() for _ in range(count or trained.recipe.steps)
    ]
    return trained


def test_a_run_goes_on_as_if_it_had_never_stopped(tmp_path):
    whole = run(tmp_path / "whole", {"steps": 7})
    part = run(tmp_path / "part", {"steps": 4})
    assert part.step == 4
    again = run(tmp_path / "part", {"steps": 7})
    assert torch.equal(weights(whole), weights(again))
    lines = metrics(tmp_path / "whole"), metrics(tmp_path / "part")
    # The first part ended at step 4, and so measured itself there, too.
    assert lines[0] == lines[1]
    for name, value in whole.vae.state_dict().items():
        assert torch.equal(value, again.vae.state_dict()[name])


def test_ctrl_c_ends_after_the_step_and_the_run_goes_on_from_there(tmp_path):
    class Interrupted(Features):
        calls = 0

        def forward(self, x):
            Interrupted.calls += 1
            if Interrupted.calls == 6:  # in the middle of the third step
                signal.raise_signal(signal.SIGINT)
            return super().forward(x)

    with pytest.raises(KeyboardInterrupt):
        train(
            recipe(steps=5),
            stripes(),
            folder=tmp_path / "part",
            progress=False,
            perceptual=FeatureDistance(Interrupted()),
        )
    assert Run(tmp_path / "part").steps()[-1] == 3
    runs = [
        train(
            recipe(steps=5),
            stripes(),
            folder=tmp_path / name,
            resume=True,
            progress=False,
            perceptual=distance(),
        )
        for name in ("part", "whole")
    ]
    assert torch.equal(*map(weights, runs))
    part, whole = (metrics(tmp_path / name) for name in ("part", "whole"))
    assert part == whole


@pytest.mark.skipif(sys.platform == "win32", reason="forks, and SIGKILL")
def test_killed_at_random_and_resumed_the_losses_are_the_same():
    done = subprocess.run(
        [sys.executable, HERE / "kills.py", "3"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills" in done.stdout and "equal" in done.stdout


def two_processes(folder, changes):
    """The same run on two processes, which talk through gloo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **ENVIRONMENT,
        "ACCELERATE_USE_CPU": "true",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, HERE / "tiny.py", folder, json.dumps(changes)],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    return out


def test_two_processes_equal_one_with_the_doubled_batch(tmp_path):
    changes = {"steps": 4, "learned_scale": True, "clip": 1e4}
    two_processes(tmp_path / "two", changes)
    one = run(tmp_path / "one", changes)
    kept = [
        torch.load(
            tmp_path / name / "checkpoints" / "step-00000004.pt",
            weights_only=True,
        )
        for name in ("one", "two")
    ]
    assert one.step == 4
    for part in ("coder", "critic", "average"):
        ours, theirs = (joined(state[part]) for state in kept)
        assert (ours - theirs).abs().max() < 2e-4
        assert (ours - theirs).norm() < 1e-4 * ours.norm()
    for ours, theirs in zip(
        *(metrics(tmp_path / name) for name in ("one", "two")), strict=True
    ):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"kind"}:
            assert ours[name] == near(name, theirs[name]), name


def test_four_parts_of_eight_are_one_of_32():
    images = stripes(40)
    runs = [
        steps(trainer(images, batch=32, accumulate=parts, adaptive=False), 4)
        for parts in (1, 4)
    ]
    one, four = map(weights, runs)
    assert (one - four).abs().max() < 2e-4
    assert (one - four).norm() < 1e-4 * one.norm()
    for a, b in zip(*(r.lines for r in runs), strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name] == near(name, b[name]), name


def test_with_parts_the_adaptive_weight_is_the_mean_of_theirs():
    images = stripes(40)
    one, four = (
        steps(trainer(images, batch=32, accumulate=parts), 3).lines[-1]
        for parts in (1, 4)
    )
    ratio = four["critic_weight"] / one["critic_weight"]
    assert 0.5 < ratio < 2  # near, and not equal: the norm of a mean is less


def test_bf16_stays_within_a_band_and_weights_stay_single():
    single = steps(trainer(), 5).lines[-1]
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    half = trainer(precision="bf16")
    steps(half, 5)
    assert half.coder(*_batch(half)).image.dtype == torch.float32
    assert {p.dtype for p in half.coder.parameters()} == {torch.float32}
    for name in ("loss", "error", "perceptual"):
        value = half.lines[-1][name]
        assert value == pytest.approx(single[name], rel=0.05), name
    assert half.lines[-1] != single  # it was not single precision after all


def _batch(trained):
    return stripes(4)[:], torch.randn(4, 4, 4, 4)


def test_sixteen_images_are_learned_by_heart():
    learner = trainer(
        stripes(16),
        batch=16,
        steps=400,
        adversarial=0,
        perceptual=0,
        lr=4e-3,
        schedule="cosine",
        warm_up=20,
        ema=0,
    )
    steps(learner)
    x = stripes(16)[:]
    error = (learner.vae.reconstruct(x) - x).square().mean(dim=(1, 2, 3))
    assert (10 * torch.log10(4 / error)).mean() > 30


def test_every_epoch_sees_every_image_once_and_no_batch_is_short():
    seen = [i for step in range(10) for i in stream.batch(0, step, 8, 20)]
    assert len(seen) == 80 and all(
        len(stream.batch(0, step, 8, 20)) == 8 for step in range(10)
    )
    for epoch in range(4):
        in_epoch = [index for index, e in seen if e == epoch]
        assert sorted(in_epoch) == list(range(20))
    assert [i for i, e in seen if e == 0] != [i for i, e in seen if e == 1]


def test_the_shares_of_parts_and_processes_make_up_the_batch():
    places = [
        place
        for part in range(3)
        for process in range(2)
        for place in range(24)[stream.share(24, 3, part, 2, process)]
    ]
    assert sorted(places) == list(range(24))


def test_the_critic_sets_in_at_its_step_and_moves_only_then():
    learner = trainer(critic_start=2, steps=4)
    start = [p.clone() for p in learner.critic.parameters()]
    for number in range(4):
        line = learner.advance()
        assert ("critic" in line) == (number >= 2)
        same = all(map(torch.equal, start, learner.critic.parameters()))
        assert same == (number < 2)


def test_the_average_follows_the_weights():
    learner = trainer(ema=0.9)
    before = learner.average.decoder.conv_out.weight.clone()
    learner.advance()
    now = learner.coder.vae.decoder.conv_out.weight
    keep = min(0.9, 1 / 10)
    expected = keep * before + (1 - keep) * now
    found = learner.average.decoder.conv_out.weight
    assert torch.allclose(found, expected, atol=1e-6)
    assert learner.vae is learner.average
    assert trainer(ema=0.0).vae is not None


def test_fine_tuning_the_decoder_leaves_the_latents_as_they_are(tmp_path):
    vae = AutoencoderKL("small")
    checkpoints.save(vae, tmp_path / "public")
    learner = steps(trainer(init=str(tmp_path / "public"), train="decoder"), 3)
    assert not torch.equal(
        vae.decoder.conv_out.weight, learner.coder.vae.decoder.conv_out.weight
    )
    x = stripes(4)[:]
    for model in (learner.coder.vae, learner.vae):
        assert torch.equal(vae.encode(x).mean, model.encode(x).mean)


def test_what_a_run_leaves_behind_loads_as_a_model(tmp_path):
    trained = run(tmp_path, {"steps": 4})
    vae = checkpoints.load(tmp_path / "model")
    x = stripes(3)[:]
    assert torch.equal(vae.encode(x).mean, trained.vae.encode(x).mean)
    measured = metrics(tmp_path)[-1]
    assert measured["kind"] == "held out"
    scale = vae.config.scaling_factor
    assert scale == pytest.approx(1 / measured["latent_std"])
    assert (tmp_path / "samples" / "step-00000004.png").stat().st_size > 100


def test_the_last_few_checkpoints_and_the_best_are_kept(tmp_path):
    folder = Run(tmp_path)
    for step in range(1, 8):
        distance_now = 0.5 if step == 3 else 1.0
        folder.write(
            {"kind": "held out", "step": step, "perceptual": distance_now}
        )
        folder.save({"step": step}, keep=2)
    assert folder.steps() == [3, 6, 7]
    assert folder.best() == 3


def test_validation_counts_what_it_says():
    held_out = stripes(5, seed=8)
    learner = trainer(held_out=held_out, batch=2)
    line = learner.validate()
    x = held_out[:]
    q, y = learner.vae.encode(x), learner.vae.reconstruct(x)
    error = (x - y).abs().sum(dim=(1, 2, 3)).mean().item()
    assert line["error"] == pytest.approx(error, rel=1e-5)
    rate = torch.distributions.kl_divergence(q, learner.vae.prior).mean()
    assert line["bits"] == pytest.approx(rate.item() / math.log(2), rel=1e-4)
    draws = torch.stack([q.sample() for _ in range(400)])
    assert line["latent_std"] == pytest.approx(draws.std().item(), rel=0.02)
    means = q.mean.transpose(0, 1).flatten(1)
    assert line["active_channels"] == (means.var(dim=1) > 0.01).sum()
    assert line["perceptual"] == pytest.approx(
        distance()(y, x).mean().item(), rel=1e-4
    )


def test_a_full_disk_ends_in_a_clear_error_and_an_intact_checkpoint(
    tmp_path,
):
    resource = pytest.importorskip("resource")  # not on Windows
    run(tmp_path, {"steps": 4})
    whole = (tmp_path / "checkpoints" / "step-00000004.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    usual = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # From here on no file can grow beyond half a checkpoint.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, limits[1]))
    try:
        with pytest.raises(RunError, match=r"step-00000004.pt is whole"):
            run(tmp_path, {"steps": 6})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, usual)
    kept = tmp_path / "checkpoints"
    assert [p.name for p in kept.iterdir()] == [
        p.name for p in kept.glob("step-*.pt")
    ]
    assert (kept / "step-00000004.pt").read_bytes() == whole
    assert run(tmp_path, {"steps": 6}).step == 6


def test_a_loss_that_is_no_number_stops_before_the_weights_move(tmp_path):
    class Broken(Features):
        def forward(self, x):
            return [super().forward(x)[0] * float("nan")]

    learner = Trainer(
        recipe(), stripes(), perceptual=FeatureDistance(Broken())
    )
    before = weights(learner)
    with pytest.raises(RunError, match="what broke is perceptual"):
        learner.advance()
    assert torch.equal(before, weights(learner))


def test_a_run_is_not_gone_on_with_by_another_recipe_or_other_images(
    tmp_path,
):
    run(tmp_path, {"steps": 2})
    with pytest.raises(RunError, match=r"beta: 0\.5, and 1e-06 in the run"):
        run(tmp_path, {"steps": 4, "beta": 0.5})
    last_differs = stripes()
    last_differs.pixels[-1, 0, 0, 0] ^= 1
    for others in (stripes(21), last_differs):
        with pytest.raises(RunError, match="on other images"):
            train(
                recipe(steps=4),
                others,
                folder=tmp_path,
                resume=True,
                progress=False,
                perceptual=distance(),
            )
    with pytest.raises(RunError, match="holds a run already"):
        run(tmp_path, {"steps": 4}, resume=False)


def test_a_damaged_checkpoint_is_named(tmp_path):
    run(tmp_path, {"steps": 4})
    path = tmp_path / "checkpoints" / "step-00000004.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"step-00000004.pt cannot be read"):
        run(tmp_path, {"steps": 6})
    path.unlink()
    assert run(tmp_path, {"steps": 6}).step == 6


def test_nonsense_is_refused_before_a_model_is_built(monkeypatch):
    def built(*arguments):
        raise AssertionError("a model was built")

    monkeypatch.setattr("vae_course.sd.trainer.AutoencoderKL", built)
    with pytest.raises(RecipeError, match="more than the 20 images"):
        trainer(batch=21, accumulate=1)
    with pytest.raises(ValueError, match=r"images in \[-1, 1\]"):
        trainer(dataclasses.replace(stripes(), centred=False))


def test_half_precision_of_16_bits_needs_a_gpu():
    with pytest.raises(RecipeError, match="needs a CUDA GPU"):
        check(recipe(precision="fp16"), 99, 1, "cpu")
    with pytest.raises(RecipeError, match="cannot be shared by 3 processes"):
        check(recipe(), 99, 3, "cpu")
    with pytest.raises(RecipeError, match="take 'group'"):
        check(recipe(critic_norm="batch"), 99, 2, "cpu")
    check(recipe(critic_norm="batch"), 99, 1, "cpu")


def test_the_tiny_runs_are_complete():
    assert COMMON["critic_start"] < COMMON["steps"]  # the critic does run
