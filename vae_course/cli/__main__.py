"""``python -m vae_course.cli`` is the command, too."""

import sys

from vae_course.cli import main

sys.exit(main())
