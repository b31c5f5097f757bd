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
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free port.")
    model: Path | None = Field(
        None,
        description="Bundle: a folder, a zip file or a name of unmask models list (default: the one in the package).",
    )
    thorough: bool = Field(
        False,
        description="Judge images again with the accurate detector if their verdict is UNCERTAIN or they are unlike "
        "the training images.",
    )
    threshold: str | None = Field(
        None, description="Threshold for FAKE: a probability, or a name in the bundle, such as fpr_1."
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu", description="Device for the networks: cuda needs onnxruntime-gpu, auto uses it where it works."
    )

    store: str = Field(
        MEMORY,
        description="Storage of the history: a folder (SQLite database), a postgresql:// URL, or 'memory', "
        "which is lost when the service stops.",
    )
    no_store: bool = Field(False, description="Store no history.")
    keep_images: bool = Field(False, description="Store the uploaded images and clips, too.")
    images: Path | None = Field(
        None, description="Folder for stored images and clips (default: images/ in the folder of --store)."
    )
    keep_days: float = Field(90, ge=0, description="Delete records older than N days; 0 keeps them forever.")
    keep_records: int = Field(100_000, ge=0, description="Keep at most N records, the newest; 0 keeps all.")
    keep_mib: float = Field(
        10_240,
        ge=0,
        description="Disk space for stored images in MiB, and as much again for clips; the oldest are deleted first. "
        "0 sets no limit.",
    )

    token_hashes: tuple[Annotated[str, AfterValidator(_token_hash)], ...] = Field(
        (), description="Hashes of the bearer tokens that give access; see --new-token."
    )
    without_token: bool = Field(False, description="Allow access without a token on a host other than loopback.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names accepted in requests (default: the loopback names if it listens there)."
    )
    cors: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (), description="Origins whose pages may call the API from a browser."
    )
    trusted_proxies: tuple[str, ...] = Field((), description="Proxy addresses whose X-Forwarded-For header is trusted.")
    rate: float = Field(30, ge=0, description="Average requests per second allowed per client; 0 sets no limit.")
    burst: int = Field(120, ge=1, description="Requests that one client may make in a burst.")

    workers: int | None = Field(None, ge=1, description="Worker threads (default: number of CPUs).")
    batch: int = Field(1, ge=1, le=64, description="Largest batch of images per run of the network.")
    queue: int = Field(128, ge=1, description="Images waiting or in progress; further requests are rejected.")
    explanations: int = Field(8, ge=1, description="Explanations waiting or in progress; each takes seconds.")
    deadline: float = Field(
        30, gt=0, description="Time limit for a request, from its first byte to the response, in seconds."
    )
    max_body_mib: float = Field(64, gt=0, le=4096, description="Largest request body in MiB.")
    max_waiting_mib: float = Field(512, gt=0, description="Memory for all request bodies together in MiB.")
    max_images: int = Field(16, ge=1, le=256, description="Images per request.")
    max_megapixels: float = Field(200, gt=0, le=1024, description="Largest image in megapixels.")
    max_decode_mib: float = Field(
        256, gt=0, description="Memory for decoding one image in MiB; larger images are read at reduced size."
    )
    decode_seconds: float = Field(10, gt=0, description="CPU time for decoding one image, in seconds.")
    max_connections: int = Field(512, ge=1, description="Open connections; further ones are refused.")
    header_seconds: float = Field(15, gt=0, description="Time limit for the headers of a request, in seconds.")

    no_clips: bool = Field(False, description="Accept no clips.")
    max_clip_mib: float = Field(256, gt=0, le=4096, description="Largest clip in MiB.")
    max_clip_minutes: float = Field(30, gt=0, description="Longest clip in minutes.")
    max_clip_frames: int = Field(128, ge=1, le=1024, description="Frames of one clip that a request may ask for.")
    clip_queue: int = Field(8, ge=1, description="Clips being sent, waiting or in progress; further ones are rejected.")
    clip_workers: int = Field(1, ge=1, description="Clips judged at once; images go first.")
    clip_seconds: float = Field(300, gt=0, description="Time limit for judging one clip, in seconds.")
    clip_upload_seconds: float = Field(300, gt=0, description="Time limit for sending one clip, in seconds.")
    clip_folder: Path | None = Field(
        None,
        description="Folder for clips that wait (default: that of the stored ones, or else the system's folder for "
        "temporary files).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.keep_images and self.images_folder is None:
            raise ValueError("--keep-images needs a folder: --store DIR, or --images DIR with a database by URL")
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
    def max_clip(self) -> int:
        """Largest clip in bytes."""
        return round(self.max_clip_mib * 2**20)

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

    @property
    def clips_folder(self) -> Path | None:
        """Where clips are kept: with the images; ``None`` when they are not."""
        return self.images_folder / "clips" if self.images_folder is not None else None

    def shown(self) -> dict[str, object]:
        """All settings as plain values, a password in the database's URL hidden."""
        from sqlalchemy.engine import make_url

        content = self.model_dump(mode="json")
        if "://" in self.store:
            content["store"] = make_url(self.store).render_as_string(hide_password=True)
        return content
