"""Lookahead: several tokens per forward pass from any causal language model, and not one token changed."""
