"""Studies: many prompts, what their drafts accepted, where acceptance was lost, and which settings would pay."""
