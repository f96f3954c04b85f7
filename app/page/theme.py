"""The look of the page around the stage: Gradio's theme in the stage's colours, and the page's own styles."""

from __future__ import annotations

from gradio import themes

from app.serve.modules import PREFIX, WEB, read

PAGE_STYLES = ("styles/page.css", "styles/present.css")
STAGE_STYLES = ("styles/stage.css", "styles/tree.css", "styles/watch.css")
NO_MODULES = ("boot.js", "page.js", "url.js")
"""Scripts that Gradio or the page's head runs."""


def page_css() -> str:
    """The style sheet of the whole page.

    The stage's own is part of it: Gradio would insert a ``css_template`` again with every value, and the browser would
    recompute the style of the whole page each time.
    """
    page, stage = ("".join(map(read, names)) for names in (PAGE_STYLES, (*STAGE_STYLES, CARD_STYLES)))
    return page + "#stage {\n" + stage + "}\n"


CARD_STYLES = "styles/card.css"
CARD = tuple(f"learn/{name}.js" for name in ("card", "chapters", "progress", "question"))
"""What the page uses of the course: a chapter as a card."""


def theme() -> themes.Base:
    """The page's theme: the system's own fonts, one blue."""
    return themes.Base(
        primary_hue=themes.colors.blue,
        neutral_hue=themes.colors.gray,
        radius_size=themes.sizes.radius_md,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(
        button_primary_background_fill="#0072B2",
        button_primary_background_fill_hover="#005F95",
        button_primary_background_fill_dark="#0072B2",
        button_primary_background_fill_hover_dark="#005F95",
        button_primary_text_color="white",
        button_secondary_background_fill="#FFFFFF",
        button_secondary_background_fill_hover="#F7F8FA",
        button_secondary_border_color="#8A8F98",
        button_secondary_background_fill_dark="#16191F",
        button_secondary_background_fill_hover_dark="#22262E",
        button_secondary_border_color_dark="#7C828C",
        body_text_color="#1C1F23",
        body_text_color_dark="#E8EAED",
        checkbox_background_color_selected="#0072B2",
        checkbox_background_color_selected_dark="#0072B2",
        checkbox_border_color_selected="#0072B2",
        checkbox_border_color_selected_dark="#56B4E9",
        checkbox_border_color_focus="#0072B2",
        checkbox_border_color_focus_dark="#56B4E9",
        slider_color="#0072B2",
        slider_color_dark="#56B4E9",
        block_title_text_color="#1C1F23",
        block_title_text_color_dark="#E8EAED",
        body_text_color_subdued="#5C6370",
        body_text_color_subdued_dark="#A3A9B3",
        block_info_text_color="#5C6370",
        block_info_text_color_dark="#A3A9B3",
        body_background_fill_dark="#0F1115",
        background_fill_primary_dark="#0F1115",
        background_fill_secondary_dark="#16191F",
        block_background_fill_dark="#0F1115",
        input_background_fill="#FFFFFF",
        input_background_fill_dark="#16191F",
        input_border_color="#8A8F98",
        input_border_color_dark="#7C828C",
        input_border_width="1px",
        input_border_color_focus="#0072B2",
        input_border_color_focus_dark="#56B4E9",
        border_color_primary="#E2E4E8",
        border_color_primary_dark="#33373E",
    )


def head() -> str:
    """The head of the page: the page's own script, and links that have the browser load all modules at once."""
    modules = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*.js"))
    used = (
        name for name in modules if name not in NO_MODULES and (name in CARD or not name.startswith(("learn/", "lab/")))
    )
    links = (f'<link rel="modulepreload" href=".{PREFIX}/web/{name}">' for name in used)
    icon = '<link rel="icon" type="image/svg+xml" href="./favicon.ico">'
    script = f"<script>{read('page.js')}</script>"
    # Gradio rewrites the rules of its own style sheet: those of a media query would hold inside the page's main part.
    screen = f"<style>{read('styles/screen.css')}</style>"
    return '<meta name="color-scheme" content="light dark">' + icon + screen + script + "".join(links)
