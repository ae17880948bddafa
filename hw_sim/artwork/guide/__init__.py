"""The operator's guide and the quick card, from one source in two languages."""
