"""Learners of texts: intents, sentiment, entities."""
