"""Chapter 10: attempts as students write them, right and wrong."""

import math

import torch
from torch import distributions as D
from torch.nn import functional as F

from vae_course.exercises import registry

RIGHT, WRONG = {}, {}

# --- 10.1: the loss ----------------------------------------------------------

loss = registry.find("10.1").solution


def bce(x, logits, how="sum"):
    return F.binary_cross_entropy_with_logits(logits, x, reduction=how)


def loss_by_loop(x, logits, kl):
    total = 0.0
    for image, said, nats in zip(x, logits, kl, strict=True):
        total = total + bce(image, said) + nats.sum()
    return total / x.shape[0]


def loss_by_softplus(x, logits, kl):
    error = F.softplus(logits) - x * logits
    return error.sum() / len(x) + kl.sum() / len(kl)


RIGHT["10.1"] = {
    "a loop": loss_by_loop,
    "softplus": loss_by_softplus,
    "sums over the batch, divided": lambda x, logits, kl: (
        (bce(x, logits) + kl.sum()) / len(x)
    ),
    "mean times pixels": lambda x, logits, kl: (
        bce(x, logits, "mean") * x[0].numel() + kl.sum(1).mean()
    ),
    "by the library": lambda x, logits, kl: (
        -D.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1) + kl.sum(-1)
    ).mean(),
    "axes by name": lambda x, logits, kl: (
        bce(x, logits, "none").sum(dim=(1, 2, 3)).mean(dim=0)
        + kl.sum(dim=1).mean(dim=0)
    ),
}
WRONG["10.1"] = {
    "as it was": (
        lambda x, logits, kl: (
            bce(x, logits, "none").flatten(1).mean(1).mean() + kl.sum(1).mean()
        ),
        "a mean over the pixels",
    ),
    "default reduction": (
        lambda x, logits, kl: bce(x, logits, "mean") + kl.sum(1).mean(),
        "a mean over the pixels",
    ),
    "mean, mean": (
        lambda x, logits, kl: bce(x, logits, "mean") + kl.mean(),
        "means on both sides",
    ),
    "sum, mean": (
        lambda x, logits, kl: bce(x, logits) / len(x) + kl.mean(),
        "a mean over the latents",
    ),
    "sum, mean of means": (
        lambda x, logits, kl: bce(x, logits) / len(x) + kl.mean(1).mean(),
        "a mean over the latents",
    ),
    "sums": (
        lambda x, logits, kl: bce(x, logits) + kl.sum(),
        "summed over the batch",
    ),
    "times the batch": (
        lambda x, logits, kl: loss(x, logits, kl) * len(x),
        "summed over the batch",
    ),
    "KL summed": (
        lambda x, logits, kl: bce(x, logits) / len(x) + kl.sum(),
        "the KL summed over the batch",
    ),
    "error summed": (
        lambda x, logits, kl: bce(x, logits) + kl.sum(1).mean(),
        "the distortion summed over the batch",
    ),
    "minus KL": (
        lambda x, logits, kl: bce(x, logits) / len(x) - kl.sum(1).mean(),
        "the KL subtracted",
    ),
    "the bound": (
        lambda x, logits, kl: -loss(x, logits, kl),
        "the ELBO itself",
    ),
    "no KL": (lambda x, logits, kl: bce(x, logits) / len(x), "no KL"),
    "KL times 0": (
        lambda x, logits, kl: bce(x, logits) / len(x) + 0 * kl.sum(),
        "no KL",
    ),
    "KL alone": (lambda x, logits, kl: kl.sum(1).mean(), None),
    "sigmoid": (
        lambda x, logits, kl: loss(x, torch.sigmoid(logits), kl),
        "a sigmoid too many",
    ),
    "each image": (
        lambda x, logits, kl: (
            bce(x, logits, "none").flatten(1).sum(1) + kl.sum(1)
        ),
        "not averaged over the batch",
    ),
    "half": (lambda x, logits, kl: loss(x, logits, kl) / 2, None),
    "in bits": (lambda x, logits, kl: loss(x, logits, kl) / math.log(2), None),
    "pixels exchanged": (
        lambda x, logits, kl: loss(1 - x, logits, kl),
        None,
    ),
    "squared error": (
        lambda x, logits, kl: (
            (x - logits.sigmoid()).square().flatten(1).sum(1).mean()
            + kl.sum(1).mean()
        ),
        None,
    ),
    "β of 784": (
        lambda x, logits, kl: bce(x, logits) / len(x) + 784 * kl.sum(1).mean(),
        None,
    ),
    "a floor under each KL": (
        lambda x, logits, kl: loss(x, logits, kl.clamp(min=0.05)),
        None,
    ),
    "logits kept within 30": (
        lambda x, logits, kl: loss(x, logits.clamp(-30, 30), kl),
        None,
    ),
    "the KL detached": (
        lambda x, logits, kl: loss(x, logits, kl.detach()),
        None,
    ),
}

