"""Models behind an interface in the manner of OpenAI's: where they are, the key, and one reply at a time."""

from forebear.responses.endpoints.address import Address, parse_address
from forebear.responses.endpoints.client import Client, PromptRefusedError
from forebear.responses.endpoints.crowd import Crowd
from forebear.responses.endpoints.key import Key, find_key
from forebear.responses.endpoints.pace import Pace

__all__ = [
    "Address",
    "Client",
    "Crowd",
    "Key",
    "Pace",
    "PromptRefusedError",
    "find_key",
    "parse_address",
]
