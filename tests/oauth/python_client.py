"""The Python SDK's client signs in and calls a tool: python_client.py URL MODE BROWSER REFRESHES

It calls until its token was refreshed so often. MODE is auto, legacy or a modern revision. BROWSER takes an address by POST and answers with the one that the person's browser ends at.
Prints one JSON line: {"tools": names, "text": the tool's answer, "tokens": what the SDK keeps}.
"""

import json
import sys
from urllib.parse import parse_qs, urlsplit

import anyio
from httpx2 import AsyncClient
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

URL, MODE, BROWSER = sys.argv[1:4]
REFRESHES = int(sys.argv[4])
CALLBACK = "http://127.0.0.1:9/callback"
LIMIT_SECONDS = 30
METADATA = OAuthClientMetadata(
    client_name="myelin-tests",
    application_type="native",
    redirect_uris=[CALLBACK],
    grant_types=["authorization_code", "refresh_token"],
    response_types=["code"],
    token_endpoint_auth_method="none",
)


class Login:
    """What an application does for the SDK: it keeps tokens and opens a browser."""

    tokens = None
    times_kept = 0
    client_info = None
    returned = ""

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.times_kept += 1

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info

    async def visit(self, url):
        async with AsyncClient() as browser:
            self.returned = (await browser.post(BROWSER, content=url)).text

    async def answer(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.returned).query).items()}
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))


async def main():
    login = Login()
    auth = OAuthClientProvider(URL, METADATA, login, login.visit, login.answer)
    with anyio.fail_after(LIMIT_SECONDS):
        async with (
            create_mcp_http_client(auth=auth) as http,
            Client(streamable_http_client(URL, http_client=http), mode=MODE) as connected,
        ):
            tools = [tool.name for tool in (await connected.list_tools()).tools]
            result = await connected.call_tool("test_simple_text", {})
            while login.times_kept <= REFRESHES:
                result = await connected.call_tool("test_simple_text", {})
    print(json.dumps({"tools": tools, "text": result.content[0].text, "tokens": login.tokens.model_dump(mode="json")}))


anyio.run(main)
