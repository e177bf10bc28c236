"""``python -m chainrule``: the command, for where scripts aren't on the path."""

import sys

from .cli import main

sys.exit(main())
