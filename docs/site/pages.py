"""MkDocs hooks: they add pages from files outside `docs`, and adapt links and names for the site.

The pages are written for a code host, where links lead to files. On the site, a link to a file outside `docs` leads to
the page made from the file or to a copy of it; if there is neither, only its text is kept. A name in code, such as
`crispseg.ops.local_filter`, leads to the reference if the reference describes it.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from names import referred

ROOT = Path(__file__).parents[2]

PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "src/crispseg/weights/README.md": "model-card.md",
}
"""Files that become pages, with the names of the pages."""

COPIED = ("configs/**/*.yaml", "notebooks/*.ipynb")
"""Files that are copied to the site unchanged."""

_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files outside `docs`."""
    copied = [path.relative_to(ROOT).as_posix() for pattern in COPIED for path in sorted(ROOT.glob(pattern))]
    for source, name in PAGES.items() | {path: path for path in copied}.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links and names lead to pages of the site."""
    del config
    source = page.file.src_uri
    origin = next((path for path, name in PAGES.items() if name == source), f"docs/{source}")
    available = {f"docs/{file.src_uri}": file.src_uri for file in files if file.generated_by is None}
    available |= {path: path for path in (file.src_uri for file in files if file.generated_by)} | PAGES

    def lead(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if re.match(r"\w+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if path in available:
            return f"[{text}]({posixpath.relpath(available[path], posixpath.dirname(source) or '.')}{anchor})"
        if path.startswith("docs/") or not (ROOT / path).exists():
            return match[0]
        return text.replace("/", "/<wbr>")  # allow a line break there, for narrow columns

    return "\n".join(
        line if line.startswith(("#", "    ")) else referred(_LINK.sub(lead, line)) for line in markdown.split("\n")
    )
