"""The page on which changed masks are accepted or rejected: a folder that opens in a browser without a server."""

from crispseg.annotations.review.page import write_review

__all__ = ["write_review"]
