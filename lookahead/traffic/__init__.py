"""Traffic: requests that another engine has answered, read as samples for a study."""