# --- 10.2: the rate ----------------------------------------------------------

rate = registry.find("10.2").solution


def halves(moments):
    size = moments.shape[1] // 2
    return moments[:, :size], moments[:, size:]


def rate_of(formula, axis=1):
    return lambda moments, z: formula(*halves(moments)).sum(dim=axis)


def rate_by_loop(moments, z):
    totals = []
    for mean, log_var in zip(*halves(moments), strict=True):
        total = 0.0
        for m, v in zip(mean, log_var, strict=True):
            total = total + (m * m + v.exp() - v - 1) / 2
        totals.append(total)
    return torch.stack(totals)


def rate_by_library(moments, z):
    mean, log_var = torch.split(moments, z.shape[1], dim=1)
    q = D.Independent(D.Normal(mean, torch.exp(log_var / 2)), 1)
    p = D.Independent(D.Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    return D.kl_divergence(q, p)


RIGHT["10.2"] = {
    "a loop": rate_by_loop,
    "the library": rate_by_library,
    "minus half": rate_of(lambda m, v: -0.5 * (1 + v - m.pow(2) - v.exp())),
    "unflatten": lambda moments, z: (
        0.5
        * (
            moments.unflatten(1, (2, -1))[:, 0] ** 2
            + moments.unflatten(1, (2, -1))[:, 1].exp()
            - moments.unflatten(1, (2, -1))[:, 1]
            - 1
        )
    ).sum(-1),
    "σ first": rate_of(
        lambda m, v: 0.5 * (m**2 + (0.5 * v).exp() ** 2 - 1) - 0.5 * v
    ),
    "three sums": lambda moments, z: (
        0.5
        * (
            halves(moments)[0].square().sum(1)
            + halves(moments)[1].expm1().sum(1)
            - halves(moments)[1].sum(1)
        )
    ),
}


def kl(m, v):
    return 0.5 * (m**2 + v.exp() - 1 - v)


def of_sample(moments, z):
    return kl(*halves(z)).sum(1)


WRONG["10.2"] = {
    "as it was": (of_sample, "moments of the sample"),
    "split of z": (
        lambda moments, z: kl(*z.split(z.shape[1] // 2, dim=1)).sum(1),
        "moments of the sample",
    ),
    "exchanged": (
        rate_of(lambda m, v: kl(v, m)),
        "halves exchanged",
    ),
    "every second": (
        lambda moments, z: kl(moments[:, ::2], moments[:, 1::2]).sum(1),
        "every second number",
    ),
    "one draw": (
        lambda moments, z: (
            0.5
            * (
                z**2
                - (z - halves(moments)[0]) ** 2 / halves(moments)[1].exp()
                - halves(moments)[1]
            )
        ).sum(1),
        "one draw",
    ),
    "z for the mean": (
        lambda moments, z: kl(z, halves(moments)[1]).sum(1),
        "the sample's place",
    ),
    "no half": (rate_of(lambda m, v: 2 * kl(m, v)), "no half"),
    "no one": (
        rate_of(lambda m, v: 0.5 * (m**2 + v.exp() - v)),
        "no minus one",
    ),
    "σ": (
        rate_of(lambda m, v: 0.5 * (m**2 + (v / 2).exp() - 1 - v)),
        "σ for σ²",
    ),
    "mean of the latent": (
        lambda moments, z: kl(*halves(moments)).mean(1),
        "averaged over the latent",
    ),
    "mean of the batch": (
        lambda moments, z: kl(*halves(moments)).sum(1).mean(),
        "averaged over the batch",
    ),
    "detached": (
        lambda moments, z: rate(moments.detach(), z),
        "no gradient",
    ),
    "as data": (lambda moments, z: rate(moments.data, z), "no gradient"),
    "minus": (lambda moments, z: -rate(moments, z), None),
    "sum of all": (lambda moments, z: rate(moments, z).sum(), None),
    "each latent": (lambda moments, z: kl(*halves(moments)), None),
    "over the batch": (rate_of(kl, axis=0), None),
    "no mean": (rate_of(lambda m, v: 0.5 * (v.exp() - 1 - v)), None),
    "mean not squared": (
        rate_of(lambda m, v: 0.5 * (m + v.exp() - 1 - v)),
        None,
    ),
    "log-variance added": (
        rate_of(lambda m, v: 0.5 * (m**2 + v.exp() - 1 + v)),
        None,
    ),
    "the other way": (
        rate_of(lambda m, v: 0.5 * ((1 + m**2) / v.exp() - 1 + v)),
        None,
    ),
    "z's second half": (
        lambda moments, z: kl(
            halves(moments)[0][:, : z.shape[1] // 2], halves(z)[1]
        ).sum(1),
        None,
    ),
    "log-variances kept within 4": (
        lambda moments, z: rate(
            torch.cat(
                [
                    moments[:, : z.shape[1]],
                    moments[:, z.shape[1] :].clamp(-4, 4),
                ],
                dim=1,
            ),
            z,
        ),
        None,
    ),
    "a floor under each rate": (
        lambda moments, z: (
            (lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v))(
                *moments.chunk(2, dim=1)
            )
            .clamp(min=0.05)
            .sum(dim=1)
        ),
        None,
    ),
}

# --- 10.3: the normaliser ----------------------------------------------------

nll = registry.find("10.3").solution
TAU = 2 * math.pi

RIGHT["10.3"] = {
    "the library": lambda x, mean, log_std: (
        -D.Normal(mean, log_std.exp()).log_prob(x)
    ),
    "by the density": lambda x, mean, log_std: (
        -(
            torch.exp(-((x - mean) ** 2) / (2 * torch.exp(2 * log_std)))
            / (log_std.exp() * math.sqrt(TAU))
        ).log()
    ),
    "one half outside": lambda x, mean, log_std: (
        0.5
        * ((x - mean) ** 2 / (2 * log_std).exp() + 2 * log_std + math.log(TAU))
    ),
    "a precision": lambda x, mean, log_std: (
        0.5 * ((x - mean) * (-log_std).exp()) ** 2
        - (-log_std)
        + math.log(math.sqrt(TAU))
    ),
    "the torch loss": lambda x, mean, log_std: F.gaussian_nll_loss(
        mean,
        x,
        (2 * log_std).exp().expand_as(x),
        full=True,
        eps=1e-12,
        reduction="none",
    ),
    "in variables": lambda x, mean, log_std: sum(
        (
            (x - mean).square() / (2 * log_std.exp().square()),
            log_std.exp().log(),
            torch.tensor(0.5 * math.log(TAU), dtype=x.dtype),
        )
    ),
}


def parts(error=0.5, log=1.0, constant=0.5, power=2):
    return lambda x, m, s: (
        error * (x - m) ** 2 / (power * s).exp()
        + log * s
        + constant * math.log(TAU)
    )


WRONG["10.3"] = {
    "as it was": (parts(log=-1.0), "the sign of log σ"),
    "no log": (parts(log=0.0), "no log σ"),
    "no constant": (parts(constant=0.0), "no constant"),
    "log 2π": (parts(constant=1.0), "the constant without its half"),
    "half a log": (parts(log=0.5), "half a log σ"),
    "two logs": (parts(log=2.0), "twice log σ"),
    "no half": (parts(error=1.0), "no half before the error"),
    "σ once": (parts(power=1), "divided by σ once"),
    "density": (
        lambda x, m, s: -nll(x, m, s),
        "the logarithm turned round",
    ),
    "library, no minus": (
        lambda x, m, s: D.Normal(m, s.exp()).log_prob(x),
        "the logarithm turned round",
    ),
    "both signs": (
        parts(log=-1.0, constant=-0.5),
        "everything but the error turned round",
    ),
    "sum": (lambda x, m, s: nll(x, m, s).sum(), "summed"),
    "mean": (lambda x, m, s: nll(x, m, s).mean(), "averaged"),
    "detached": (
        lambda x, m, s: nll(x, m, s.detach()),
        "no gradient to σ",
    ),
    "constant alone wrong": (parts(constant=-0.5), None),
    "error negative": (parts(error=-0.5), None),
    "not squared": (
        lambda x, m, s: (
            0.5 * (x - m).abs() / s.exp() + s + 0.5 * math.log(TAU)
        ),
        None,
    ),
    "σ as it is": (
        lambda x, m, s: D.Normal(m, s.abs() + 0.1).log_prob(x).neg(),
        None,
    ),
    "power 3": (parts(power=3), None),
    "multiplied": (parts(power=-2), None),
    "log π": (
        lambda x, m, s: parts(constant=0.0)(x, m, s) + 0.5 * math.log(math.pi),
        None,
    ),
    "Laplace": (
        lambda x, m, s: (x - m).abs() / s.exp() + s + math.log(2),
        None,
    ),
    "log σ kept within 4": (
        lambda x, mean, s: nll(x, mean, s.clamp(-4, 4)),
        None,
    ),
}

# --- 10.4: the weighted loss -------------------------------------------------

weighted = registry.find("10.4").solution


def weighted_by_loop(loss):
    total = -loss[0]
    for row in loss[1:]:
        total = torch.logaddexp(total, -row)
    return math.log(len(loss)) - total


def weighted_by_shift(loss):
    best = loss.amin(dim=0, keepdim=True)
    weights = torch.exp(best - loss)
    return best[0] - torch.log(weights.mean(0))


RIGHT["10.4"] = {
    "a loop": weighted_by_loop,
    "shifted": weighted_by_shift,
    "log-weights": lambda loss: math.log(loss.size(0)) - (-loss).logsumexp(0),
    "softmin": lambda loss: (
        math.log(len(loss)) + (loss.neg().log_softmax(0) + loss).mean(0)
    ),
    "weights shifted inside": lambda loss: (
        -torch.logsumexp(-loss - math.log(len(loss)), dim=0)
    ),
    "image by image": lambda loss: torch.stack(
        [
            math.log(len(each)) - torch.logsumexp(-each, dim=0)
            for each in loss.T
        ]
    ),
}


def lse(a, axis=0):
    return torch.logsumexp(a, dim=axis)


WRONG["10.4"] = {
    "as it was": (
        lambda loss: lse(loss) - math.log(len(loss)),
        "the worst draw wins",
    ),
    "the bound": (
        lambda loss: lse(-loss) - math.log(len(loss)),
        "the bound, not the loss",
    ),
    "minus outside": (
        lambda loss: -(lse(loss) - math.log(len(loss))),
        "the worst draw, and minus",
    ),
    "no log K": (lambda loss: -lse(-loss), "log K forgotten"),
    "log K down": (
        lambda loss: -lse(-loss) - math.log(len(loss)),
        "log K the wrong way",
    ),
    "mean": (lambda loss: loss.mean(0), "the mean of the losses"),
    "best": (lambda loss: loss.amin(0), "the best draw alone"),
    "images": (
        lambda loss: -(lse(-loss, 1) - math.log(loss.shape[1])),
        "the images for the draws",
    ),
    "underflow": (
        lambda loss: -torch.log(torch.exp(-loss).mean(0)),
        "underflow",
    ),
    "averaged": (
        lambda loss: weighted(loss).mean(),
        "averaged over the images",
    ),
    "detached": (lambda loss: weighted(loss.detach()), "no gradient"),
    "no grad": (torch.no_grad()(weighted), "no gradient"),
    "worst": (lambda loss: loss.amax(0), None),
    "first": (lambda loss: loss[0], None),
    "sum": (lambda loss: loss.sum(0), None),
    "log K of images": (
        lambda loss: -lse(-loss) + math.log(loss.shape[1] + 1),
        None,
    ),
    "half": (lambda loss: weighted(loss) / 2, None),
    "summed": (lambda loss: weighted(loss).sum(), None),
    "K itself": (lambda loss: len(loss) - lse(-loss), None),
    "median": (lambda loss: loss.median(dim=0).values, None),
    "weights not turned, mean": (
        lambda loss: (loss.softmax(0) * loss).sum(0),
        None,
    ),
    "weighted mean": (lambda loss: ((-loss).softmax(0) * loss).sum(0), None),
}

# --- 10.5: attention ---------------------------------------------------------

attend = registry.find("10.5").solution


def attend_with(mask, scale=math.sqrt, axis=-1, fill=-1e9):
    def attempt(q, k, v):
        scores = torch.einsum("bic,bjc->bij", q, k) / scale(q.shape[-1])
        n = scores.shape[-1]
        scores = scores.masked_fill(mask(n), fill)
        return torch.softmax(scores, axis) @ v

    return attempt


def future(n):
    return torch.arange(n)[None, :] > torch.arange(n)[:, None]


def attend_by_loop(q, k, v):
    rows = []
    for i in range(q.shape[1]):
        scores = (q[:, i : i + 1] * k[:, : i + 1]).sum(-1)
        weights = (scores / q.shape[-1] ** 0.5).softmax(-1)
        rows.append((weights[..., None] * v[:, : i + 1]).sum(1))
    return torch.stack(rows, dim=1)


def attend_in_place(q, k, v):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    scores.masked_fill_(torch.ones_like(scores).triu(1).bool(), -torch.inf)
    return scores.softmax(-1) @ v


RIGHT["10.5"] = {
    "a loop": attend_by_loop,
    "in place": attend_in_place,
    "the library": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, is_causal=True
    ),
    "compared places": attend_with(future),
    "infinity": attend_with(future, fill=float("-inf")),
    "tril": attend_with(lambda n: torch.ones(n, n).tril() == 0),
    "added": lambda q, k, v: (
        (
            q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
            + torch.full((q.shape[1],) * 2, -1e9).triu(1).to(q)
        ).softmax(-1)
        @ v
    ),
}
WRONG["10.5"] = {
    "no mask": (attend_with(lambda n: future(n) & False), "no mask"),
    "library, all": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        "no mask",
    ),
    "triu()": (
        attend_with(lambda n: torch.ones(n, n).triu().bool()),
        "itself hidden",
    ),
    "past": (attend_with(lambda n: future(n).T), "the past hidden"),
    "two off": (
        attend_with(lambda n: torch.ones(n, n).triu(2).bool()),
        "one too few hidden",
    ),
    "after": (
        lambda q, k, v: (
            (q @ k.mT / math.sqrt(q.shape[-1]))
            .softmax(-1)
            .masked_fill(future(q.shape[1]), 0)
            @ v
        ),
        "hidden after the softmax",
    ),
    "zeros": (attend_with(future, fill=0), "filled with zeros"),
    "multiplied": (
        lambda q, k, v: (
            (q @ k.mT / math.sqrt(q.shape[-1]) * ~future(q.shape[1])).softmax(
                -1
            )
            @ v
        ),
        "filled with zeros",
    ),
    "no scale": (attend_with(future, scale=lambda c: 1.0), "no scale"),
    "by C": (attend_with(future, scale=float), "divided by C"),
    "other axis": (
        attend_with(future, axis=1),
        "softmax over those who ask",
    ),
    "over the batch": (attend_with(future, axis=0), None),
    "infinity on the diagonal": (
        attend_with(
            lambda n: torch.ones(n, n).triu().bool(), fill=float("-inf")
        ),
        None,
    ),
    "minus one": (attend_with(future, fill=-1.0), None),
    "a large fill": (attend_with(future, fill=1e9), None),
    "queries for values": (lambda q, k, v: attend(q, k, q), None),
    "keys for queries": (lambda q, k, v: attend(k, q, v), None),
    "half of it": (lambda q, k, v: attend(q, k, v) / 2, None),
    "plus the values": (lambda q, k, v: attend(q, k, v) + v, None),
    "a running mean": (
        lambda q, k, v: (
            v.cumsum(1) / torch.arange(1, v.shape[1] + 1)[None, :, None]
        ),
        None,
    ),
    "the values": (lambda q, k, v: v, None),
    "detached": (lambda q, k, v: attend(q, k, v.detach()), None),
    "a mask of −100": (
        lambda q, k, v: (
            (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]))
            .masked_fill(
                torch.ones(q.shape[1], q.shape[1]).triu(1).bool(), -100.0
            )
            .softmax(dim=-1)
            @ v
        ),
        None,
    ),
    "queries kept within 30": (
        lambda q, k, v: attend(q.clamp(-30, 30), k, v),
        None,
    ),
    "no gradient to the weights": (
        lambda q, k, v: attend(q.detach(), k.detach(), v),
        None,
    ),
}

