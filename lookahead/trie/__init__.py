"""The Trie: counted n-grams (``core``), followed (``locus``), pruned, on disk (``file``), inspected (``view``)."""

from lookahead.trie.core import MIN_BYTES as MIN_BYTES
from lookahead.trie.core import MIN_CAPACITY as MIN_CAPACITY
from lookahead.trie.core import Trie as Trie
from lookahead.trie.nodes import MAX_TOKEN_ID as MAX_TOKEN_ID
from lookahead.trie.nodes import NO_TOKEN as NO_TOKEN
from lookahead.trie.nodes import RANKED as RANKED
from lookahead.trie.nodes import ROOT as ROOT
from lookahead.trie.nodes import SEVERAL as SEVERAL
from lookahead.trie.nodes import TOKEN_BITS as TOKEN_BITS
from lookahead.trie.nodes import WIDE as WIDE
