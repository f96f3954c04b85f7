"""Recorded runs: steps collected (``recorder``), written and read again, every field checked (``runfile``)."""
