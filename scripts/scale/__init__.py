"""What a large installation asks of Redis, of the network and of each node: on paper and by simulation."""
