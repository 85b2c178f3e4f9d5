"""What the next kernel hands on itself, where it has to follow from what it was handed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kho_tui.analysis.diff.ends import Ends, cut_short, handed_on, lists_subtrees
from kho_tui.analysis.diff.teller import Teller
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.path import EntityPath
from kho_tui.releases.table import Finalize


def onward_fates(ends: Ends, tellers: Mapping[EntityPath, Teller]) -> Iterator[EntityFate]:
    """One fate for each thing of B's outgoing side that A's decides: there, counts one higher, regions in their place.

    Nothing has to be there yet where B's release finalizes and it is not finalized (kernel/liveupdate/kexec_handover.c, kho_finalize()).
    """
    onward = None if ends.onward is None else ends.onward.side
    stateful = ends.release is not None and ends.release.finalize is Finalize.STATEFUL
    complete = onward is not None and onward.finalized is True
    after = {} if onward is None else {one.name: one for one in onward.subtrees}
    for one in ends.before.side.handed_over:
        teller = tellers[one.path]
        must = ends.kho_off is None and teller.follows() and (complete or not stateful)
        other = after.get(one.name)
        if other is not None:
            yield from teller.followed(other, must=must)
        elif must and onward is not None and lists_subtrees(onward):
            yield handed_on(Fate.LOST, one, None, "not handed on: this kernel always registers it")
        elif must:
            told = "B shows no outgoing side" if onward is None else cut_short(onward) or "B does not tell what it hands on"
            yield handed_on(Fate.UNTOLD, one, None, told)
