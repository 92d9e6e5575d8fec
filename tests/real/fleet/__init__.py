"""A fleet: many probes of the product's own uplink, one broker, `dialtone watch` and a receiver, each a process."""
