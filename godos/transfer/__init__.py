"""Bodies on their way: consumers, producers, digests, fan-out, all with backpressure."""
