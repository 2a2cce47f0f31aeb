"""A language model of LSTMs in float64 NumPy: loss, gradients through time, steps of
plain gradient descent. Independent of the compiler: what is dropped comes as masks."""

from __future__ import annotations

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Reference:
    """``values`` by the names of ``Lstm``. ``masks[site]`` is what multiplies what a
    product reads (units, or (steps, units) where each word has its own), ``weights[site]``
    its weight (a matrix of its shape, or one for each word)."""

    def __init__(self, model, values, masks=None, weights=None):
        self.model, self.values = model, {name: np.asarray(v, np.float64) for name, v in values.items() if name not in ("tokens", "target")}
        self.tokens, self.target = values["tokens"], values["target"]
        self.masks, self.weights = masks or {}, weights or {}
        self.gradients = {name: np.zeros_like(self.values[name]) for name, _ in model.parameters()}

    def weight(self, name, site, t=0):
        return self.values[name] * self.weight_mask(site, t)

    def weight_mask(self, site, t=0):
        mask = np.asarray(self.weights.get(site, 1.0))
        return mask[t] if mask.ndim == 3 else mask

    def mask(self, site, t):
        mask = np.asarray(self.masks.get(site, 1.0))
        return mask[t] if mask.ndim == 2 else mask

    def layer(self, i, x):
        """Outputs of all words, and what gives the gradient of x."""
        v, model, n = self.values, self.model, self.model.units
        wx, wh = ([self.weight(f"{kind}_weight{i}", f"{kind}{i}", t) for t in range(model.steps)] for kind in ("input", "recurrent"))
        h, c, saved, outputs = v[f"h{i}"], v[f"c{i}"], [], []
        for t in range(model.steps):
            read, own = x[t] * self.mask(f"input{i}", t), h * self.mask(f"recurrent{i}", t)
            z = read @ wx[t] + own @ wh[t] + v[f"bias{i}"]
            a, f, o = sigmoid(z[:, :n]), sigmoid(z[:, n : 2 * n]), sigmoid(z[:, 3 * n :])
            g = np.tanh(z[:, 2 * n : 3 * n])
            new = f * c + a * g
            saved.append((read, own, a, f, g, o, c, new))
            h, c = o * np.tanh(new), new
            outputs.append(h)
        self.values[f"new_h{i}"], self.values[f"new_c{i}"] = h, c

        def back(dy):
            dx, dh, dc = np.zeros_like(x), np.zeros_like(h), np.zeros_like(c)
            for t in reversed(range(model.steps)):
                read, own, a, f, g, o, c_old, new = saved[t]
                dh = dh + dy[t]
                dc = dc + dh * o * (1 - np.tanh(new) ** 2)
                dz = np.hstack([dc * g * a * (1 - a), dc * c_old * f * (1 - f), dc * a * (1 - g**2), dh * np.tanh(new) * o * (1 - o)])
                self.gradients[f"input_weight{i}"] += read.T @ dz * self.weight_mask(f"input{i}", t)
                self.gradients[f"recurrent_weight{i}"] += own.T @ dz * self.weight_mask(f"recurrent{i}", t)
                self.gradients[f"bias{i}"] += dz.sum(0)
                dx[t] = dz @ wx[t].T * self.mask(f"input{i}", t)
                dh, dc = dz @ wh[t].T * self.mask(f"recurrent{i}", t), dc * f
            return dx

        return np.array(outputs), back

    def run(self):
        """The mean loss; gradients are in ``gradients``."""
        v, model = self.values, self.model
        x, backs = v["embedding"][self.tokens], []
        for i in range(1, model.layers + 1):
            x, back = self.layer(i, x)
            backs.append(back)
        name = "embedding" if model.tied else "output_weight"
        rows = (x * self.mask("output", 0)).reshape(-1, model.units)
        weight = self.weight(name, "output")
        logits = rows @ (weight.T if model.tied else weight) + v["output_bias"]
        labels, count = self.target.ravel(), len(rows)
        shifted = logits - logits.max(1, keepdims=True)
        log = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        d = np.exp(log)
        d[np.arange(count), labels] -= 1
        d /= count
        gradient = (d.T @ rows if model.tied else rows.T @ d) * self.weights.get("output", 1.0)
        self.gradients[name] += gradient
        self.gradients["output_bias"] += d.sum(0)
        dx = (d @ (weight if model.tied else weight.T)).reshape(x.shape) * self.mask("output", 0)
        for back in reversed(backs):
            dx = back(dx)
        np.add.at(self.gradients["embedding"], self.tokens, dx)
        return -log[np.arange(count), labels].mean()

    def step(self):
        """The loss, and the values after a step of plain gradient descent."""
        loss, model = self.run(), self.model
        norm = np.sqrt(sum((g**2).sum() for g in self.gradients.values()))
        part = 1.0 if model.clip is None else min(1.0, model.clip / norm)
        rate = float(self.values["learning_rate"])
        new = {name: self.values[name] * (1 - rate * model.decay) - rate * part * g for name, g in self.gradients.items()}
        new.update({name: self.values[f"new_{name}"] for name, _ in model.carried()})
        return loss, new
