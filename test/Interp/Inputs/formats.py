"""Binary floating-point formats as exact rationals: the reference of the tests
of arithmetic. Nothing here is rounded but where it says so."""

from fractions import Fraction
from math import isqrt

INF, NAN = "inf", "nan"


class Format:
    """A format of IEEE 754's kind; without infinity, all ones is NaN."""

    def __init__(self, exponent_bits, mantissa_bits, has_infinity=True):
        self.m = mantissa_bits
        self.bits = 1 + exponent_bits + mantissa_bits
        self.bias = (1 << (exponent_bits - 1)) - 1
        self.sign = 1 << (self.bits - 1)
        self.nan = self.sign - 1
        self.infinity = (self.nan >> self.m << self.m) if has_infinity else self.nan
        self.least = 1 - self.bias - self.m  # exponent of the lowest bit

    def decode(self, bits):
        """(is negative, magnitude), the magnitude a Fraction, INF or NAN."""
        negative, rest = bool(bits & self.sign), bits & (self.sign - 1)
        if rest > self.infinity or (rest == self.infinity == self.nan):
            return negative, NAN
        if rest == self.infinity:
            return negative, INF
        exponent, mantissa = rest >> self.m, rest & ((1 << self.m) - 1)
        if exponent == 0:
            return negative, Fraction(mantissa) * Fraction(2) ** self.least
        return negative, Fraction(mantissa + (1 << self.m)) * Fraction(2) ** (exponent - 1 + self.least)

    def encode(self, negative, value, mode="rn", satfinite=False):
        """Rounds a magnitude once, by mode rn, rna, rz, rm or rp."""
        if value == NAN:
            return self.nan
        sign = self.sign if negative else 0
        largest = self.infinity - 1
        if value == INF:
            return sign | (largest if satfinite else self.infinity)
        if value == 0:
            return sign
        exponent = value.numerator.bit_length() - value.denominator.bit_length() - self.m
        exponent = max(exponent, self.least)
        while value / Fraction(2) ** exponent >= 1 << (self.m + 1):
            exponent += 1
        while exponent > self.least and value / Fraction(2) ** exponent < 1 << self.m:
            exponent -= 1
        scaled = value / Fraction(2) ** exponent
        whole = scaled.numerator // scaled.denominator
        rest = scaled - whole
        away = {"rz": False, "rm": negative, "rp": not negative}.get(mode)
        if away is None:
            tie = True if mode == "rna" else bool(whole & 1)
            up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and tie)
        else:
            up = away and rest > 0
        whole += up
        result = whole + ((exponent - self.least) << self.m)
        if result > largest:
            stays = satfinite or away is False
            result = largest if stays else self.infinity
        return sign | result

    def is_subnormal(self, bits):
        return bits & (self.sign - 1) and not bits & (self.nan >> self.m << self.m)

    def flush(self, bits):
        return bits & self.sign if self.is_subnormal(bits) else bits


F16, BF16, F32, F64 = Format(5, 10), Format(8, 7), Format(8, 23), Format(11, 52)
E4M3, E5M2 = Format(4, 3, has_infinity=False), Format(5, 2)
FORMATS = {"f16": F16, "bf16": BF16, "f32": F32, "f64": F64, "e4m3": E4M3, "e5m2": E5M2}


def signed(value):
    """The value of (is negative, magnitude): a Fraction, or a tuple for INF, NAN."""
    negative, magnitude = value
    return value if magnitude in (INF, NAN) else (-magnitude if negative else magnitude)


def add(x, y, mode="rn"):
    """The exact sum as (is negative, magnitude); IEEE 754's sign of zero."""
    if NAN in (x[1], y[1]) or (x[1] == y[1] == INF and x[0] != y[0]):
        return False, NAN
    if INF in (x[1], y[1]):
        return x if x[1] == INF else y
    total = signed(x) + signed(y)
    if total == 0:
        both = x[0] if x[0] == y[0] and x[1] == y[1] == 0 else mode == "rm"
        return both, Fraction(0)
    return total < 0, abs(total)


def mul(x, y):
    negative = x[0] != y[0]
    if NAN in (x[1], y[1]) or {x[1], y[1]} == {INF, Fraction(0)}:
        return False, NAN
    return negative, INF if INF in (x[1], y[1]) else x[1] * y[1]


def div(x, y):
    negative = x[0] != y[0]
    if NAN in (x[1], y[1]) or (x[1] == y[1] and x[1] in (INF, 0)):
        return False, NAN
    if x[1] == INF or y[1] == 0:
        return negative, INF
    return negative, Fraction(0) if y[1] == INF else x[1] / y[1]


def sqrt(x):
    """The root, cut off far below any format's last bit, with a bit below it that
    says that something was cut off."""
    if x[1] == NAN or (x[0] and x[1] != 0):
        return False, NAN
    if x[1] in (INF, 0):
        return x
    shift = 1200
    scaled = x[1] * 4**shift
    root = isqrt(scaled.numerator // scaled.denominator)
    exact = Fraction(root) * root == scaled
    return False, Fraction(2 * root + (not exact), 2 ** (shift + 1))
