"""`scripts/up`. Ends at once when it is interrupted while it is still loading."""

import signal
import sys

# Raised in the middle of an import, KeyboardInterrupt may be swallowed: nothing runs yet, so the signal simply ends us.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from scripts.stack.up import main  # noqa: E402

sys.exit(main())
