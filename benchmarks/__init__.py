"""Side-by-side measurements, each runnable alone; results as JSON in benchmarks/results/."""
