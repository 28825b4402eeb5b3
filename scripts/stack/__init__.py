"""The local stack: every program of the product on one machine, with embedded defaults. Not used in production."""
