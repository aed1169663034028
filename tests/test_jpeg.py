"""The comparison with JPEG: what is counted, and who is favoured."""

import io

import pytest
import torch
from PIL import Image

from benchmarks import jpeg
from vae_course.data import ImageSet
from vae_course.data.photos import bundled
from vae_course.sd import AutoencoderKL
from vae_course.sd.stream import Fixed
from vae_course.sd.validation import measure


@pytest.fixture(scope="module")
def photo():
    return bundled()["china"][:, 100:260, 100:292].float() / 127.5 - 1


def test_tables_of_the_header_are_not_counted(photo):
    file = io.BytesIO()
    rgb = jpeg.pixels(photo).permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(file, "JPEG", quality=10, optimize=True)
    whole = file.getvalue()
    bits = jpeg.scan_bits(whole)
    assert whole[len(whole) - bits // 8 :].startswith(b"\xff\xda")
    assert bits < 8 * len(whole) - 8 * 200  # two tables of 64 at the least


@pytest.mark.parametrize("bits", [6_000, 10_000, 40_000])
def test_jpeg_gets_as_many_bits_and_hardly_more(photo, bits):
    copy, found, quality = jpeg.jpeg_of_bits(photo, bits)
    assert found >= bits > jpeg.jpeg(photo, quality - 1)[1]
    assert torch.equal(copy, jpeg.jpeg(photo, quality)[0])


def test_more_bits_than_jpeg_can_spend_are_an_error(photo):
    with pytest.raises(ValueError, match="JPEG's best takes"):
        jpeg.jpeg_of_bits(photo, 1e8)


def test_a_code_costs_what_the_run_itself_measures():
    torch.manual_seed(0)
    vae = AutoencoderKL("small").eval()
    x = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    crops = Fixed(ImageSet(x, torch.zeros(1), centred=True))
    copy, bits = jpeg.coded(vae, crops.crop(0))
    line = measure(vae, crops)
    assert bits == pytest.approx(line["bits"], rel=1e-5)
    judges = jpeg.Judges(jpeg.PerceptualDistance())
    judges.look(crops.crop(0), copy, bits=bits)
    found = judges.means()
    assert found["psnr"] == pytest.approx(line["psnr"], abs=0.05)  # as bytes
    assert found["bits_per_pixel"] == pytest.approx(bits / 32**2, rel=1e-3)
