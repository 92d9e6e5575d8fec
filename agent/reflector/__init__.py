"""``dialtone reflector``: our own far end, outside the firewall, that test calls are made to and that calls back."""
