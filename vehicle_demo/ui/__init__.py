"""The Gradio app: one module a tab, each with `build(services)`."""
