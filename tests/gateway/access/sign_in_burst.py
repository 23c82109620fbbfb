"""A separate process that signs in many times at once over real connections, and prints the statuses as JSON.

Arguments: port, number of attempts, name, password, code, and `one` or `each` for the address they come from.
An attempt number in the code or password is written as `#`.
"""

import asyncio
import json
import sys
from urllib.parse import urlencode


async def post_sign_in(port, body, address):
    """Return the status of one attempt."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /account/sign-in HTTP/1.1\r\nHost: here\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        f"X-Forwarded-For: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def main(*arguments):
    """Print the statuses of all attempts."""
    port, attempts, name, password, code, addresses = arguments
    tasks = []
    for number in range(int(attempts)):
        fields = {"name": name, "password": password, "code": code.replace("#", f"{number:06}")}
        address = "203.0.113.9" if addresses == "one" else f"2001:db8:0:{number:x}::1"
        tasks.append(post_sign_in(int(port), urlencode(fields).encode(), address))
    print(json.dumps(await asyncio.gather(*tasks)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
