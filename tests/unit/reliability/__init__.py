"""Tests of retry, gate and meter, all on a simulated clock."""
