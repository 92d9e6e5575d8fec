"""The NOC's view of all sites, from what their probes send: ``dialtone watch``."""
