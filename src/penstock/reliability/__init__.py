"""How it survives: retry, the shared rate gate, the rate meter. No I/O: clock values and randomness are arguments."""
