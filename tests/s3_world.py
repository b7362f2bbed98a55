"""A real S3 server on loopback, with a bucket of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def bucket(monkeypatch: pytest.MonkeyPatch, name: str = "models") -> Iterator[str]:
    """The address of an empty bucket; the environment leads boto3, s3fs and DVC to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "a-key",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(key, value)
        boto3.client("s3").create_bucket(Bucket=name)
        yield f"s3://{name}"
    finally:
        server.stop()


def objects(address: str) -> list[str]:
    """Keys in a bucket."""
    import boto3

    found = boto3.client("s3").list_objects_v2(Bucket=address.removeprefix("s3://").partition("/")[0])
    return [one["Key"] for one in found.get("Contents", [])]


def put(folder: Path, address: str) -> None:
    """Copy the files below a folder into a bucket."""
    import boto3

    name, _, prefix = address.removeprefix("s3://").partition("/")
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        boto3.client("s3").upload_file(str(path), name, f"{prefix}/{path.relative_to(folder).as_posix()}")
