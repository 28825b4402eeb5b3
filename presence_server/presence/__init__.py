"""Live counts over one process or many: what a room has here, what it has elsewhere, and which nodes hold it."""
