"""Like with like: troubles that differ only in numbers, names and moments have one fingerprint.

Ten thousand incidents after an outage are one thing to an operator. What makes them one is where they stand (process,
element), what kind they are, the code of the error, and the message without its variable parts. Pure.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b

LENGTH = 16
"""Characters of a fingerprint: 64 bits, which a million different troubles share by chance once in 37 million."""
MOST = 2000
"""Characters of a message that count; a stack trace says who it is at its beginning."""

_VARIABLE = re.compile(
    r"""
      (?P<status>\b(?:https?(?:/\d(?:\.\d)?)?|status(?:[ ]code)?|code|errno|error)[ ]?[:=]?[ ]?\(?\d{3}\b(?![-.:/\w]))
    | (?P<url>\b[a-z][a-z0-9+.-]{1,19}://[^\s"'<>`|]+)
    | (?P<email>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)
    | (?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)
    | (?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[ ]?[+-]\d\d:?\d\d)?)?(?![\w-])
        | \b(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,[ ])?\d{1,2}[ ]
          (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ]\d{4}
          (?:[ ]\d\d:\d\d(?::\d\d)?(?:[ ](?:gmt|utc))?)?
        | \b\d{1,2}[./]\d{1,2}[./]\d{4}\b | \b\d\d:\d\d:\d\d(?:[.,]\d+)?\b)
    | (?P<quoted>(?<!\w)'[^'\n]{0,200}'(?!\w) | "[^"\n]{0,200}" | `[^`\n]{0,200}` | “[^”\n]{0,200}”)
    | (?P<id>\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{8,}\b | \b\w*[a-z_]\w*[-_#]\w*\d[\w-]*)
    | (?P<number>\d+(?:[.,:]\d+)*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_BLANKS = re.compile(r"\s+")


def fingerprint(process_id: str, element_id: str, kind: str, code: str, message: str) -> str:
    """`LENGTH` hexadecimal digits, the same for everything of the same sort."""
    said = json.dumps([process_id, element_id, kind, code, normalised(message)], ensure_ascii=True)
    return blake2b(said.encode(), digest_size=LENGTH // 2).hexdigest()


def normalised(message: str) -> str:
    """The message with a word in angle brackets for each part that varies: ``Order <number> was not found``.

    A status of three digits says what is wrong and stays, where a word before it says that it is one. Of an address
    stay scheme, host and path, with what varies in those replaced as well.
    """
    return _BLANKS.sub(" ", _VARIABLE.sub(_stand_in, message[:MOST])).strip()


def _stand_in(found: re.Match[str]) -> str:
    what, text = str(found.lastgroup), found.group()
    if what == "status":
        return text
    if what == "url":
        scheme, _, rest = _QUERY.sub("", text).partition("://")
        _, _, rest = rest.rpartition("@")
        return f"{scheme}://{normalised(rest)}"
    return f"<{what}>"
