"""A whole site on this computer: a channel bank on a pty, relays on sockets, a real broker, the very agent."""
