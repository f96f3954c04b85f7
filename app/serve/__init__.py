"""What the server answers besides Gradio: endpoints, questions, the step stream, the modules of ``app/web``."""
