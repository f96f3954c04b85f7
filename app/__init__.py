"""The page: a Gradio app that shows every step of a run. No torch here; models come from ``lookahead``."""
