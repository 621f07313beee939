"""Gives the gateway's tools to a LangChain agent: pip install langchain-mcp-adapters."""

import asyncio

from langchain_mcp_adapters.client import MultiServerMCPClient


async def main() -> None:
    client = MultiServerMCPClient(
        {"myelin": {"transport": "streamable_http", "url": "http://127.0.0.1:8808/mcp"}}
    )
    for tool in await client.get_tools():
        print(f"{tool.name}: {tool.description}")


asyncio.run(main())
