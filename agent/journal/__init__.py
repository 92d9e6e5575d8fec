"""One append-only, hash-chained, durable log; reporting upstream is reading it from a cursor."""
