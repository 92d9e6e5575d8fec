"""What comes in from the NOC: signed configuration, commands, receipts, and how the neighbours fare."""
