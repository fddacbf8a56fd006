# For hands that type `make`: each target is the verb of ./run, where the work is. ARGS go to the verb.
.PHONY: setup demo test lint bench fuzz docs build audit format help
.DEFAULT_GOAL := help

setup demo test lint bench fuzz docs build audit format help:
	@./run $@ $(ARGS)
