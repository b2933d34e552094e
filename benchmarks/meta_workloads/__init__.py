"""What `benchmarks/meta_accuracy.py` trains and judges: one module for each family of tasks."""
