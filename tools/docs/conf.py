"""Sphinx's settings. What quarto needs too stands in the _quarto.yml at the top, and comes from there."""
from docs.website import BASE, CFG, NBS, REPO, WEBSITE, footer, sidebar

project, author, version, copyright = WEBSITE["title"], CFG.author, CFG.version, CFG.copyright
html_title = project
extensions = ["myst_nb", "sphinx_copybutton", "sphinxext.opengraph", "docs.myst"]
suppress_warnings = ["myst.header"]  # H3 belongs to the documented names, so that H4 follows H2
templates_path = ["templates"]
exclude_patterns = ["_html", "_doctrees", "jupyter_execute"]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath", "html_image", "strikethrough", "tasklist"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
myst_heading_slug_func = "docs.myst.slug"
html_math_renderer = "mathml"
copybutton_selector = "div.cell_input pre, div.highlight-sh pre, div.highlight-python pre"

html_theme = "furo"
html_baseurl = f"{BASE}/"
html_favicon = html_logo = str(NBS/WEBSITE["favicon"])
html_static_path, html_css_files = [str(NBS/"custom.css")], ["custom.css"]
html_extra_path = [str(NBS/WEBSITE["image"])]
html_copy_source = html_show_sphinx = html_use_index = False
html_context = dict(footer_left=footer("left"), footer_right=footer("right"))
brand = {"color-brand-primary": "#1f4e79", "color-brand-content": "#1f5f9e", "color-brand-visited": "#1f5f9e"}
dark = {k: "#7db7ee" for k in brand}
html_theme_options = dict(light_css_variables=brand, dark_css_variables=dark, top_of_page_buttons=["view"])
pygments_style, pygments_dark_style = "default", "github-dark"

ogp_site_url, ogp_image, ogp_image_alt = html_baseurl, f"{BASE}/{WEBSITE['image']}", WEBSITE["image-alt"]
ogp_social_cards = {"enable": False}
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image">']


def view_link(app, pagename, templatename, context, doctree):
    "The button above a page leads to its notebook."
    file = {p.doc: p.file for p in sidebar()}.get(pagename)
    if file: context["theme_source_view_link"] = f"{REPO}/nbs/{file}"


def setup(app): app.connect("html-page-context", view_link)
