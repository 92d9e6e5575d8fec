"""A site of network namespaces: real packets through a real firewall, and the agent among them."""
