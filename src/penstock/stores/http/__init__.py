"""HTTP servers: one way to send a request, under gates, retries and a budget that all workers share."""
