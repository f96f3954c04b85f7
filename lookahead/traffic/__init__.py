"""Traffic: requests that another engine has answered, read as samples for a study."""

from lookahead.traffic.read import is_traffic, traffic_in

__all__ = ["is_traffic", "traffic_in"]
