"""From a condition to a lamp: points, their qualification in time, and the ISA-18.1 sequences."""
