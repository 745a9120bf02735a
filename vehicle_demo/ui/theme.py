"""How the app looks: a quiet neutral Gradio theme with one accent, and the colours that mean something."""

from __future__ import annotations

import gradio as gr

# Detection categories by hue: Okabe and Ito's palette, told apart by colour-blind eyes.
CATEGORY_COLOURS = {
    "car": "#0072b2",
    "suv": "#009e73",
    "truck": "#d55e00",
    "bus": "#cc79a7",
    "van": "#56b4e9",
    "motorcycle": "#e69f00",
}
OTHER_COLOUR = "#7a7f87"


def category_colour(label: str) -> str:
    """The hue of a detection category; grey for labels without one."""
    return CATEGORY_COLOURS.get(label, OTHER_COLOUR)


def theme() -> gr.themes.Base:
    """Neutral greys, system fonts, one blue accent."""
    system = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        font=system,
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
    ).set(body_text_color_subdued="*neutral_500")  # 400 is too pale on white to be read by all
