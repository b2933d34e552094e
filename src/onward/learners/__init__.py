"""Learners: plug-ins that turn a data set version and the champion into a candidate. Strangers to each other."""
