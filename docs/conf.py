"""Sphinx configuration: `make docs` builds docs/_build/html."""

import sklvae

project = "sklvae"
author = "sklvae developers"
copyright = f"2026, {author}"
release = version = sklvae.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_title = f"sklvae {release}"

autodoc_default_options = {"show-inheritance": True}
autodoc_typehints = "none"  # numpydoc sections already name the types
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_use_ivar = True
strip_signature_backslash = True  # `classes_` keeps its underscore
