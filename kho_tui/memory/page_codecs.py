"""How pages of a dump are compressed. zlib is Python's own; the others come with packages that may be missing."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from kho_tui.errors import InputError
from kho_tui.text import SafeText

Decompress = Callable[[bytes, int], bytes]
"""The page that compressed bytes hold, and how many bytes a page has: gives as many, or raises ValueError."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to compress pages.

    ``bit`` is DUMP_DH_COMPRESSED_*: in the header's status which the dump uses, in a page's flags how that page is compressed. ``package``
    unpacks it, None where Python does; ``make`` raises ImportError where it is not installed.
    """

    bit: int
    name: str
    package: str | None
    make: Callable[[], Decompress]


@cache
def decompressor(codec: Codec) -> Decompress:
    """What unpacks a page. Raises InputError that names the package where it is missing."""
    try:
        return codec.make()
    except ImportError:
        raise InputError(SafeText(f"compressed by {codec.name}: pip install 'kho-tui[dumps]' (or {codec.package}) to read it")) from None


def _zlib() -> Decompress:
    def unpack(data: bytes, size: int) -> bytes:
        stream = zlib.decompressobj()
        try:
            page = stream.decompress(data, size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not stream.eof:
            raise ValueError("the stream goes on behind the page" if len(page) > size else "the stream ends too early")
        return _whole(page, size)

    return unpack


def _lzo() -> Decompress:
    from lzallright import LZOCompressor, LZOError

    def unpack(data: bytes, size: int) -> bytes:
        # The result is bounded by what is given: LZO makes 255 bytes of one at most.
        try:
            return _whole(LZOCompressor.decompress(data, size), size)
        except LZOError as error:
            raise ValueError(f"lzo: {error}") from None

    return unpack


def _snappy() -> Decompress:
    import cramjam

    def unpack(data: bytes, size: int) -> bytes:
        page = bytearray(size)
        try:
            length = int(cramjam.snappy.decompress_raw_into(data, page))
        except cramjam.DecompressionError as error:
            raise ValueError(str(error)) from None
        return _whole(bytes(page[:length]), size)

    return unpack


def _zstd() -> Decompress:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14 and later
    except ImportError:
        return _zstandard()

    def unpack(data: bytes, size: int) -> bytes:
        stream = zstd.ZstdDecompressor()
        try:
            page = bytes(stream.decompress(data, size + 1))
        except zstd.ZstdError as error:
            raise ValueError(f"zstd: {error}") from None
        return _whole(page, size)

    return unpack


def _zstandard() -> Decompress:
    import zstandard

    def unpack(data: bytes, size: int) -> bytes:
        try:
            # A frame that names its size is given that much memory, whatever it names.
            named = zstandard.frame_content_size(data)
            if named not in (-1, size):
                raise ValueError(f"zstd: a frame of {named} bytes")
            return _whole(zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompress(data, max_output_size=size), size)
        except zstandard.ZstdError as error:
            raise ValueError(f"zstd: {error}") from None

    return unpack


_ZSTD_WINDOW = 8 << 20
"""Bytes a frame may ask for as its window; that of a page needs no more than the page."""


def _whole(page: bytes, size: int) -> bytes:
    if len(page) != size:
        raise ValueError(f"it unpacks to {len(page)} of {size} bytes")
    return page


_ROWS = (
    Codec(0x1, "zlib", None, _zlib),
    Codec(0x2, "lzo", "lzallright", _lzo),
    Codec(0x4, "snappy", "cramjam", _snappy),
    Codec(0x20, "zstd", "zstandard", _zstd),
)
CODECS: Mapping[int, Codec] = MappingProxyType({codec.bit: codec for codec in _ROWS})
"""By their bits."""
