"""The extraction wing: millions of events out of a cursor-paginated API, in parallel, with a proof."""
