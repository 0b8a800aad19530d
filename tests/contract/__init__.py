"""The conformance suites, applied to every implementation, and the engine driven through crashes into every destination."""
