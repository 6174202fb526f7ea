r"""Sets of characters by name: escapes, categories and blocks of Unicode (XML Schema part 2, appendix G).

Each is given as the inside of a Python class.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import lru_cache

_NAME_START = (
    r":A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d"
    r"\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_SETS = {
    "d": r"\d",
    "w": r"\w",
    "s": r" \t\n\r",
    "i": _NAME_START,
    "c": _NAME_START + r"\-.0-9\u00b7\u0300-\u036f\u203f\u2040",
}
_SINGLE = {"n": r"\n", "r": r"\r", "t": r"\t"}
_BLOCKS = {
    "BasicLatin": r"\u0000-\u007f",
    "Latin-1Supplement": r"\u0080-\u00ff",
    "LatinExtended-A": r"\u0100-\u017f",
    "LatinExtended-B": r"\u0180-\u024f",
    "Greek": r"\u0370-\u03ff",
    "GreekandCoptic": r"\u0370-\u03ff",
    "Cyrillic": r"\u0400-\u04ff",
    "Hebrew": r"\u0590-\u05ff",
    "Arabic": r"\u0600-\u06ff",
    "Hiragana": r"\u3040-\u309f",
    "Katakana": r"\u30a0-\u30ff",
    "CJKUnifiedIdeographs": r"\u4e00-\u9fff",
    "HangulSyllables": r"\uac00-\ud7a3",
}
_CATEGORIES = frozenset(
    (
        *("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No"),
        *("P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Z", "Zs", "Zl", "Zp"),
        *("S", "Sm", "Sc", "Sk", "So", "C", "Cc", "Cf", "Co", "Cn"),
    )
)


def escaped(character: str) -> tuple[str, bool] | None:
    r"""What a backslash and a character stand for, and whether it is the opposite, as ``\D``; else None."""
    if character.lower() in _SETS:
        return _SETS[character.lower()], character.isupper()
    if character in _SINGLE:
        return _SINGLE[character], False
    if character in "\\|.?*+(){}[]-^$":
        return "\\" + character, False
    return None


def named(name: str) -> str | None:
    r"""The characters of ``\p{name}``; None where there is no such category or block."""
    if name.startswith("Is"):
        return _BLOCKS.get(name[2:])
    return _category(name) if name in _CATEGORIES else None


def char_class(members: list[str], opposites: list[str], negated: bool, subtracted: str) -> str:
    """A class of members, or of what is outside of `opposites`, without `subtracted`.

    Python's own classes can neither subtract nor hold the opposite of a set of ours.
    """
    if not opposites:
        body = f"[{'^' if negated else ''}{''.join(members)}]"
    else:
        choices = [f"[^{opposite}]" for opposite in opposites]
        choices += [f"[{''.join(members)}]"] if members else []
        body = f"(?:{'|'.join(choices)})"
        if negated:
            body = rf"(?:(?!{body})[\s\S])"
    return f"(?:(?!{subtracted}){body})" if subtracted else body


@lru_cache(maxsize=64)
def _category(name: str) -> str:
    """One category of Unicode as ranges of characters."""
    ranges: list[str] = []
    start = -1
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and start < 0:
            start = code
        elif not inside and start >= 0:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = -1
    return "".join(ranges)
