"""The verdict: the best explanation of all senses together, what speaks for and against it, and what to do now."""
