"""The look of the page around the stage: Gradio's theme in the stage's colours, and the page's own styles."""

from __future__ import annotations

from gradio import themes

from app.serve.modules import SHARED, WEB, preloads, read

PAGE_STYLES = ("styles/page.css", "styles/present.css")
STAGE_STYLES = ("styles/shared.css", "styles/tree.css", "styles/watch.css")
NO_MODULES = ("boot.js", "frames.js", "page.js", "stage.js", "url.js")
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


LOOK = {
    "button_primary_background_fill": ("#0072B2", "#0072B2"),
    "button_primary_background_fill_hover": ("#005F95", "#005F95"),
    "button_primary_text_color": ("white", None),
    "button_secondary_background_fill": ("#FFFFFF", "#16191F"),
    "button_secondary_background_fill_hover": ("#F7F8FA", "#22262E"),
    "button_secondary_border_color": ("#8A8F98", "#7C828C"),
    "body_text_color": ("#1C1F23", "#E8EAED"),
    "checkbox_background_color_selected": ("#0072B2", "#0072B2"),
    "checkbox_border_color_selected": ("#0072B2", "#56B4E9"),
    "checkbox_border_color_focus": ("#0072B2", "#56B4E9"),
    "slider_color": ("#0072B2", "#56B4E9"),
    "block_title_text_color": ("#1C1F23", "#E8EAED"),
    "body_text_color_subdued": ("#5C6370", "#A3A9B3"),
    "block_info_text_color": ("#5C6370", "#A3A9B3"),
    "body_background_fill": (None, "#0F1115"),
    "background_fill_primary": (None, "#0F1115"),
    "background_fill_secondary": (None, "#16191F"),
    "block_background_fill": (None, "#0F1115"),
    "input_background_fill": ("#FFFFFF", "#16191F"),
    "input_border_color": ("#8A8F98", "#7C828C"),
    "input_border_width": ("1px", None),
    "input_border_color_focus": ("#0072B2", "#56B4E9"),
    "border_color_primary": ("#E2E4E8", "#33373E"),
}
"""Values of Gradio's theme in the light and in the dark look; None leaves its own."""


def theme() -> themes.Base:
    """The page's theme: the system's own fonts, one blue."""
    return themes.Base(
        primary_hue=themes.colors.blue,
        neutral_hue=themes.colors.gray,
        radius_size=themes.sizes.radius_md,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(
        **{name: light for name, (light, _) in LOOK.items()},
        **{f"{name}_dark": dark for name, (_, dark) in LOOK.items()},
    )


def head() -> str:
    """The head of the page: the page's own script, and links that have the browser load all modules at once."""
    modules = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*.js"))
    used = (
        name for name in modules if name not in NO_MODULES and (name in CARD or not name.startswith(("learn/", "lab/")))
    )
    links = preloads((*SHARED, *(f"web/{name}" for name in used)))
    icon = '<link rel="icon" type="image/svg+xml" href="./favicon.ico">'
    script = f"<script>{read('page.js')}{read('stage.js')}</script>"
    # Gradio rewrites the rules of its own style sheet: those of a media query would hold inside the page's main part.
    screen = f"<style>{read('styles/screen.css')}</style>"
    return '<meta name="color-scheme" content="light dark">' + icon + screen + script + links
