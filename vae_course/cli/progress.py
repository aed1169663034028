"""``vae-course progress``: what a class has done, as a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from vae_course.cli.complaint import complain


def add(commands) -> None:
    """The command and its options."""
    progress_parser = commands.add_parser(
        "progress",
        help="make a table of the progress files that a class handed in",
        description="Reads every .json file in a folder and below it. A file "
        "that is no progress file is named on standard error, and the exit "
        "code is 1; the others are in the table all the same.",
    )
    progress_parser.add_argument("folder", metavar="FOLDER", type=Path)
    progress_parser.add_argument(
        "--csv",
        action="store_true",
        help="a row for each student and exercise, for a spreadsheet",
    )
    progress_parser.set_defaults(run=progress)


def progress(chosen: argparse.Namespace) -> int:
    """Prints what a class has done; 1 if a file could not be used."""
    from vae_course.exercises import collecting

    try:
        handed, troubles = collecting.collect(chosen.folder)
    except OSError as error:
        return complain(error)
    if handed:
        write = collecting.as_csv if chosen.csv else collecting.table
        print(write(handed).rstrip())
    for trouble in troubles:
        complain(trouble)
    return 1 if troubles else 0
