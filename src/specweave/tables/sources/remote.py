"""A table at an address: ``https://…``, ``s3://bucket/key.parquet``, ``gs://…``.

Reads: the network, with the environment's own credentials. Writes: the file as it came. Never: fetches
again unless asked to.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path, PurePosixPath
from typing import ClassVar

from specweave.errors import DataError, IntegrationError
from specweave.tables.sources.base import DataSource

_TIMEOUT_S = 60.0


class HttpSource(DataSource):
    """A file behind ``https://`` or ``http://``."""

    follows: ClassVar[bool] = False

    @classmethod
    def matches(cls, text: str) -> bool:
        """Return whether the text is a web address."""
        return bool(re.match(r"https?://", text))

    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Download the file."""
        target = folder / _name_of(text)
        request = urllib.request.Request(text, headers={"User-Agent": "specweave"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer, target.open("wb") as stream:
                shutil.copyfileobj(answer, stream)
                declared = answer.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            raise DataError(
                f"the server answers {error.code} {error.reason} for {self.shown(text)}",
                where=where,
                hint="check the address; where it asks for a login, download the file and name its path",
            ) from error
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise IntegrationError(
                f"{self.shown(text)} cannot be reached: {reason}",
                where=where,
                hint="check the network and run: sw data refresh",
            ) from error
        if declared and declared.isdecimal() and int(declared) != target.stat().st_size:
            raise IntegrationError(
                f"the download broke off after {target.stat().st_size:,} of {int(declared):,} bytes",
                where=where,
                hint="run the same command again",
            )
        return target

    def shown(self, text: str) -> str:
        """Return the address without user and password."""
        return re.sub(r"//[^/@]*@", "//", text)


class BucketSource(DataSource):
    """A file in a bucket; keys and regions come from the environment as the provider's own tools read them."""

    follows: ClassVar[bool] = False

    @classmethod
    def matches(cls, text: str) -> bool:
        """Return whether the text is an address in a bucket."""
        return bool(re.match(r"(s3|gs|gcs|abfss?)://", text))

    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Copy the object."""
        from pyarrow import ArrowException, fs

        target = folder / _name_of(text)
        try:
            system, path = fs.FileSystem.from_uri(text)
            with system.open_input_stream(path, compression=None) as source, target.open("wb") as stream:
                shutil.copyfileobj(source, stream)
        except FileNotFoundError as error:
            raise DataError(
                f"there is no {self.shown(text)}", where=where, hint="check bucket and key"
            ) from error
        except (OSError, ArrowException, ValueError) as error:
            told = str(error).splitlines()[0]
            raise IntegrationError(
                f"{self.shown(text)} cannot be read: {told}",
                where=where,
                hint="check the credentials in the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, ...) and the region",
            ) from error
        return target

    def shown(self, text: str) -> str:
        """Return the address without keys."""
        return re.sub(r"//[^/@]*@", "//", text)


def _name_of(address: str) -> str:
    name = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(address).path)).name
    return name if "." in name else f"{name or 'table'}.csv"
