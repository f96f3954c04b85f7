"""The model, and the thread that runs it."""
