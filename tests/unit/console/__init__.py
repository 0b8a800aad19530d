"""The console: liveness, readiness, metrics and status, as rules and over real HTTP."""
