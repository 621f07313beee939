#!/bin/sh
# Lists the gateway's tools with the MCP Inspector; without --cli it opens a page instead. Needs Node 22.19 or later.
exec npx -y @modelcontextprotocol/inspector --cli http://127.0.0.1:8808/mcp --transport http --method tools/list
