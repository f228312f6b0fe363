"""One property per module. Each has `check(workload, objects)`, which yields a message for each violation."""
