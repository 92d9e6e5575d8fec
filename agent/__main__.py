"""``python -m agent`` is ``dialtone``."""

import sys

from agent.cli import main

sys.exit(main())
