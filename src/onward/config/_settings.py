"""onward.toml as typed settings. Every setting is a name, a default and a help text, here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ._alerts import AlertSettings
from ._section import AtLeastOne, Count, Seconds, Section, Share

FILE_NAME = "onward.toml"


class LearningSettings(Section):
    """What is learned from, and when."""

    min_data_threshold: Count = Field(50, description="New curated examples that a cycle needs before it trains.")
    quality_threshold: Share = Field(0.7, description="Examples of lower quality (0..1) are set aside.")
    validation_threshold: Share = Field(0.85, description="Accuracy at which the facade reports passed_threshold.")
    max_training_examples: AtLeastOne = Field(
        1000, description="New examples that one cycle takes; the rest wait for the next one."
    )
    backup_retention_days: Count = Field(30, description="Days that back-ups of model versions are kept.")
    replay_budget: AtLeastOne = Field(
        50_000, description="Training examples in all; beyond it the old ones are replayed by a stratified sample."
    )


class TrainingSettings(Section):
    """How the learners train."""

    learners: tuple[str, ...] = Field(
        ("linear", "spacy"), min_length=1, description="Learners that compete in every cycle; the gate takes the best."
    )
    n_iter: AtLeastOne = Field(10, description="Epochs at most (spaCy); early stopping may end sooner.")
    batch_size: AtLeastOne = Field(32, description="Examples in a batch (spaCy).")
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(0.2, description="Dropout rate (spaCy).")
    learn_rate: Annotated[float, Field(gt=0.0)] = Field(0.001, description="Learning rate (spaCy).")
    validation_split: Annotated[float, Field(gt=0.0, lt=0.5)] = Field(
        0.2, description="Share of the examples, by content hash, kept from training: 3/4 evaluate, 1/4 validates."
    )
    base: str = Field("blank:en", description="spaCy base: blank:LANG, or the name of an installed pipeline.")
    budget_seconds: Seconds = Field(600.0, description="Wall time for each learner in a cycle.")
    seed: Count = Field(0, description="Seed of everything random.")


class ThresholdSettings(Section):
    """Figures that a candidate must reach whatever the champion does."""

    accuracy: Share = Field(0.85, description="Accuracy over all heads.")
    intent: Share = Field(0.80, description="Intent accuracy.")
    sentiment: Share = Field(0.75, description="Sentiment accuracy.")
    entity: Share = Field(0.70, description="Entity F1.")
    task: Share = Field(0.70, description="Few-shot tasks: mean share of a task's queries right.")


class GateSettings(Section):
    """How a candidate is compared with the champion."""

    significance: Annotated[float, Field(gt=0.0, lt=0.5)] = Field(
        0.05, description="Chance, at most, of promoting a candidate that is no better than the champion."
    )
    margin: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="With 0 a candidate must be better; with m > 0 it may also be surely not worse by m."
    )
    max_loss: Share = Field(0.05, description="Accuracy that may be lost on any older evaluation set.")
    min_evidence: AtLeastOne = Field(15, description="New evaluation examples below which the champion is kept.")
    min_set: AtLeastOne = Field(
        60, description="Older sets with fewer examples are judged together with their neighbours."
    )
    max_intent_loss: Share = Field(0.25, description="Recall that may be lost on any intent, over all older sets.")
    min_intent: AtLeastOne = Field(8, description="Older examples below which an intent is not judged on its own.")
    max_contradicted: Share = Field(
        0.08, description="Share of the new labels, above what is usual here, that other examples may contradict."
    )
    max_examples: AtLeastOne = Field(20_000, description="Evaluation examples at most; the oldest sets are sampled.")


class CurationSettings(Section):
    """What is set aside before learning."""

    confirm_score: Share = Field(0.7, description="Feedback score from which on a prediction counts as confirmed.")
    judge_by_confirmed: bool = Field(
        True,
        description="Whether predictions that people confirmed judge candidates too. Without them, where all labels "
        "come from feedback, only what the champion got wrong is left to judge by.",
    )
    near_duplicate: Share = Field(0.9, description="Jaccard similarity of word shingles that makes a near duplicate.")
    max_user_share: Share = Field(0.3, description="Share of the new examples that one user may contribute.")
    max_source_share: Share = Field(1.0, description="Share of the new examples that one source may contribute.")
    max_length: AtLeastOne = Field(2000, description="Characters of a text; longer ones are set aside.")
    personal_data: Literal["patterns", "presidio"] = Field(
        "patterns", description="Who finds personal data: our patterns, or presidio (an extra) in addition to them."
    )
    replace_names: bool = Field(
        True, description="Whether entities labelled PERSON or PER, given or predicted, become placeholders too."
    )
    require_consent: bool = Field(
        False, description="Whether a record that says nothing of consent is set aside, as one that denies it."
    )


class RetentionSettings(Section):
    """What is kept."""

    keep_versions: AtLeastOne = Field(
        20, description="Newest versions whose artifacts are kept; champion, predecessor and pinned always are."
    )
    keep_days: Count = Field(90, description="Versions younger than this are kept too.")


class ScheduleSettings(Section):
    """When `onward schedule` starts a cycle."""

    every_seconds: Seconds = Field(3600.0, description="Interval between cycles.")
    on_new: Count = Field(0, description="Start earlier on so many new interactions; 0: only by interval.")


class Settings(BaseSettings):
    """All of onward.toml. Environment variables win: ONWARD_GATE__MAX_LOSS=0.02."""

    model_config = SettingsConfigDict(
        env_prefix="ONWARD_", env_nested_delimiter="__", frozen=True, extra="forbid", allow_inf_nan=False
    )

    learning: LearningSettings = LearningSettings()
    training: TrainingSettings = TrainingSettings()
    thresholds: ThresholdSettings = ThresholdSettings()
    gate: GateSettings = GateSettings()
    curation: CurationSettings = CurationSettings()
    retention: RetentionSettings = RetentionSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertSettings = AlertSettings()
    plugins: dict[str, str] = Field(default_factory=dict, description='Your own learners: kind = "module:attribute".')

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment variables win over what is passed in (which is what onward.toml says)."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings
