"""How `make site` builds the pages: Sphinx over the tree as it lies, so that each document stays readable where it is.

What the pages need beyond Sphinx, MyST and Furo is in the files beside this one. Nothing is loaded from another host.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

project = "nanochat"
author = "The nanochat authors"
copyright = author
root_doc = "docs/site/contents"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
extensions += ["reference", "docstrings", "diagrams", "mathml", "sources"]  # ours

include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "docs/**",
    "course/lessons/*/lesson.md",
    "course/zoo/lab-*.md",
    "results/README.md",
    "results/reference/**/*.md",
]
exclude_patterns = [
    ".*",
    "build",
    "dist",
    "tests",
    "**/cells",
    "**/__pycache__",
    "docs/site/templates",
    "docs/site/static",
]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures, many of other packages; every link of ours is checked

# The Markdown of GitHub: headings are anchors, a fence of a known language is a drawing or a formula.
myst_heading_anchors = 4
myst_fence_as_directive = ["math", "mermaid"]
suppress_warnings = ["myst.header"]  # a report may go from # to ###

autodoc_mock_imports = ["torch", "distributed", "starlette", "uvicorn", "prometheus_client", "nbformat"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings give shapes, which say more
autodoc_preserve_defaults = True
add_module_names = False
highlight_language = "none"
smartquotes = False  # ... is code as often as not
viewcode_line_numbers = True
viewcode_follow_imported_members = False  # each name is documented at home
os.environ["MPLBACKEND"] = "agg"

html_theme = "furo"
html_title = "nanochat"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["nanochat.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
html_math_renderer = "mathml"
html_additional_pages = {"index": "home.html"}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
pygments_style = "friendly"
pygments_dark_style = "native"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0f5f8c",
        "color-brand-content": "#0f5f8c",
        "color-brand-visited": "#5b4a8a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc4ee",
        "color-brand-content": "#7cc4ee",
        "color-brand-visited": "#b7a6e6",
    },
}
