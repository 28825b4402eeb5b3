"""Reads what other services answer: whole, however many pieces it arrives in, and capped."""

import aiohttp


async def whole_body(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body to its end. ValueError above the cap; otherwise raises what aiohttp does."""
    taken = bytearray()
    async for piece in answer.content.iter_any():
        taken += piece
        if len(taken) > max_bytes:
            raise ValueError(f"larger than {max_bytes} bytes")
    return bytes(taken)
