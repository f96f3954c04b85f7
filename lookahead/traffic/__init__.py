"""Traffic: requests that another engine has answered, read as samples for a study."""

from lookahead.traffic.read import is_traffic, read_traffic

__all__ = ["is_traffic", "read_traffic"]
