"""Faults written by hand: those that readers of the code found likely.

Each names a module, what stands there and what stands there in its place.
"""

from __future__ import annotations

KNOWN: list[tuple[str, str, str]] = [
    (
        "data.images",
        """        return replace(
            self, pixels=self.pixels.to(device), labels=self.labels.to(device)
        )""",
        """        return ImageSet(
            self.pixels.to(device), self.labels.to(device)
        )""",
    ),
    (
        "data.images",
        "images = torch.bernoulli(images) if self.stochastic",
        "images = torch.bernoulli(images * 2 - 1) if self.centred",
    ),
    (
        "data.images",
        "[Path(named).expanduser(), cache_folder()]",
        "[cache_folder(), Path(named).expanduser()]",
    ),
    (
        "data.images",
        "        return replace(self, pixels=pixels, stochastic=False)",
        "        return ImageSet(pixels, self.labels)",
    ),
    (
        "training",
        "evaluate(model, held_out, objective=objective)",
        "evaluate(model, held_out)",
    ),
    (
        "training",
        "        torch.manual_seed(seed)\n        for start",
        "        for start",
    ),
    ("training", "shuffle.manual_seed(seed)", "shuffle.manual_seed(0)"),
    (
        "metrics",
        "(squares / count - (total / count) ** 2) ** -0.5",
        "(squares / count) ** -0.5",
    ),
    ("metrics", "threshold: float = 0.01", "threshold: float = 0.1"),
    ("data.photos", "white = 65535.0", "white = 65280.0"),
    (
        "data.photos",
        'in sorted(folder.glob("*.png"))',
        'in sorted(folder.glob("*.png"))[::-1]',
    ),
    (
        "data.photos",
        "_cut(rights, size, test, generator)",
        "_cut(rights, size, test, torch.Generator().manual_seed(seed))",
    ),
    (
        "sd.group_norm",
        "mean = near.cpu().double() + rest.cpu()",
        "mean = (near.cpu() + rest.cpu()).double()",
    ),
    (
        "sd.weights",
        "os.fsync(file.fileno())",
        "file.flush()",
    ),
    ("sd.weights", ".{path.name}.{os.getpid()}", ".{path.name}.scratch"),
    (
        "sd.checkpoints",
        '*(".safetensors", ".safetensors.index.json", ".fp16.safetensors")',
        '*(".fp16.safetensors", ".safetensors", ".safetensors.index.json")',
    ),
    (
        "sd.checkpoints",
        "        described = path.name in names and beside.is_file()",
        "        described = beside.is_file()",
    ),
    ("sd.checkpoints", '        "latents_std": None,\n', ""),
    (
        "sd.checkpoints",
        "also = (*shape, 1, 1) if len(shape) == 2 else shape",
        "also = (*shape, 1, 1) if len(shape) == 2 else shape[::-1]",
    ),
    (
        "sd.autoencoder",
        "if not self.scaling_factor > 0:",
        "if self.scaling_factor < 0:",
    ),
    (
        "sd.strips",
        "@torch.no_grad()\ndef decode(",
        "def decode(",
    ),
    (
        "core",
        "std = torch.exp(0.5 * log_var)",
        "std = torch.exp(0.5 * log_var.clamp(-4, 4))",
    ),
    (
        "core",
        "std = torch.exp(0.5 * log_var)",
        "std = torch.exp(0.5 * log_var).clamp_min(1e-2)",
    ),
    ("core", "    if not batch.is_floating_point():", "    if False:"),
    (
        "metrics",
        """            x = images[start : start + batch_size].to(device)
            total = torch""",
        """            torch.manual_seed(seed)
            x = images[start : start + batch_size].to(device)
            total = torch""",
    ),
    (
        "metrics",
        """            x = images[start : start + batch_size].to(device)
            z = vae""",
        """            torch.manual_seed(seed)
            x = images[start : start + batch_size].to(device)
            z = vae""",
    ),
    ("training", "return self.each.mean()", "return self.each.nanmean()"),
    (
        "training",
        "    if batch_size < 1:",
        "    if batch_size < 0:",
    ),
    (
        "data.folders",
        "return resize(pixels, [shorter], antialias=True)",
        "return resize(pixels, [shorter], antialias=False)",
    ),
    (
        "data.folders",
        "return shorter, int(shorter * width / height)",
        "return shorter, round(shorter * width / height)",
    ),
    (
        "data.folders",
        'chance = random.Random(f"{self.seed} {epoch} {index}")',
        'chance = random.Random(f"{epoch} {index}")',
    ),
    ("data.folders", "if p.place < held_out]", "if p.place <= held_out]"),
    (
        "data.photos",
        "center_crop(resize(read_image(f), size, antialias=True), size)",
        "center_crop(resize(read_image(f), size, antialias=False), size)",
    ),
    (
        "data.shards",
        'Source(f"{shard}/{m.name}", str(shard), m.offset_data, m.size)',
        'Source(f"{shard}/{m.name}", str(shard), m.offset, m.size)',
    ),
    ("sd.autoencoder", "log_var.clamp(-30, 20)", "log_var.clamp(-20, 20)"),
    ("sd.autoencoder", "log_var.clamp(-30, 20)", "log_var.clamp(-30, 10)"),
    (
        "show.plotting",
        "z = torch.stack([columns, rows], dim=-1)",
        "z = torch.stack([rows, columns], dim=-1)",
    ),
    (
        "show.plotting",
        'torch.meshgrid(ticks.flip(0), ticks, indexing="ij")',
        'torch.meshgrid(ticks, ticks, indexing="ij")',
    ),
    ("show.plotting", "vmin=0, vmax=1, ", ""),
]
