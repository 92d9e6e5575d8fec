"""The command line's verbs, one module each (``requests`` has those that only ask the running agent)."""
