"""How well ``diagnose`` does: exhibits, faults it never saw, false alarms."""