# --- 10.6: the judge ---------------------------------------------------------

term = registry.find("10.6").solution


def frozen_term(judge, image, x):
    for p in judge.parameters():
        p.requires_grad_(False)
    return judge(image, x).mean()


def term_by_loop(judge, image, x):
    total = 0.0
    for one, other in zip(image.split(1), x.split(1), strict=True):
        total = total + judge(one, other).sum()
    return total / len(image)


RIGHT["10.6"] = {
    "frozen": frozen_term,
    "a loop": term_by_loop,
    "plain": lambda judge, image, x: judge(image, x).mean(),
    "sum over count": lambda judge, image, x: (
        judge(image, x).sum() / image.shape[0]
    ),
    "original detached": lambda judge, image, x: torch.mean(
        judge(image, x.detach())
    ),
    "eval": lambda judge, image, x: judge.eval()(image, x).mean(dim=0),
}
WRONG["10.6"] = {
    "as it was": (
        torch.no_grad()(lambda judge, image, x: judge(image, x).mean()),
        "no gradient",
    ),
    "inference mode": (
        torch.inference_mode()(lambda judge, image, x: judge(image, x).mean()),
        "no gradient",
    ),
    "detached": (
        lambda judge, image, x: judge(image.detach(), x).mean(),
        "no gradient",
    ),
    "detached after": (
        lambda judge, image, x: judge(image, x).mean().detach(),
        "no gradient",
    ),
    "item": (lambda judge, image, x: judge(image, x).mean().item(), None),
    "exchanged": (
        lambda judge, image, x: judge(x, image).mean(),
        "image and original exchanged",
    ),
    "sum": (
        lambda judge, image, x: judge(image, x).sum(),
        "summed over the batch",
    ),
    "each": (lambda judge, image, x: judge(image, x), "not averaged"),
    "minus": (lambda judge, image, x: -judge(image, x).mean(), "minus"),
    "pixels": (
        lambda judge, image, x: (image - x).square().sum(dim=(1, 2, 3)).mean(),
        "pixels compared",
    ),
    "mse": (lambda judge, image, x: F.mse_loss(image, x), None),
    "l1": (lambda judge, image, x: F.l1_loss(image, x), None),
    "nothing": (lambda judge, image, x: 0 * image.sum(), None),
    "itself": (lambda judge, image, x: judge(image, image).mean(), None),
    "range halved": (
        lambda judge, image, x: judge((image + 1) / 2, (x + 1) / 2).mean(),
        None,
    ),
    "range doubled": (
        lambda judge, image, x: judge(2 * image - 1, 2 * x - 1).mean(),
        None,
    ),
    "root": (lambda judge, image, x: judge(image, x).sqrt().mean(), None),
    "root of the mean": (
        lambda judge, image, x: judge(image, x).mean().sqrt(),
        None,
    ),
    "clamped": (
        lambda judge, image, x: judge(image.clamp(-0.5, 0.5), x).mean(),
        None,
    ),
    "largest": (lambda judge, image, x: judge(image, x).max(), None),
    "first": (lambda judge, image, x: judge(image[:1], x[:1]).mean(), None),
    "half": (lambda judge, image, x: judge(image, x).mean() / 2, None),
    "a floor": (
        lambda judge, image, x: term(judge, image, x).clamp(min=0.05),
        None,
    ),
}

