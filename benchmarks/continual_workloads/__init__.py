"""What benchmarks/continual_accuracy.py measures: scenarios, methods, what was published, and the record of it."""
