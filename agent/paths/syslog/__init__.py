"""What a firewall logs: syslog messages, their deny formats, and what they say of the packets that carry calls."""
