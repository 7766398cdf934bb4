"""Write docs/reference/: `python -m tools.reference`, or `make docs`."""

from tools.reference.book import FOLDER, pages


def main() -> None:
    """Write each page, and remove a page that no kind or list has any more."""
    FOLDER.mkdir(exist_ok=True)
    written = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
