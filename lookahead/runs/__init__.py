"""Recorded runs: collected step by step (``recorder``), written and read with every field checked (``runfile``)."""
