"""What the calls themselves say: their lives put together, and the detectors that judge them. Pure."""
