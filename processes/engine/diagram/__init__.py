r"""Who lives here: the pencil that draws a BPMN model as SVG, straight from its XML.

    document --sketch--> what there is  --interchange--> where the modeller put it  --svg--> picture
                                        \---layout-----> where we put the rest    /

It does not use the executable graph, because a model that the engine refuses is drawn all the same. Nobody
here reads a clock, makes an id or knows the database; the state of an instance comes as `Marks`.
"""

from __future__ import annotations

import hashlib

from processes.engine.diagram.compose import composed
from processes.engine.diagram.marks import Marks, Note
from processes.engine.diagram.sketch import sketched
from processes.engine.diagram.svg import render
from processes.engine.diagram.written import with_diagram
from processes.engine.xml import read

__all__ = ["Marks", "Note", "draw", "with_diagram"]

_UNMARKED = Marks()


def draw(document: bytes, *, marks: Marks = _UNMARKED, diagram: int = 0, title: str = "") -> str:
    """The SVG of one diagram of a BPMN 2.0 document, fit to be put into a page or to stand alone.

    `diagram` counts the BPMNDiagram elements from 0; beyond the last, and in a document without any,
    everything is laid out automatically, and so is what a diagram forgets. `title` names the picture for
    those who cannot see it. The same arguments give the same text. The names of BPMN 2.0.2 chapters 7 to 13
    decide what is drawn, not what the engine executes.

    Raises `ModelInvalid` for bytes that are not BPMN, and for nothing else.
    """
    root = read(document)
    page = sketched(root)
    seed = f"{diagram}\0{title}\0".encode("utf-8", "surrogatepass") + document
    prefix = f"bpmn-{hashlib.sha256(seed).hexdigest()[:12]}"
    return render(composed(root, page, diagram), page, marks, title, prefix)
