"""Onward keeps models and prompts learning from what happens to them, and never lets them slip back."""
