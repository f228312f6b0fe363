"""One property a file, each with `check(workload, objects)`, which yields what is wrong with it."""
