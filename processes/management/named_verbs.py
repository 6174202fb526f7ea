"""The verbs that commands have in common which keep rows of operators by their names."""

from __future__ import annotations

from django.core.management.base import CommandParser

from processes.management.arguments import add_reason, variables


def add_named_verbs(parser: CommandParser, **told: str) -> dict[str, CommandParser]:
    """The parsers of ``list``, ``show``, ``set``, ``pause``, ``resume`` and ``delete``, by verb; `told` is what help
    says of those that mean something else in each command. Those that change something take a reason."""
    texts = {"list": "", "show": "one of them, with everything", "set": "make or change one", **told}
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=type(parser))
    parsers: dict[str, CommandParser] = {}
    for verb, text in texts.items():
        parsers[verb] = inner = verbs.add_parser(verb, help=text)
        inner.add_argument("--json", action="store_true", dest="as_json", help="answer in JSON, for machines")
        if verb != "list":
            inner.add_argument("name", metavar="NAME")
        if verb == "set":
            inner.add_argument("fields", type=variables, metavar="JSON", help="or @file.json")
        if verb not in ("list", "show"):
            add_reason(inner)
    return parsers
