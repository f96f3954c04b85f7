"""Tries as networkx graphs: a picture's layout, numbers about it, GraphML."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx

from lookahead.trie.view import TrieNodeView

from .look import Kind


def trie_graph(
    views: Sequence[TrieNodeView], token_text: Callable[[int], str], new: set[int], kind: Kind = "own"
) -> nx.DiGraph:
    """The n-grams of a neighbourhood as a tree; node 0 is where it begins.

    Args:
        views: Parents before children, as ``trie.view.neighbourhood`` gives them.
        new: Indices of the nodes that the last step added or counted up.
        kind: Whose trie it is: all counts of another one than the run's own are of that kind.
    """
    graph = nx.DiGraph()
    for index, view in enumerate(views):
        graph.add_node(
            index,
            token=view.token_id,
            text=token_text(view.token_id) if view.token_id >= 0 else "",
            count=view.count,
            prompt_count=view.prompt_count,
            output_count=view.count - view.prompt_count if kind == "own" else 0,
            earlier_count=view.count if kind == "earlier" else 0,
            corpus_count=view.count if kind == "corpus" else 0,
            new=index in new,
        )
        if view.parent >= 0:
            graph.add_edge(view.parent, index)
    return graph


def tidy_layout(graph: nx.DiGraph, root: int = 0) -> dict[int, tuple[int, int]]:
    """Column and row of every node: a column a level, a row a leaf, a parent beside its first child.

    >>> tidy_layout(nx.DiGraph([(0, 1), (0, 2)]))
    {1: (1, 0), 2: (1, 1), 0: (0, 0)}
    """
    columns = nx.single_source_shortest_path_length(graph, root)
    rows: dict[int, int] = {}
    leaves = 0
    for node in nx.dfs_postorder_nodes(graph, root):
        below = [rows[child] for child in graph.successors(node)]
        if below:
            rows[node] = below[0]
        else:
            rows[node] = leaves
            leaves += 1
    return {node: (columns[node], row) for node, row in rows.items()}


def picture(graph: nx.DiGraph) -> dict[str, list[Any]]:
    """The graph as the page draws it, every field a list over its nodes."""
    layout = tidy_layout(graph)
    parents = {child: parent for parent, child in graph.edges}
    nodes = sorted(graph)
    return {
        "text": [graph.nodes[node]["text"] for node in nodes],
        "prompt": [graph.nodes[node]["prompt_count"] for node in nodes],
        "output": [graph.nodes[node]["output_count"] for node in nodes],
        "earlier": [graph.nodes[node]["earlier_count"] for node in nodes],
        "corpus": [graph.nodes[node]["corpus_count"] for node in nodes],
        "new": [graph.nodes[node]["new"] for node in nodes],
        "parent": [parents.get(node, -1) for node in nodes],
        "x": [layout[node][0] for node in nodes],
        "y": [layout[node][1] for node in nodes],
    }


def graphml(graph: nx.DiGraph) -> str:
    """The graph as GraphML text; characters that XML cannot carry are replaced."""
    clean = graph.copy()
    for node in clean:
        clean.nodes[node]["text"] = "".join(
            letter if letter in "\t\n\r" or (letter >= "\x20" and letter not in "\ufffe\uffff") else "\ufffd"
            for letter in clean.nodes[node]["text"]
        )
    buffer = io.BytesIO()
    nx.write_graphml(clean, buffer)
    return buffer.getvalue().decode("utf-8")
