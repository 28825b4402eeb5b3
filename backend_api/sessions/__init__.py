"""Sessions of every kind: their lifecycle, their store, their sweep. What a kind is for is in its own package."""
