"""The reading side as an HTTP API: it knows the store, and neither fetching nor collecting."""
