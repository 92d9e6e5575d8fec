"""Outages in virtual time: a simulated site drives the very core; what it tells, and when, stands beside the facts."""
