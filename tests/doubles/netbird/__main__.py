"""The simulated NetBird API as a process: `python -m tests.doubles.netbird --port 0`."""

import argparse
import asyncio
import signal
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.doubles.netbird.integration_store import FIRST_ID
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.state import restore, save


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    host: str
    port: int
    state: Path | None
    first_id: int
    certificate: Path | None
    key: Path | None


def options_of(arguments: list[str]) -> Options:
    """Read the command line. A mistake ends the process with a message."""
    parser = argparse.ArgumentParser(prog="tests.doubles.netbird", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (the default)")
    parser.add_argument("--state", type=Path, help="file to start from, where it exists, and to write to at the end")
    parser.add_argument("--first-id", type=int, default=FIRST_ID, help="id of the first integration (%(default)s)")
    parser.add_argument("--certificate", type=Path, help="PEM file of the server's certificate; with it, TLS is spoken")
    parser.add_argument("--key", type=Path, help="PEM file of the certificate's key, where it is not in the same file")
    return Options(**vars(parser.parse_args(arguments)))


async def serve(options: Options) -> None:
    """Listen, print the URL as the first line, and serve until SIGTERM or SIGINT."""
    known = options.state is not None and options.state.exists()
    model = restore(options.state) if known and options.state else NetBird(first_id=options.first_id)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    tls = None
    if options.certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
    server = SimulatedNetBird(model)
    sys.stdout.write(f"{await server.start(options.host, options.port, tls)}\n")
    sys.stdout.flush()
    await ended.wait()
    await server.stop()
    if options.state is not None:
        save(model, options.state)


if __name__ == "__main__":
    asyncio.run(serve(options_of(sys.argv[1:])))
