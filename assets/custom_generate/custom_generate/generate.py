"""Decodes with drafts from a Trie: the tokens of ``generate``, in fewer forward passes."""

try:
    from lookahead.hf.custom_generate import generate_from_hub
except ImportError as error:
    raise ImportError(
        "this generation method is in the package lookahead-trie; install it first (see the card)"
    ) from error


def generate(model, **arguments):
    """What ``model.generate`` returns for the same arguments; ``drafter`` and ``lookahead_config`` are added."""
    return generate_from_hub(model, **arguments)
