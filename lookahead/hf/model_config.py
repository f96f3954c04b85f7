"""A model's configuration, read with care: some raise when they are asked for a value that differs by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from lookahead.backend import BackendError, UnsupportedCacheError, brief

_LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "max_seq_length")
"""Names of the number of positions, the common one first."""


def text_config(model: PreTrainedModel) -> PreTrainedConfig:
    """The configuration of the model's decoder.

    Raises:
        BackendError: If it has none, or several.
    """
    try:
        return model.config.get_text_config(decoder=True)
    except Exception as error:
        raise BackendError(f"{type(model).__name__}: its configuration cannot be read ({brief(error)})") from error


def setting(config: PreTrainedConfig, name: str) -> Any:
    """The value of this name; None if there is none.

    Raises:
        UnsupportedCacheError: If it cannot be read, because each layer has its own, for example.
    """
    try:
        return getattr(config, name, None)
    except Exception as error:
        raise UnsupportedCacheError(f"its {name} cannot be read for all layers ({brief(error)})") from error


def known(config: PreTrainedConfig, name: str) -> Any:
    """The value of this name; None if there is none, or it cannot be read."""
    try:
        return setting(config, name)
    except UnsupportedCacheError:
        return None


def context_limit(config: PreTrainedConfig) -> int | None:
    """Most tokens of prompt and output together; None if the configuration has no such limit.

    Scaled rotary positions reach ``factor`` times the original length (YaRN, linear, dynamic, llama3). The stated
    length is the original one unless the configuration names another.
    """
    stated = next((length for name in _LENGTHS if (length := _length(known(config, name)))), None)
    if stated is None:
        return None
    return min((max(stated, _scaled(rope, stated, config)) for rope in _ropes(config)), default=stated)


def rope_switch(config: PreTrainedConfig) -> tuple[int, bool] | None:
    """The length at which the model changes the positions of all tokens; None if it never does.

    And whether it changes them again with every later token (dynamic), or just once (longrope).
    """
    ropes = _ropes(config)
    kinds = {rope.get("rope_type") for rope in ropes}
    if "dynamic" in kinds:
        stated = _length(known(config, "max_position_embeddings"))
        return None if stated is None else (stated, True)
    if "longrope" not in kinds:
        return None
    lengths = [length for rope in ropes if (length := _original(rope, config))]
    return (min(lengths), False) if lengths else None


def _ropes(config: PreTrainedConfig) -> list[Mapping[str, Any]]:
    """The rotary parameters: one set for all layers, or one for each kind of layer."""
    parameters = known(config, "rope_parameters")
    if not isinstance(parameters, Mapping):
        return []
    return [value for value in parameters.values() if isinstance(value, Mapping)] or [parameters]


def _original(rope: Mapping[str, Any], config: PreTrainedConfig) -> int | None:
    name = "original_max_position_embeddings"
    return _length(rope.get(name)) or _length(known(config, name))


def _scaled(rope: Mapping[str, Any], stated: int, config: PreTrainedConfig) -> int:
    factor = rope.get("factor")
    if not isinstance(factor, int | float) or not 1 < factor < float("inf"):
        return stated
    return int(factor * (_original(rope, config) or stated))


def _length(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
