"""Whole images of both programs: compared, and what differs traced to a factor."""
