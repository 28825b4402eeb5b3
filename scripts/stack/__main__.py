"""`scripts/up`. Ends quietly when it is interrupted while it is still loading."""

import sys

try:
    from scripts.stack.up import main

    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)
