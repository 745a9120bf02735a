"""What people said, kept for ever: a store of append-only events, and the queue of what to ask next."""
