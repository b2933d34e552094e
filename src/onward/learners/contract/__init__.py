"""The learner contract: what every learner must do, as checks that anybody who writes one can run.

>>> from onward.learners.text.linear import LinearLearner
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     subject = Subject(LinearLearner, heads=("intent", "sentiment"), folder=Path(folder))
...     check_load_equals_save(subject)

A learner of few-shot tasks must pass `FEW_SHOT_CHECKS` too. Under pytest, run each check by itself:
`@pytest.mark.parametrize("check", CHECKS)`. A check that fails raises `AssertionError` and
says what the learner did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ._few_shot import check_adapted_any_batch as check_adapted_any_batch
from ._few_shot import check_adapting_changes_nothing as check_adapting_changes_nothing
from ._few_shot import check_adapts as check_adapts
from ._few_shot import check_adapts_alike_after_load as check_adapts_alike_after_load
from ._few_shot import check_any_support as check_any_support
from ._few_shot import check_held_out_tasks_unseen as check_held_out_tasks_unseen
from ._few_shot import check_same_support_same_answers as check_same_support_same_answers
from ._few_shot import check_says_it_learns_tasks as check_says_it_learns_tasks
from ._few_shot import check_tasks_alone as check_tasks_alone
from ._few_shot import check_tasks_keep_their_labels as check_tasks_keep_their_labels
from ._learning import check_any_labels as check_any_labels
from ._learning import check_champion_unchanged as check_champion_unchanged
from ._learning import check_evaluation_unseen as check_evaluation_unseen
from ._learning import check_learns as check_learns
from ._learning import check_learns_new_label as check_learns_new_label
from ._learning import check_one_head as check_one_head
from ._learning import check_one_label as check_one_label
from ._learning import check_same_seed_same_model as check_same_seed_same_model
from ._lessons import dataset_of as dataset_of
from ._lessons import lessons as lessons
from ._lessons import new_lessons as new_lessons
from ._lessons import only as only
from ._lessons import task_lessons as task_lessons
from ._predicting import check_any_batch as check_any_batch
from ._predicting import check_empty_list as check_empty_list
from ._predicting import check_weird_texts as check_weird_texts
from ._saving import check_damaged_folder as check_damaged_folder
from ._saving import check_load_equals_save as check_load_equals_save
from ._saving import check_nothing_pickled as check_nothing_pickled
from ._subject import Subject as Subject
from ._training import check_budget as check_budget
from ._training import check_checkpoints as check_checkpoints
from ._training import check_nothing_to_learn as check_nothing_to_learn
from ._training import check_progress as check_progress
from ._training import check_report as check_report

CHECKS: Final[tuple[Callable[[Subject], None], ...]] = (
    check_learns,
    check_load_equals_save,
    check_same_seed_same_model,
    check_any_batch,
    check_empty_list,
    check_weird_texts,
    check_any_labels,
    check_one_head,
    check_one_label,
    check_learns_new_label,
    check_champion_unchanged,
    check_evaluation_unseen,
    check_progress,
    check_checkpoints,
    check_budget,
    check_nothing_to_learn,
    check_report,
    check_nothing_pickled,
    check_damaged_folder,
)

FEW_SHOT_CHECKS: Final[tuple[Callable[[Subject], None], ...]] = (
    check_says_it_learns_tasks,
    check_adapts,
    check_adapting_changes_nothing,
    check_same_support_same_answers,
    check_adapts_alike_after_load,
    check_adapted_any_batch,
    check_any_support,
    check_tasks_keep_their_labels,
    check_tasks_alone,
    check_held_out_tasks_unseen,
)
"""What a learner of few-shot tasks must pass in addition."""
