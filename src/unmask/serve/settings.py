"""Every setting of the service, by environment (``UNMASK_...``) and flags, in one class."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEMORY = "memory"


def _token_hash(text: str) -> str:
    digest = text.removeprefix("sha256:").lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ValueError("a token hash is 'sha256:' and 64 hexadecimal digits, as --new-token prints it")
    return f"sha256:{digest}"


def _origin(text: str) -> str:
    scheme, separator, host = text.partition("://")
    if scheme not in {"http", "https"} or not separator or not host or set(host) & set("/?#*@ "):
        raise ValueError("an origin is a scheme and a host, as https://desk.example.org")
    return text.lower()


class Settings(BaseSettings):
    """How the service runs. Every field is a flag (``--keep-days``) and a variable (``UNMASK_KEEP_DAYS``).

    A flag goes before a variable. Lists in variables are JSON.
    """

    model_config = SettingsConfigDict(
        env_prefix="UNMASK_",
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        cli_kebab_case=True,
        cli_implicit_flags="toggle",
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    model: Path | None = Field(None, description="A bundle's folder or zip, in place of the shipped one.")
    threshold: str | None = Field(None, description="Probability from which an image is fake, or a name, as fpr_1.")

    store: str = Field(
        MEMORY,
        description="Where the history is kept: a folder, which gets a SQLite database; a postgresql:// URL; or "
        "'memory', which ends with the service.",
    )
    no_store: bool = Field(False, description="Keep no history at all.")
    keep_images: bool = Field(False, description="Keep the uploaded images too.")
    images: Path | None = Field(
        None, description="Folder of kept images; by default 'images' in the folder of --store."
    )
    keep_days: float = Field(90, ge=0, description="Records older than that are deleted; 0: never.")
    keep_records: int = Field(100_000, ge=0, description="Only so many newest records are kept; 0: all.")
    keep_mib: float = Field(10_240, ge=0, description="Most room for kept images, the oldest go first; 0: any.")

    token_hashes: tuple[Annotated[str, AfterValidator(_token_hash)], ...] = Field(
        (), description="Hashes of the bearer tokens that may use the service; see --new-token."
    )
    without_token: bool = Field(False, description="Allow everybody who reaches a host beyond loopback.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names that the service answers to; by default those of loopback when it listens there."
    )
    cors: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (), description="Origins whose pages may use the API from a browser."
    )
    trusted_proxies: tuple[str, ...] = Field((), description="Addresses whose X-Forwarded-For is believed.")
    rate: float = Field(30, ge=0, description="Requests a second that one client may make on average; 0: any.")
    burst: int = Field(120, ge=1, description="Requests that one client may make at once.")

    workers: int | None = Field(None, ge=1, description="Threads at work on images; by default one a CPU.")
    batch: int = Field(1, ge=1, le=64, description="Images that one run of the network takes at most.")
    queue: int = Field(128, ge=1, description="Images waiting or in work; beyond that requests are turned away.")
    explanations: int = Field(8, ge=1, description="Explanations waiting or in work; each takes seconds.")
    deadline: float = Field(30, gt=0, description="Seconds from a request's first byte to its answer.")
    max_body_mib: float = Field(64, gt=0, le=4096, description="Largest request.")
    max_waiting_mib: float = Field(512, gt=0, description="Room for the bodies of all requests together.")
    max_images: int = Field(16, ge=1, le=256, description="Images in one request.")
    max_megapixels: float = Field(64, gt=0, le=1024, description="Largest image, decoded.")

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.keep_images and self.images_folder is None:
            raise ValueError("--keep-images needs a folder: --store DIR, or --images DIR beside a database by URL")
        if self.max_waiting_mib < self.max_body_mib:
            raise ValueError("--max-waiting-mib must be at least --max-body-mib")
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_body(self) -> int:
        """Largest request in bytes."""
        return round(self.max_body_mib * 2**20)

    @property
    def database_url(self) -> str | None:
        """The database as SQLAlchemy names it; ``None`` when nothing is kept."""
        if self.no_store:
            return None
        if self.store == MEMORY:
            return "sqlite://"
        for scheme in ("postgresql://", "postgres://"):
            if self.store.startswith(scheme):
                return "postgresql+psycopg://" + self.store.removeprefix(scheme)
        return f"sqlite:///{self.store_folder}/unmask.sqlite3"

    @property
    def store_kind(self) -> Literal["none", "memory", "sqlite", "postgresql"]:
        """What keeps the history."""
        url = self.database_url
        if url is None:
            return "none"
        if url.startswith("postgresql"):
            return "postgresql"
        return "memory" if self.store == MEMORY else "sqlite"

    @property
    def store_folder(self) -> Path | None:
        """The folder of the SQLite database, if there is one."""
        by_url = self.store.startswith(("postgresql://", "postgres://"))
        return None if self.no_store or by_url or self.store == MEMORY else Path(self.store).absolute()

    @property
    def images_folder(self) -> Path | None:
        """Where images are kept; ``None`` when they are not."""
        if not self.keep_images or self.no_store:
            return None
        if self.images is not None:
            return self.images.absolute()
        return self.store_folder / "images" if self.store_folder else None

    def shown(self) -> dict[str, object]:
        """All settings as plain values, a password in the database's URL hidden."""
        from sqlalchemy.engine import make_url

        content = self.model_dump(mode="json")
        if "://" in self.store:
            content["store"] = make_url(self.store).render_as_string(hide_password=True)
        return content
