"""Why some attempts that are no copy of the solution are rightly accepted.

The key is an exercise, with a piece of the line that ``--survivors`` prints;
an empty piece stands for the whole exercise. Each reason says what the task
leaves open. An attempt that only got lucky has no reason: it needs a trial.
"""

from __future__ import annotations

_MIRRORED = "Laplace noise is symmetric: turned round, it is the same noise"
_UNDER_NOISE = (
    "a nat or so in the sum over hundreds of images: the noise of z moves it "
    "by more"
)
_ONE_MORE = (
    "the task leaves open whether n or n − 1 divides, and among a thousand "
    "numbers one more or less changes no third digit"
)
REASONS: dict[tuple[str, str], str] = {
    ("1.1", "'double'"): "numbers of another type are the same numbers",
    ("1.1", "'numpy'"): "numbers of another type are the same numbers",
    ("1.1", "argument alone"): "a list is as good as a tensor of it",
    ("1.3", "full_matrices"): "the first directions are the same",
    ("1.3", "torch.linalg.svd(x - x.mean(0)))"): (
        "the first directions are the same"
    ),
    ("1.4", "'double'"): "a number is asked for, in any precision",
    ("1.4", "'keepdim'"): "a tensor that holds one number is a number",
    ("1.4", "'numpy'"): "a number is asked for, of any kind",
    ("1.4", "'at least 0.05'"): "a twentieth of a degree is lost in rounding",
    ("1.5", "nn.Parameter("): "weights are learned, from any start",
    ("1.5", "cousin"): "one hidden layer that bends is enough, in any way",
    ("1.5", "factor"): "a sign beside a trained layer is learned away",
    ("1.5", "'keepdim'"): "`view` brings the shape back",
    ("1.5", "'squeeze'"): "`reshape` brings the shape back",
    ("1.5", "detach"): "an image needs no gradient",
    ("1.5", "made finite"): "images and codes are finite",
    ("1.5", "in half precision"): "a network may compute in any precision",
    ("1.5", "'half precision'"): "a network may compute in any precision",
    ("1.5", "in single precision"): "a network may compute in any precision",
    ("1.5", "nn.Dropout()"): "any share may be dropped while it trains",
    ("2.1", "factor"): "normal noise turned round is the same noise",
    ("2.1", "'flipped'"): "independent draws are so in any order",
    ("2.1", "keyword dropped"): "noise may be drawn in any precision",
    ("2.1", "'shifted', log_var"): (
        "a variance larger by a hundredth is less than 6,000 draws can show"
    ),
    (
        "2.2",
        "'squeeze', torch.zeros_like",
    ): "zeros of any shape are the same prior",
    ("2.7", "constant: total = 1"): _UNDER_NOISE,
    ("2.7", "plus one: total +="): _UNDER_NOISE,
    ("2.7", "half precision"): _UNDER_NOISE,
    ("2.7", "seeded inside"): "a seed makes it repeatable, and as honest",
    ("2.7", "keepdim"): "a tensor that holds one number is a number",
    ("2.7", "'double'"): "a number is asked for, in any precision",
    ("2.7", "'numpy'"): "a number is asked for, of any kind",
    ("2.8", "plus one"): "three digits are enough, and they are the same",
    ("2.9", ""): (
        "what is asked is a number of nats on new images: every run that gets "
        "below it is right"
    ),
    ("3.1", "operator: return mean - scale"): _MIRRORED,
    ("3.1", "factor: draws.append(mean + -1"): _MIRRORED,
    ("3.1", "keyword dropped: coin"): "a coin falls in any precision",
    ("3.1", "'flipped'"): "independent draws are so in any order",
    ("3.2", "argument alone: return [slope"): (
        "two gradients in a list are the same two gradients"
    ),
    ("3.3", "input squeezed: values"): (
        "this makes a difference for a single value, which has no others to "
        "be its baseline"
    ),
    ("3.4", "plus one"): "1 % off is near enough, as the task says",
    ("4.1", "in single precision"): (
        "rounded to single precision, an input moves the divergence by less "
        "than is compared"
    ),
    ("5.4", "'double'"): "a number is asked for, in any precision",
    ("5.4", "'keepdim'"): "a tensor that holds one number is a number",
    ("5.4", "'numpy'"): "a number is asked for, of any kind",
    ("5.1", "plus one"): "three digits are enough, and they are the same",
    ("6.4", "'numpy'"): "an array of numbers is as good as a tensor of them",
    ("7.4", "'double'"): "a number is asked for, in any precision",
    ("7.4", "keepdim"): "a tensor that holds one number is a number",
    ("7.4", "in single precision"): "a number is asked for, in any precision",
    ("7.4", "in half precision"): (
        "rounded latents are spread as widely, to three digits"
    ),
    ("7.4", "correction"): _ONE_MORE,
    ("7.4", "keyword dropped"): _ONE_MORE,
    ("8.3", "'double'"): "a number is asked for, in any precision",
    ("8.3", "keepdim"): "a tensor that holds one number is a number",
    ("8.3", "argument alone"): "a tensor that holds one number is a number",
}


def reason(number: str, line: str) -> str:
    """The reason for one survivor; empty if there is none."""
    for (of, piece), why in REASONS.items():
        if of == number and piece in line:
            return why
    return ""
