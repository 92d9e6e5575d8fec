"""Calls in from outside: which knocks are awaited, and which datagram is one of them."""
