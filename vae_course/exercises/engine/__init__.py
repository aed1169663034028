"""How an attempt is tried and judged, and how the answer is written."""
