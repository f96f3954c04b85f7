"""The Trie: counted n-grams (``core``), followed (``locus``), pruned, on disk (``file``), inspected (``view``)."""

from lookahead.trie.core import MIN_BYTES, MIN_CAPACITY, Trie, TrieStats
from lookahead.trie.nodes import MAX_TOKEN_ID, NO_TOKEN, RANKED, ROOT, SEVERAL, WIDE

__all__ = [
    "MAX_TOKEN_ID",
    "MIN_BYTES",
    "MIN_CAPACITY",
    "NO_TOKEN",
    "RANKED",
    "ROOT",
    "SEVERAL",
    "WIDE",
    "Trie",
    "TrieStats",
]
