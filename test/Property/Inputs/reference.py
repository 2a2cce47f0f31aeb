"""Draws and masks, written apart from the library: the reference of the tests."""

import numpy as np

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF


def philox(key, counter):
    k, c = list(key), list(counter)
    for r in range(10):
        if r:
            k = [(k[0] + 0x9E3779B9) & MASK32, (k[1] + 0xBB67AE85) & MASK32]
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK32, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK32]
    return c


def site_hash(site):
    h = 0xCBF29CE484222325
    for byte in site.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK64
    return h


def words(seed, step, h):
    s, t = seed & MASK64, step & MASK64
    return philox([s & MASK32, s >> 32], [t & MASK32, t >> 32, h & MASK32, h >> 32])


def default_max_period(rate):
    n = 1
    while n < 32 and (n - 1) / n < rate + 0.4 * (1 - rate) - 1e-12:
        n += 1
    return n


def max_entropy(rate, periods):
    """d_i = exp(beta u_i) / Z with mean drop rate `rate`."""
    u = np.array([i / (i + 1) for i in range(periods)])
    if rate == 0:
        return np.eye(periods)[0]

    def at(beta):
        v = np.exp(beta * u - np.max(beta * u))
        return v / v.sum()

    low, high = -1e7, 1e7
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) @ u < rate else (low, middle)
    return at(low)


def millionths(d):
    scaled = np.asarray(d) * 1e6
    result = np.floor(scaled).astype(np.int64)
    order = sorted(range(len(d)), key=lambda i: (-(scaled[i] - result[i]), i))
    for i in [i for i in order if d[i] > 0][: 1000000 - result.sum()]:
        result[i] += 1
    return result


def draw(seed, step, site, d):
    x = words(seed, step, site_hash(site))
    threshold, total, period = (x[0] * 10**6) >> 32, 0, 1
    for i, m in enumerate(d):
        total += int(m)
        if threshold < total:
            period = i + 1
            break
    return period, (x[1] * period) >> 32


def row_mask(extent, granularity, period, bias):
    return (np.arange(extent) // granularity) % period == bias


def tile_mask(rows, cols, tile, period, bias, linear):
    r, c = np.arange(rows)[:, None] // tile[0], np.arange(cols)[None, :] // tile[1]
    columns = -(-cols // tile[1])
    return ((r * columns if linear else r) + c) % period == bias


class Site:
    """A row site: what it drops and by what it scales in one step."""

    def __init__(self, name, rate, extent, granularity=1, max_period=None, distribution=None, scale="target"):
        self.name, self.rate, self.extent = name, rate, extent
        self.granularity, self.scale_mode = granularity, scale
        n = max_period or default_max_period(rate)
        self.max_period = n
        units = -(-extent // granularity)
        if distribution is None:
            found = max_entropy(rate, min(n, units))
            distribution = np.concatenate([found, np.zeros(n - len(found))])
        self.millionths = millionths(distribution)

    def apply(self, x, dim, seed, step):
        if self.rate == 0:
            return x
        period, bias = draw(seed, step, self.name, self.millionths)
        keep = 1 - sum(m * i / (i + 1) for i, m in enumerate(self.millionths)) / 1e6
        # The compiler holds the scale as f32.
        scale = float(np.float32(period if self.scale_mode == "pattern" else 1 / keep))
        mask = row_mask(self.extent, self.granularity, period, bias)
        shape = [1] * x.ndim
        shape[dim] = self.extent
        return np.where(mask.reshape(shape), scale * x, 0.0)
