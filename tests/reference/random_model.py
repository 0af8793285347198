"""Independent model of the historic random numbers: a shuffled Lehmer generator and what is drawn from it."""

import math

import numpy as np

MODULUS = 2**31 - 1
single = np.float32


class Uniform:
    """Uniform single-precision numbers; `seed` is the seed variable (minus the number on the command line)."""

    def __init__(self, seed: int) -> None:
        self.x, self.table, self.y = seed, [0] * 32, 0

    def draw(self) -> np.float32:
        if self.x <= 0 or self.y == 0:
            self.x = max(1, -self.x)
            steps = []
            for _ in range(40):
                self.x = 16807 * self.x % MODULUS
                steps.append(self.x)
            self.table = steps[:7:-1]
            self.y = self.table[0]
        self.x = 16807 * self.x % MODULUS
        slot = self.y // 67108864
        self.y, self.table[slot] = self.table[slot], self.x
        return min(single(self.y * (1 / MODULUS)), single(1 - 1.2e-7))


def rotation_in_cap(uniform: Uniform, spread_rad: float) -> np.ndarray:
    r1, r2, r3 = (2 * float(uniform.draw()) - 1 for _ in range(3))
    w = math.sqrt(1 - r2 * r2)
    n = np.array([w * math.sin(math.pi * r1), w * math.cos(math.pi * r1), r2])
    root = single(float(single(1 - r3 * r3)) ** 0.3333333432674408)
    t = float(single(spread_rad) * root)
    cross = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    return math.cos(t) * np.eye(3) + math.sin(t) * cross + (1 - math.cos(t)) * np.outer(n, n)


def log_gamma(x: np.float32) -> np.float32:
    x = float(x)
    c = [76.18009172947146, -86.50532032941677, 24.01409824083091]
    c += [-1.231739572450155, 0.001208650973866179, -0.000005395239384953]
    t = x + 5.5 - (x + 0.5) * math.log(x + 5.5)
    series = 1.000000000190015 + sum(c_j / (x + j) for j, c_j in enumerate(c, start=1))
    return single(-t + math.log(2.5066282746310005 * series / x))


class Poisson:
    """Poisson numbers: counting below 12, rejection up to a million, normal above."""

    def __init__(self, uniform: Uniform) -> None:
        self.uniform, self.spare = uniform, None

    def normal(self) -> np.float32:
        if self.spare is not None:
            spare, self.spare = self.spare, None
            return spare
        r = single(0)
        while not 0 < r < 1:
            v1 = single(2) * self.uniform.draw() - single(1)
            v2 = single(2) * self.uniform.draw() - single(1)
            r = v1 * v1 + v2 * v2
        factor = single(math.sqrt(-2 * math.log(float(r)) / float(r)))
        self.spare = v1 * factor
        return v2 * factor

    def draw(self, mean: float) -> float:
        m = single(mean)
        if m > 1e6:
            return float(single(float(m) + math.sqrt(m) * float(self.normal())))
        return self.count(m) if m < 12 else self.reject(m)

    def count(self, m: np.float32) -> float:
        limit, product, n = single(math.exp(-float(m))), single(1), -1
        while True:
            n += 1
            product = product * self.uniform.draw()
            if not product > limit:
                return float(n)

    def reject(self, m: np.float32) -> float:
        width, log_m = single(math.sqrt(2 * float(m))), single(math.log(float(m)))
        g = m * log_m - log_gamma(m + single(1))
        while True:
            n = single(-1)
            while n < 0:
                y = single(math.tan(math.pi * float(self.uniform.draw())))
                n = width * y + m
            n = np.floor(n)
            exponent = n * log_m - log_gamma(n + single(1)) - g
            t = single(0.9 * (1 + float(y * y)) * math.exp(float(exponent)))
            if not self.uniform.draw() > t:
                return float(n)
