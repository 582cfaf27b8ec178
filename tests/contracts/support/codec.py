"""A contract's ABI as the tests use it: calls encoded, answers, events and errors decoded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from eth_abi import decode, encode
from eth_utils import keccak, to_checksum_address
from eth_utils.abi import collapse_if_tuple

SELECTOR = 4


class Event(SimpleNamespace):
    """One log: its name and its values by name. Equal when all of them are."""

    def __init__(self, event: str, **values: Any) -> None:
        super().__init__(event=event, **values)


class Refused(Exception):
    """A call that reverted: the custom error's name and its values in order."""

    def __init__(self, name: str, *values: Any) -> None:
        super().__init__(name, *values)
        self.name = name
        self.values = values


@dataclass(frozen=True, slots=True)
class Function:
    """What it takes to call a function and to read its answer."""

    selector: bytes
    inputs: list[str]
    outputs: list[dict[str, Any]]
    output_types: list[str]
    writes: bool


class Abi:
    """Encodes and decodes for one contract; functions of the same name are not told apart."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries
        self.functions: dict[str, Function] = {}
        self.events: dict[bytes, dict[str, Any]] = {}
        self.errors: dict[bytes, dict[str, Any]] = {}
        self.constructor: list[str] = []
        for entry in entries:
            match entry["type"]:
                case "function":
                    self.functions[entry["name"]] = Function(
                        selector=keccak(text=signature(entry))[:SELECTOR],
                        inputs=types_of(entry["inputs"]),
                        outputs=entry["outputs"],
                        output_types=types_of(entry["outputs"]),
                        writes=entry["stateMutability"] not in ("view", "pure"),
                    )
                case "constructor":
                    self.constructor = types_of(entry["inputs"])
                case "event":
                    self.events[keccak(text=signature(entry))] = entry
                case "error":
                    self.errors[keccak(text=signature(entry))[:SELECTOR]] = entry

    def call(self, name: str, *args: Any) -> str:
        """Calldata, as hex."""
        function = self.functions[name]
        return "0x" + (function.selector + encode(function.inputs, args)).hex()

    def deployment(self, bytecode: str, *args: Any) -> str:
        """What a transaction that deploys the contract sends, as hex."""
        return bytecode + encode(self.constructor, args).hex()

    def answer(self, name: str, data: str) -> Any:
        """What a function returned: a value, a struct by its names, or a tuple of several."""
        function = self.functions[name]
        values = decode(function.output_types, bytes.fromhex(data[2:]))
        named = tuple(_named(*pair) for pair in zip(function.outputs, values, strict=True))
        return named[0] if len(named) == 1 else named

    def event(self, log: dict[str, Any]) -> Event:
        """A log of this contract."""
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        entry = self.events[topics[0]]
        indexed = [one for one in entry["inputs"] if one["indexed"]]
        plain = [one for one in entry["inputs"] if not one["indexed"]]
        values = dict(
            zip((one["name"] for one in indexed), _words(indexed, topics[1:]), strict=True)
        )
        data = decode(types_of(plain), bytes.fromhex(log["data"][2:]))
        values |= {one["name"]: _named(one, it) for one, it in zip(plain, data, strict=True)}
        return Event(entry["name"], **values)

    def refusal(self, data: str) -> Refused:
        """The custom error in what a call returned when it reverted."""
        raw = bytes.fromhex(data[2:])
        entry = self.errors.get(raw[:SELECTOR])
        if entry is None:
            return Refused("no custom error", data)
        values = decode(types_of(entry["inputs"]), raw[SELECTOR:])
        named = (_named(one, value) for one, value in zip(entry["inputs"], values, strict=True))
        return Refused(entry["name"], *named)

    def selector_of_error(self, name: str) -> bytes:
        """The four bytes by which a custom error is told."""
        (selector,) = (key for key, entry in self.errors.items() if entry["name"] == name)
        return selector


def types_of(parameters: list[dict[str, Any]]) -> list[str]:
    """Their canonical types, structs spelled out."""
    return [collapse_if_tuple(parameter) for parameter in parameters]


def signature(entry: dict[str, Any]) -> str:
    """name(type,...)"""
    return f"{entry['name']}({','.join(types_of(entry['inputs']))})"


checksummed = lru_cache(maxsize=4096)(to_checksum_address)


def _words(indexed: list[dict[str, Any]], topics: list[bytes]) -> list[Any]:
    return [
        _named(one, decode([one["type"]], topic)[0])
        for one, topic in zip(indexed, topics, strict=True)
    ]


def _named(parameter: dict[str, Any], value: Any) -> Any:
    match parameter["type"]:
        case "address":
            return checksummed(value)
        case "address[]":
            return [checksummed(one) for one in value]
        case "tuple":
            parts = zip(parameter["components"], value, strict=True)
            return SimpleNamespace(**{part["name"]: _named(part, it) for part, it in parts})
        case "tuple[]":
            return [_named({**parameter, "type": "tuple"}, one) for one in value]
        case _:
            return value
