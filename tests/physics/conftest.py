"""Both programs, for tests of what they must give alike."""

import pytest

from tests.physics.both import Both


@pytest.fixture
def both(c_binary, tmp_path):
    return Both(c_binary, tmp_path)
