"""What to take where nobody says a method."""

from __future__ import annotations

from onward.learners.continual.memory import Random, Ring

from ._der import DarkExperienceReplay


def recommended(memory: int = 2000, *, drifting: bool = False, batch_size: int | None = None) -> DarkExperienceReplay:
    """Onward's default: of what replays examples, the least forgotten in our benchmarks with as large a memory.

    Dark experience replay whose memory is filled when an experience is over, every class having an equal share, or, of
    real targets, every task; what was said is compared for classes that had been met by then; and classes do not win
    for coming more often, or as more examples, than others.

    Args:
        memory: examples at most.
        drifting: whether what was true stops being true, as with prices. Then what came last is remembered, every pass
            over it anew, and not a sample of all that ever came: tasks that are over are forgotten with it.
        batch_size: examples of each draw; that of the learner if not said.

    Raises:
        InvalidInput: a value is out of its range.

    >>> recommended(500).memory
    500
    """
    policy = Ring() if drifting else Random("class")
    return DarkExperienceReplay(
        memory, alpha=0.3, beta=0.5, batch_size=batch_size, policy=policy, compared="met", adjustment=1.0
    )
