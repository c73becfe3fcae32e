"""How `make docs` builds the documentation."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

with (HERE.parent / "pyproject.toml").open("rb") as file:
    PROJECT = tomllib.load(file)["project"]

project = PROJECT["name"]
release = version = PROJECT["version"]
author = "its contributors"
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
# Single backticks of docstrings name code of this project.
default_role = "code"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
autodoc_typehints = "none"  # numpydoc sections say them in words
autodoc_member_order = "bysource"
nitpicky = False

html_theme = "furo"
html_title = "acoustic-workers"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# Nothing from elsewhere: the pages are read without a network, too.
html_theme_options = {
    "sidebar_hide_name": False,
    "source_repository": "",
}
