"""``vae-course diagnose``: examines a stored VAE."""

from __future__ import annotations

import argparse

from vae_course.cli.complaint import complain

DIAGNOSE = """
Measures what a VAE does with images that it was not trained on, and says what
is outside the healthy band: the symptom, its number, the band, and the chapter
that derives the right version. The checkpoint is one of the Stable Diffusion
family, or the state of a dense VAE of this course.
"""
EXAMPLE = """
example:
  vae-course diagnose run/model photos

exit codes:
  0  every reading is inside its band
  1  some are not
  2  the command was not understood
  3  the checkpoint or the images could not be used
"""


def add(commands) -> None:
    """The command and its options."""
    diagnose_parser = commands.add_parser(
        "diagnose",
        help="examine a VAE, and say what is not as it should be",
        description=DIAGNOSE,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = diagnose_parser.add_argument
    option(
        "checkpoint",
        help="a folder or file of weights, or an id on the Hugging Face Hub",
    )
    option("folder", help="images that it was not trained on, 64 and more")
    option(
        "--train",
        metavar="FOLDER",
        help="images that it was trained on, to compare",
    )
    option(
        "--config",
        help="the model, where the weights do not say: small, sd1, sdxl, …",
    )
    option(
        "--beta",
        type=float,
        help="weight of the rate in the loss that it was trained on",
    )
    option(
        "--size",
        type=int,
        help="side of the images (default: the model's, but 64 at most)",
    )
    option("--all", action="store_true", help="print every reading")
    option("--json", action="store_true", help="print the report as JSON")
    diagnose_parser.set_defaults(run=diagnose)


def diagnose(chosen: argparse.Namespace) -> int:
    """Examines a checkpoint on a folder of images; prints the report."""
    from vae_course.data import DataError
    from vae_course.diagnosis import diagnose as examine
    from vae_course.diagnosis import stored
    from vae_course.sd.weights import CheckpointError
    from vae_course.training import best_device

    said = {} if chosen.beta is None else {"beta": chosen.beta}
    try:
        model = stored.load_model(chosen.checkpoint, chosen.config)
        images = stored.load_images(chosen.folder, model, chosen.size)
        seen = None
        if chosen.train is not None:
            seen = stored.load_images(chosen.train, model, chosen.size)
        model.to(best_device())
        report = examine(
            model, stored.few(images, model), train_images=seen, **said
        )
    except (CheckpointError, DataError, ValueError) as error:
        complain(error)
        return 3
    if chosen.json:
        print(report.to_json())
    else:
        print(report.table() + "\n\n" + str(report) if chosen.all else report)
    return 0 if report.healthy else 1
