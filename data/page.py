"""Pages of one file: filled in from a template, pictures inside, nothing loaded from anywhere."""

from base64 import b64encode
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template, TemplateNotFound
from numpy.typing import NDArray
from PIL import Image

QUALITY = 90  # of 95, of a JPEG: no block shows


def template(package: str, name: str) -> Template:
    """A template of a package such as flawsmith.gan; texts are escaped, and all extend page.html, its own or data's."""

    def load(wanted: str) -> str:
        for place in (package, "flawsmith.data"):
            path = files(place).joinpath("templates", wanted)
            if path.is_file():
                return path.read_text(encoding="utf-8")
        raise TemplateNotFound(wanted)

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(load), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def render(package: str, name: str, **values: Any) -> str:
    """A template of a package, filled in."""
    return template(package, name).render(**values)


def data_url(pixels: NDArray[np.uint8], quality: int = QUALITY) -> str:
    """A picture (H, W, 1 or 3) as a data: URL; black and white as 1-bit PNG, any other as JPEG."""
    grey = bool((pixels == pixels[..., :1]).all())
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    buffer = BytesIO()
    if grey and np.isin(pixels, (0, 255)).all():
        image.convert("1").save(buffer, "PNG", optimize=True)
        return _url("png", buffer.getvalue())
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return _url("jpeg", buffer.getvalue())


def line_url(line: NDArray[np.bool_], colour: tuple[int, int, int]) -> str:
    """Pixels (H, W) in one colour on nothing, to be laid over a picture, as a data: URL."""
    image = Image.fromarray(line.astype(np.uint8))
    image.putpalette([0, 0, 0, *colour])
    buffer = BytesIO()
    image.save(buffer, "PNG", transparency=0, bits=1, optimize=True)
    return _url("png", buffer.getvalue())


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
