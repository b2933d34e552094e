"""Labels of few-shot tasks, judged within their task: what they mean elsewhere, nobody knows.

An example is contradicted when it is nearer (cosine of TF-IDF) to the centroid of another label of its task than to
that of its own label, itself left out. With five examples a label that happens to honest ones often; how often, the
accepted tasks say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ._records import Draft

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

AT_ONCE: Final = 512


def contradicted_within(matrix: Any, drafts: Sequence[Draft], rows: Mask) -> tuple[Mask, Mask]:
    """Which of the drafts in `rows` could be judged by the others there, and which are contradicted.

    Args:
        matrix: drafts x features, sparse, 0 or 1.
        drafts: n of them.
        rows: (n,) the drafts to look at; those without a task or an intent are passed over.
    """
    import numpy as np

    judged, found = np.zeros(len(drafts), bool), np.zeros(len(drafts), bool)
    tasks: dict[str, list[int]] = {}
    for at in np.flatnonzero(rows).tolist():
        task = drafts[at].task
        if task is not None and drafts[at].labels.intent is not None:
            tasks.setdefault(task, []).append(at)
    if not tasks:
        return judged, found
    weighted = _weighted(matrix)
    for places in tasks.values():
        codes = np.unique([str(drafts[at].labels.intent) for at in places], return_inverse=True)[1]
        if codes.any():
            judged[places], found[places] = _one(weighted[places], codes)
    return judged, found


def _weighted(matrix: Any) -> Any:
    """Rows of length 1, rare features weighing more."""
    import numpy as np
    from scipy.sparse import diags_array

    rarity = np.log((1 + matrix.shape[0]) / (1 + np.asarray(matrix.sum(axis=0)).ravel())) + 1
    weighted = (matrix @ diags_array(rarity)).tocsr()
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (diags_array(1 / np.maximum(lengths, 1e-9)) @ weighted).tocsr()


def _one(rows: Any, codes: NDArray[np.intp]) -> tuple[Mask, Mask]:
    """One task: which of its examples share their label with another one, and which of these are contradicted."""
    import numpy as np
    from scipy.sparse import csr_array

    many = len(codes)
    sums = (rows.T @ csr_array((np.ones(many), (np.arange(many), codes)))).tocsr()
    lengths, self_ = _squares(sums, 0), _squares(rows, 1)
    own, others = np.empty(many), np.empty(many)
    for start in range(0, many, AT_ONCE):  # a task may have very many examples: never all against all
        here = slice(start, start + AT_ONCE)
        near, mine = (rows[here] @ sums).toarray(), codes[here]
        own[here] = near[np.arange(len(mine)), mine]
        near /= np.sqrt(np.maximum(lengths, 1e-9))
        near[np.arange(len(mine)), mine] = -1
        others[here] = near.max(axis=1)
    own_length = lengths[codes] - 2 * own + self_
    judged = np.bincount(codes)[codes] > 1
    return judged, judged & (others > (own - self_) / np.sqrt(np.maximum(own_length, 1e-9)) + 1e-9)


def _squares(matrix: Any, axis: int) -> NDArray[np.float64]:
    """Squared lengths: of the columns (0) or the rows (1)."""
    import numpy as np

    return np.asarray(matrix.multiply(matrix).sum(axis=axis), float).ravel()
