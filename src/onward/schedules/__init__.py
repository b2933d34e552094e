"""Rates, and any other hyper-parameter, that change as training goes on."""
