"""A deployed contract: calls of its views, and the data of the calls that change it."""

from typing import Any

from web3.contract.async_contract import AsyncContract

from keeper.chain.abi import Abi
from keeper.chain.rpc import Rpc


class Contract:
    """What stands at an address, taken for what the ABI says.

    Attributes:
        address: with its checksum.
        rpc: the endpoint that it is seen through.
    """

    def __init__(self, rpc: Rpc, address: str, abi: Abi) -> None:
        checked = rpc.w3.to_checksum_address(address)
        self.rpc, self.address = rpc, str(checked)
        self._contract: AsyncContract = rpc.w3.eth.contract(checked, abi=abi)

    def encode(self, function: str, *args: Any) -> str:
        """The data of a call."""
        return str(self._contract.encode_abi(function, args))

    async def call(self, function: str, *args: Any) -> Any:
        """What a view returns at the newest block; several values as a list.

        Raises ChainError, WrongContract when what stands at the address has no such view.
        """
        return await self.rpc.ask(self._contract.functions[function](*args).call())