# --- 10.7: accumulation ------------------------------------------------------

accumulated = registry.find("10.7").solution


def in_groups(loss, optimizer, batches, parts):
    for start in range(0, len(batches), parts):
        optimizer.zero_grad()
        for batch in batches[start : start + parts]:
            loss(batch).div(parts).backward()
        optimizer.step()
    optimizer.zero_grad()


def with_a_counter(loss, optimizer, batches, parts):
    waiting = 0
    for batch in batches:
        (loss(batch) / parts).backward()
        waiting += 1
        if waiting == parts:
            optimizer.step()
            optimizer.zero_grad()
            waiting = 0
    if waiting:
        optimizer.step()
        optimizer.zero_grad()


def from_zero(loss, optimizer, batches, parts):
    for i, batch in enumerate(batches):
        (loss(batch) * (1 / parts)).backward()
        if (i + 1) % parts == 0 or i + 1 == len(batches):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def with_an_iterator(loss, optimizer, batches, parts):
    rest = iter(batches)
    while share := [b for b, _ in zip(rest, range(parts), strict=False)]:
        for batch in share:
            (loss(batch) / parts).backward()
        optimizer.step()
        optimizer.zero_grad()


def by_last_index(loss, optimizer, batches, parts):
    last = len(batches) - 1
    for i, batch in enumerate(batches):
        (loss(batch) / parts).backward()
        if i == last or i % parts == parts - 1:
            optimizer.step()
            optimizer.zero_grad()


