"""What the senses show together: a look for each column of the cause table."""
