"""Reporting upstream over MQTT: the journal, read from a cursor."""
