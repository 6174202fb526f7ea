"""An S3-compatible server of its own process, on a free port, with one bucket called `shop`.

    python server.py

Prints its port once it listens, and ends with its parent, which holds the other end of its standard input.
"""

from __future__ import annotations

import sys

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
client = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    region_name="us-east-1",
    aws_access_key_id="ada",
    aws_secret_access_key="correct horse",
)
client.create_bucket(Bucket="shop")
print(port, flush=True)
sys.stdin.read()
server.stop()
