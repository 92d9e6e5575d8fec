"""Serial lines: bytes in, readings out. The parsers are pure; ``port.py`` is the shell that owns the wire."""
