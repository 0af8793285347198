"""Input files of both programs, made from a scenario: matrix, structure factors, sources, mask."""
