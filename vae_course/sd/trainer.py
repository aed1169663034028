"""The full training of an autoencoder of the Stable Diffusion family.

One loop for one CPU, a GPU, several, or several machines: Hugging Face
``accelerate`` moves the models, averages gradients and sets the precision. The
course's own part is what must not be left to chance: which images and which
noise a step sees follow from the seed and the step alone, so a run that was
killed and goes on, or is shared by two processes, is the same run.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from contextlib import nullcontext
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from vae_course.sd import checkpoints, stream
from vae_course.sd.autoencoder import AutoencoderKL
from vae_course.sd.critics import Judge, PatchGAN
from vae_course.sd.losses import Coder, generator_step
from vae_course.sd.lpips import LPIPS
from vae_course.sd.perceptual import PerceptualDistance
from vae_course.sd.recipe import Recipe, from_dict
from vae_course.sd.runs import Run, RunError
from vae_course.sd.setup import (
    as_crops,
    check,
    config_of,
    freeze,
    make_accelerator,
)
from vae_course.sd.stopping import at_the_end_of_the_step
from vae_course.sd.validation import measure
from vae_course.training import step_bar

NEAT = 8  # reconstructions on a sheet


class Trainer:
    """An autoencoder, its critic, and everything that training them needs.

    Args:
        recipe: what to do.
        crops: to train on: a :class:`~vae_course.data.folders.Crops`, or an
            ImageSet with images in [-1, 1].
        held_out: to measure on, likewise; None measures nothing.
        run: the folder to write to; None writes nothing.
        vae: a model to go on with, in place of the recipe's.
        perceptual: (x̂, x) → distances, (B,); None takes the course's.
        accelerator: of Hugging Face; None makes one for the recipe.

    Raises:
        RecipeError: the recipe does not fit the images or the devices.
        RunError: ``accelerate`` is missing.
    """

    def __init__(
        self,
        recipe: Recipe,
        crops,
        held_out=None,
        *,
        run: Run | None = None,
        vae: AutoencoderKL | None = None,
        perceptual: nn.Module | None = None,
        accelerator=None,
    ):
        self.recipe, self.run = recipe, run
        self.crops, self.held_out = as_crops(crops), as_crops(held_out)
        self.accelerator = a = accelerator or make_accelerator(recipe)
        check(recipe, len(self.crops), a.num_processes, a.device.type)
        self.step = 0
        self._images = None
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            vae = vae or (
                checkpoints.load(recipe.init, config_of(recipe))
                if recipe.init
                else AutoencoderKL(recipe.preset)
            )
            self.critic = PatchGAN(
                recipe.critic_width, recipe.critic_layers, recipe.critic_norm
            )
        self.coder = Coder(vae, recipe.learned_scale)
        freeze(self.coder, recipe.train)
        judge = Judge(self.critic)
        if a.num_processes > 1 and recipe.critic_norm == "batch":
            judge = nn.SyncBatchNorm.convert_sync_batchnorm(judge)
        self.perceptual = None
        if recipe.perceptual > 0 or perceptual is not None:
            judges = {"efficientnet": PerceptualDistance, "lpips": LPIPS}
            perceptual = perceptual or judges[recipe.distance]()
            self.perceptual = perceptual.to(a.device)
        adam = {"lr": recipe.lr_at(0), "betas": recipe.adam_betas}
        moving = [p for p in self.coder.parameters() if p.requires_grad]
        (
            self.wrapped_coder,
            self.wrapped_judge,
            self.coder_optimizer,
            self.critic_optimizer,
        ) = a.prepare(
            self.coder,
            judge,
            torch.optim.Adam(moving, **adam),
            torch.optim.Adam(judge.parameters(), **adam),
        )
        self.coder = a.unwrap_model(self.wrapped_coder)
        self.critic = a.unwrap_model(self.wrapped_judge).critic
        self.average = copy.deepcopy(self.coder.vae) if recipe.ema else None
        if self.average is not None:
            self.average.requires_grad_(False).eval()
        self.critic_ran = False

    @property
    def vae(self) -> AutoencoderKL:
        """The model that training has made: the average of its weights."""
        return self.coder.vae if self.average is None else self.average

    def fit(self, progress: bool = True) -> None:
        """Trains up to the recipe's number of steps.

        Ctrl-C, and a cluster's SIGTERM, end it after the step at work; with a
        run's folder, a checkpoint is written first. A second Ctrl-C ends it at
        once.

        Raises:
            RunError: a loss is no number any more, or the disk is full.
        """
        recipe, main = self.recipe, self.accelerator.is_main_process
        bar = step_bar(
            total=recipe.steps,
            initial=self.step,
            disable=not (progress and main),
        )
        board = self._board()
        asked = threading.Event()
        try:
            with at_the_end_of_the_step(asked):
                self._loop(bar, board, asked)
        finally:
            bar.close()
            self._images = None
            if board:
                board.close()

    def _loop(self, bar, board, asked: threading.Event) -> None:
        recipe = self.recipe
        while self.step < recipe.steps:
            start = time.perf_counter()
            line = self.advance()
            seconds = time.perf_counter() - start
            bar.update()
            if not self.step % recipe.log_every:
                speed = round(recipe.batch / seconds, 1)
                self._write(
                    {"kind": "train", "step": self.step, **line}
                    | {"images_per_second": speed},
                    board,
                )
                bar.set_postfix_str(
                    f"{line['loss']:.1f} nats, {speed:g} images/s"
                )
            if self.step == recipe.steps or not self.step % recipe.every:
                self._milestone(board)
            if asked.is_set():
                if self.run:
                    self.save()
                    if self.accelerator.is_main_process:
                        print(f"\nStopped after step {self.step}, and saved.")
                raise KeyboardInterrupt

    def advance(self) -> dict[str, float]:
        """One step of the autoencoder, and one of the critic.

        Returns:
            Each term, averaged over the whole batch, in nats per image.

        Raises:
            RunError: a loss is no number. The weights are those before.
        """
        recipe, a = self.recipe, self.accelerator
        for optimizer in (self.coder_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr_at(self.step)
        self.critic_ran = (
            recipe.has_critic and self.step >= recipe.critic_start
        )
        noise = self._noise()
        pairs, totals = [], {}
        self.coder_optimizer.zero_grad()
        for part in range(recipe.accumulate):
            x = self._next()
            mine = stream.share(
                recipe.batch,
                recipe.accumulate,
                part,
                a.num_processes,
                a.process_index,
            )
            with self._syncing(self.wrapped_coder, part):
                coded = self.wrapped_coder(x, noise[mine].to(a.device))
                with a.autocast():
                    step = generator_step(
                        self.coder,
                        coded,
                        x,
                        beta=recipe.beta,
                        perceptual=self._distance,
                        perceptual_weight=recipe.perceptual,
                        critic=self.critic if self.critic_ran else None,
                        adversarial_weight=recipe.adversarial,
                        adaptive=recipe.adaptive,
                        mean=lambda t: a.reduce(t, "mean"),
                        magnify=2.0**12 if recipe.precision == "fp16" else 1.0,
                    )
                self._add(totals, step.terms)
                a.backward(step.loss / recipe.accumulate)
            pairs.append((x, coded.image.detach()))
        # Of all devices: each must stop if one does.
        line = self._averaged(totals)
        if not math.isfinite(line["loss"]):
            raise self._diverged(line)
        line["gradient"] = self._clip(self.coder)
        self.coder_optimizer.step()
        if self.critic_ran:
            line |= self._critic_step(pairs)
        self._move_average()
        self.step += 1
        return line

    def _critic_step(self, pairs: list[tuple[Tensor, Tensor]]) -> dict:
        """One step of the critic, on what the autoencoder just made."""
        totals: dict[str, Tensor] = {}
        self.critic_optimizer.zero_grad()
        for part, (real, fake) in enumerate(pairs):
            with self._syncing(self.wrapped_judge, part):
                verdict = self.wrapped_judge(real, fake)
                loss = verdict.loss
                self._add(
                    totals,
                    {
                        "critic": loss.detach(),
                        "critic_accuracy": verdict.accuracy,
                    },
                )
                self.accelerator.backward(loss / self.recipe.accumulate)
        self._clip(self.critic)
        self.critic_optimizer.step()
        return self._averaged(totals)

    def validate(self) -> dict[str, float]:
        """What :func:`~vae_course.sd.validation.measure` finds now."""
        a, recipe = self.accelerator, self.recipe
        return measure(
            self.vae,
            self.held_out,
            batch_size=recipe.batch // (recipe.accumulate * a.num_processes),
            perceptual=self.perceptual and self._distance,
            critic=self.critic if self.critic_ran else None,
            accelerator=a,
        )

    def save(self) -> None:
        """Writes a checkpoint: all that is needed to go on."""
        if self.run is None or not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "recipe": asdict(self.recipe)
            | {"adam_betas": [*self.recipe.adam_betas]},
            "images": self.crops.fingerprint(),
            "coder": self.coder.state_dict(),
            "critic": self.critic.state_dict(),
            "coder_optimizer": self.coder_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        self.run.save(state, self.recipe.keep)

    def resume(self) -> bool:
        """Goes on from the newest checkpoint; False if there is none.

        Raises:
            RunError: the checkpoint cannot be read, or is of another recipe or
                of other images.
        """
        state = self.run.load()
        if state is None:
            return False
        differences = self.recipe.differences(
            from_dict({**state["recipe"], "recipe": "small"})
        )
        if differences:
            raise RunError(
                f"{self.run.folder} was begun with another recipe ("
                + "; ".join(differences)
                + "). Go on with that one, or begin in another folder."
            )
        if state["images"] != self.crops.fingerprint():
            raise RunError(
                f"{self.run.folder} was trained on other images than there "
                "are now. Begin in another folder; --init takes its model/ "
                "as the weights to begin from."
            )
        self.coder.load_state_dict(state["coder"])
        self.critic.load_state_dict(state["critic"])
        self.coder_optimizer.load_state_dict(state["coder_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.accelerator.scaler is not None and "scaler" in state:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        self.step = state["step"]
        self._images = None
        self.critic_ran = (
            self.recipe.has_critic and self.step > self.recipe.critic_start
        )
        if self.accelerator.is_main_process:
            self.run.cut_back(self.step)
        return True

    def _milestone(self, board) -> None:
        """Measures, draws a sheet, writes a checkpoint and the model."""
        if self.held_out is not None:
            line = self.validate()
            if self.recipe.train == "all":  # else the latents are as before
                scale = 1 / line["latent_std"]
                config = replace(self.vae.config, scaling_factor=scale)
                self.vae.config = config
            self._write({"kind": "held out", "step": self.step, **line}, board)
        if self.run is None or not self.accelerator.is_main_process:
            return
        if self.held_out is not None:
            count = min(NEAT, len(self.held_out))
            x = torch.stack([self.held_out.crop(i) for i in range(count)])
            with torch.no_grad():
                y = self.vae.reconstruct(x.to(self.accelerator.device))
            self.run.sheet(self.step, x, y.cpu())
        with self.run.guarded():
            checkpoints.save(self.vae, self.run.folder / "model")
        self.save()

    def _next(self) -> Tensor:
        """This process's images of the next part of the step."""
        recipe, a = self.recipe, self.accelerator
        if self._images is None:
            self._images = stream.loader(
                self.crops,
                recipe.seed,
                recipe.batch,
                range(self.step, recipe.steps),
                parts=recipe.accumulate,
                processes=a.num_processes,
                process=a.process_index,
                workers=recipe.workers,
            )
        return next(self._images).to(a.device, non_blocking=True)

    def _noise(self) -> Tensor:
        config, size = self.coder.vae.config, self.recipe.size
        side = size // config.factor
        shape = (self.recipe.batch, config.latent_channels, side, side)
        return stream.noise(self.recipe.seed, self.step, shape)

    def _distance(self, y: Tensor, x: Tensor) -> Tensor:
        """The crops are in [-1, 1] as they are made, so none is checked."""
        if self.perceptual is None:
            return y.new_zeros(len(y))
        return self.perceptual(y, x, check=False)

    def _syncing(self, module: nn.Module, part: int):
        """Gradients are averaged over devices once a step, at its end."""
        last = part == self.recipe.accumulate - 1
        return nullcontext() if last else self.accelerator.no_sync(module)

    def _clip(self, module: nn.Module) -> float:
        """The gradient's norm, before it is clipped."""
        limit = self.recipe.clip or math.inf
        moving = [p for p in module.parameters() if p.requires_grad]
        return float(self.accelerator.clip_grad_norm_(moving, limit))

    @torch.no_grad()
    def _move_average(self) -> None:
        if self.average is None:
            return
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        pairs = zip(
            self.average.parameters(), self.coder.vae.parameters(), strict=True
        )
        for average, current in pairs:
            average.lerp_(current, 1 - keep)

    @staticmethod
    def _add(totals: dict[str, Tensor], terms: dict[str, Tensor]) -> None:
        for name, value in terms.items():
            totals[name] = totals.get(name, 0) + value.float()

    def _averaged(self, totals: dict[str, Tensor]) -> dict[str, float]:
        packed = torch.stack([*totals.values()]) / self.recipe.accumulate
        packed = self.accelerator.reduce(packed, "mean")
        return dict(zip(totals, packed.tolist(), strict=True))

    def _diverged(self, line: dict[str, float]) -> RunError:
        broken = [k for k, v in line.items() if not math.isfinite(v)]
        saved = self.run.steps() if self.run else []
        safe = f" {self.run.path(saved[-1])} is from before." if saved else ""
        return RunError(
            f"The loss is {line['loss']} at step {self.step + 1}; what broke "
            f"is {', '.join(broken)}. Likely the learning rate is too high "
            f"or the precision too low.{safe}"
        )

    def _write(self, line: dict, board) -> None:
        if self.run is None or not self.accelerator.is_main_process:
            return
        self.run.write(line)
        if board:
            for name, value in line.items():
                if name not in ("kind", "step"):
                    board.add_scalar(
                        f"{line['kind']}/{name}", value, line["step"]
                    )

    def _board(self):
        """TensorBoard's writer, where it is installed."""
        if self.run is None or not self.accelerator.is_main_process:
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(self.run.folder / "tensorboard")
