"""An extension of Python-Markdown: parts of a list item are indented by two spaces or more, as in CommonMark."""

from typing import Any, Final

from markdown import Markdown
from markdown.blockprocessors import ListIndentProcessor
from markdown.extensions import Extension
from markdown.extensions.sane_lists import SaneOListProcessor, SaneUListProcessor

SPACES: Final = 2
"""Python-Markdown's own are four."""


class Indentation(Extension):  # type: ignore[misc] # untyped where the site's environment is absent
    """Sets the indentation of what is nested in a list item."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 # the name of the interface
        """Replace the processors of lists, which read the indentation when they are made."""
        md.tab_length = SPACES
        processors = md.parser.blockprocessors
        processors.register(ListIndentProcessor(md.parser), "indent", 90)
        processors.register(SaneOListProcessor(md.parser), "olist", 40)
        processors.register(SaneUListProcessor(md.parser), "ulist", 30)


def makeExtension(**settings: Any) -> Indentation:  # noqa: N802 # the name of the interface
    """Return the extension."""
    return Indentation(**settings)
