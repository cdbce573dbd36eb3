"""`python bench/fastmcp_proxy.py PORT URL`, in FastMCP's environment: its plain proxy."""

import sys

from fastmcp.server import create_proxy
from starlette.requests import Request
from starlette.responses import Response


async def live(_: Request) -> Response:
    return Response()


def main() -> None:
    proxy = create_proxy(sys.argv[2], name="proxy")
    proxy.custom_route("/health", methods=["GET"])(live)
    proxy.run(
        transport="http",
        port=int(sys.argv[1]),
        stateless_http=True,
        show_banner=False,
        log_level="WARNING",
        uvicorn_config={"access_log": False},
    )


if __name__ == "__main__":
    main()