def zeroed_first(loss, optimizer, batches, parts):
    optimizer.zero_grad()
    accumulated(loss, optimizer, batches, parts)


RIGHT["10.7"] = {
    "groups": in_groups,
    "a counter": with_a_counter,
    "from zero": from_zero,
    "slices by a list": lambda loss, optimizer, batches, parts: in_groups(
        loss, optimizer, list(batches), parts
    ),
    "the last index": by_last_index,
    "zeroed first": zeroed_first,
}


def epoch(when, weigh=lambda parts, count: 1 / parts, forget=True, tail=None):
    def attempt(loss, optimizer, batches, parts):
        count = len(batches)
        for number, batch in enumerate(batches, 1):
            (loss(batch) * weigh(parts, count)).backward()
            if when(number, parts, count):
                optimizer.step()
                if forget:
                    optimizer.zero_grad()
        if tail:
            tail(optimizer, parts, count)

    return attempt


def each_part(number, parts, count):
    return number % parts == 0


def or_last(number, parts, count):
    return number % parts == 0 or number == count


def step_and_forget(optimizer, parts, count):
    optimizer.step()
    optimizer.zero_grad()


WRONG["10.7"] = {
    "as it was": (epoch(each_part), "the last ones left over"),
    "forgotten at the end": (
        epoch(each_part, tail=lambda o, parts, count: o.zero_grad()),
        "the last ones thrown away",
    ),
    "whole groups alone": (
        lambda loss, optimizer, batches, parts: accumulated(
            loss, optimizer, batches[: len(batches) // parts * parts], parts
        ),
        "the last ones thrown away",
    ),
    "always once more": (
        epoch(each_part, tail=step_and_forget),
        "one step more, always",
    ),
    "stays": (
        epoch(
            each_part,
            tail=lambda o, parts, count: o.step() if count % parts else None,
        ),
        "the last gradient stays",
    ),
    "not divided": (
        epoch(or_last, weigh=lambda parts, count: 1.0),
        "not divided",
    ),
    "each batch": (
        epoch(lambda number, parts, count: True),
        "a step for each batch",
    ),
    "and": (
        epoch(lambda number, parts, count: number == count),
        "one step an epoch",
    ),
    "never forgotten": (epoch(or_last, forget=False), "never forgotten"),
    "forgotten always": (
        lambda loss, optimizer, batches, parts: (
            [
                (
                    optimizer.zero_grad(),
                    (loss(batch) / parts).backward(),
                    (number % parts == 0 or number == len(batches))
                    and optimizer.step(),
                )
                for number, batch in enumerate(batches, 1)
            ]
            and optimizer.zero_grad()
        ),
        "only the last part counts",
    ),
    "remainder 1": (
        epoch(
            lambda number, parts, count: number % parts == 1 or number == count
        ),
        "the first alone",
    ),
    "own count": (
        lambda loss, optimizer, batches, parts: (
            [
                accumulated(
                    loss,
                    optimizer,
                    batches[s : s + parts],
                    len(batches[s : s + parts]),
                )
                for s in range(0, len(batches), parts)
            ]
            and None
        ),
        "a mean over what is there",
    ),
    "by the epoch": (
        epoch(or_last, weigh=lambda parts, count: 1 / count),
        None,
    ),
    "divided twice": (
        epoch(or_last, weigh=lambda parts, count: 1 / parts**2),
        None,
    ),
    "multiplied": (epoch(or_last, weigh=lambda parts, count: parts), None),
    "backward alone": (epoch(lambda number, parts, count: False), None),
    "one too late": (
        epoch(
            lambda number, parts, count: (
                number % (parts + 1) == 0 or number == count
            )
        ),
        None,
    ),
    "the last one skipped": (
        lambda loss, optimizer, batches, parts: accumulated(
            loss, optimizer, batches[:-1], parts
        ),
        None,
    ),
    "backwards": (
        lambda loss, optimizer, batches, parts: accumulated(
            loss, optimizer, batches[::-1], parts
        ),
        None,
    ),
    "twice": (
        lambda loss, optimizer, batches, parts: accumulated(
            loss, optimizer, batches * 2, parts
        ),
        None,
    ),
}

# --- 10.8: the noised latent -------------------------------------------------

noised = registry.find("10.8").solution


def mixed(a, s):
    return lambda z, noise, abar: a(abar) * z + s(abar) * noise


RIGHT["10.8"] = {
    "math": lambda z, noise, abar: (
        math.sqrt(abar) * z + math.sqrt(1.0 - abar) * noise
    ),
    "powers": lambda z, noise, abar: z * abar**0.5 + noise * (1 - abar) ** 0.5,
    "lerp of squares": lambda z, noise, abar: torch.add(
        z.mul(abar**0.5), noise, alpha=(1 - abar) ** 0.5
    ),
    "a stack": lambda z, noise, abar: torch.stack(
        [abar**0.5 * z, (1 - abar) ** 0.5 * noise]
    ).sum(0),
    "a distribution": lambda z, noise, abar: (
        D.Normal(math.sqrt(abar) * z, math.sqrt(1 - abar)).mean
        + math.sqrt(1 - abar) * noise
    ),
    "exp of half a log": lambda z, noise, abar: (
        math.exp(0.5 * math.log(abar)) * z
        + math.exp(0.5 * math.log1p(-abar)) * noise
    ),
}
WRONG["10.8"] = {
    "as it was": (
        mixed(lambda a: a, lambda a: (1 - a) ** 0.5),
        "ᾱ for its root",
    ),
    "no roots": (mixed(lambda a: a, lambda a: 1 - a), "no root at all"),
    "mended by the noise": (
        mixed(lambda a: a, lambda a: math.sqrt(1 - a * a)),
        "the roots exchanged",
    ),
    "root moved": (
        mixed(lambda a: a**0.5, lambda a: 1 - a),
        "the noise without its root",
    ),
    "1 − √ᾱ": (
        mixed(lambda a: a**0.5, lambda a: 1 - a**0.5),
        "one minus the root",
    ),
    "exchanged": (
        mixed(lambda a: (1 - a) ** 0.5, lambda a: a**0.5),
        "exchanged",
    ),
    "noise exchanged": (
        lambda z, noise, abar: noised(noise, z, abar),
        "exchanged",
    ),
    "1 − ᾱ given": (
        lambda z, noise, abar: noised(z, noise, 1 - abar),
        "exchanged",
    ),
    "full noise": (
        mixed(lambda a: a**0.5, lambda a: 1.0),
        "the noise in full",
    ),
    "no noise": (mixed(lambda a: a**0.5, lambda a: 0.0), "no noise"),
    "minus": (
        mixed(lambda a: a**0.5, lambda a: -((1 - a) ** 0.5)),
        "the noise subtracted",
    ),
    "back": (
        lambda z, noise, abar: (
            (z - math.sqrt(1 - abar) * noise) / math.sqrt(abar)
        ),
        "the way back",
    ),
    "squares": (mixed(lambda a: a**2, lambda a: 1 - a**2), None),
    "fourth root": (
        mixed(lambda a: a**0.25, lambda a: (1 - a**0.5) ** 0.5),
        None,
    ),
    "noise alone": (mixed(lambda a: 0.0, lambda a: (1 - a) ** 0.5), None),
    "both alone": (mixed(lambda a: 1.0, lambda a: 1.0), None),
    "z in full": (mixed(lambda a: 1.0, lambda a: (1 - a) ** 0.5), None),
    "the latent": (lambda z, noise, abar: z, None),
    "noise of one's own": (
        lambda z, noise, abar: noised(z, torch.randn_like(z), abar),
        None,
    ),
    "negative z": (mixed(lambda a: -(a**0.5), lambda a: (1 - a) ** 0.5), None),
    "detached": (lambda z, noise, abar: noised(z.detach(), noise, abar), None),
    "double": (lambda z, noise, abar: 2 * noised(z, noise, abar), None),
    "latents kept within 30": (
        lambda z, noise, abar: noised(z.clamp(-30, 30), noise, abar),
        None,
    ),
}
