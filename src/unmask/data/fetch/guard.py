"""Which URLs and addresses may be requested. Needs the ``fetch`` extra.

A name is looked up here, each of its addresses is checked, and the connection is made to one of exactly these
addresses. The name is not looked up a second time, so an answer that changes in between (DNS rebinding) has no
effect. Since this is where connections are opened, it covers every redirect and robots.txt too. The TLS handshake
and the Host header still carry the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from unmask.data.fetch.policy import FetchError
from unmask.text import quote

_MAX_URL = 8192
_MAX_ADDRESSES = 4  # of one name that are tried
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Python's is_global covers most special blocks, but not the same ones in each release.
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # protocol assignments, Teredo among them, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",  # documentation
    )
)
# Where clouds answer a machine's requests for its own credentials: never requested, even where private addresses are.
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        "169.254.0.0/16",  # link-local; nearly all clouds
        "fe80::/10",  # link-local
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure, though it looks public
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::254/128",  # Google
    )
)
# Prefixes of IPv6 addresses that carry an IPv4 address in their last 32 bits: mapped, translated, compatible, NAT64.
_CARRYING = tuple(
    ipaddress.ip_network(block) for block in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96")
)
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)
_NO_SUCH_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}


def parse_url(text: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """A URL that may be requested, without its fragment.

    Args:
        text: as written in a manifest, or a Location header.
        base: the URL that redirected here; then ``text`` may be relative, and must not lead from https to http.

    Raises:
        FetchError: ``refused``.
    """
    if len(text) > _MAX_URL:
        raise FetchError("refused", f"the URL is longer than {_MAX_URL} characters")
    try:
        url = (httpx2.URL(text.strip()) if base is None else base.join(text)).copy_with(fragment=None)
    except (httpx2.InvalidURL, ValueError):
        raise FetchError("refused", f"{quote(text)} is not a URL") from None
    if url.scheme not in ("http", "https"):
        raise FetchError("refused", f"{quote(text)} is neither http nor https")
    if url.port is not None and not 0 < url.port < 65536:
        raise FetchError("refused", f"{quote(text)} is not a URL")
    if not url.raw_host:
        raise FetchError("refused", f"{quote(text)} names no host")
    if url.userinfo:
        # They would also end up in the journal and the result manifest, and are not quoted for the same reason.
        raise FetchError("refused", "the URL holds a user name or password")
    if base is not None and base.scheme == "https" and url.scheme == "http":
        raise FetchError("refused", f"a redirect leads from https down to {quote(str(url))}")
    return url


def is_public(address: str) -> bool:
    """Whether an IP address is public.

    False for loopback, private, link-local, shared (RFC 6598), multicast, reserved, documentation and unspecified
    addresses, and for IPv6 forms that carry an IPv4 address, apart from NAT64 of a public one (RFC 6052), which is
    how networks without IPv4 reach the rest.

    Args:
        address: an IPv4 or IPv6 address, with or without a zone.

    Raises:
        ValueError: it is not an address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in _GLOBAL_UNICAST:  # which leaves out the IPv4-mapped ones, too
            return False
    if is_forbidden(str(ip)):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or any(ip in block for block in _SPECIAL))


def is_forbidden(address: str) -> bool:
    """Whether an IP address is link-local or a cloud's metadata service, also carried in an IPv6 address.

    Args:
        address: an IPv4 or IPv6 address, with or without a zone.

    Raises:
        ValueError: it is not an address.
    """
    return any(form in block for form in _forms(ipaddress.ip_address(address.partition("%")[0])) for block in _NEVER)


def _forms(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """An address, and the IPv4 addresses that it carries."""
    forms = [ip]
    if isinstance(ip, ipaddress.IPv4Address):
        return forms
    bits = int(ip)
    if any(ip in block for block in _CARRYING) or (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        forms.append(ipaddress.IPv4Address(bits & 0xFFFFFFFF))
    if ip in _LOCAL_NAT64:  # RFC 6052: after the prefix, which has 48 to 96 bits; bits 64 to 71 are passed over
        spread = (bits >> 64) << 56 | bits & (1 << 56) - 1
        forms += [ipaddress.IPv4Address(spread >> 120 - 32 - length & 0xFFFFFFFF) for length in (48, 56, 64)]
        forms.append(ipaddress.IPv4Address(bits & 0xFFFFFFFF))
    if ip.sixtofour is not None:
        forms.append(ip.sixtofour)
    if ip.teredo is not None:
        forms += ip.teredo
    return forms


async def lookup(host: str, port: int) -> list[str]:
    """The addresses of a host name, or of an address in any notation, in the system's order.

    Raises:
        FetchError: ``dead``, there is no such name; ``network_error``, the lookup failed; ``refused``, not a name.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            raise FetchError("dead", f"there is no host {quote(host)}") from None
        raise FetchError("network_error", f"the host {quote(host)} could not be looked up", retry=True) from None
    except UnicodeError:
        raise FetchError("refused", f"{quote(host)} is not a host name") from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections only to addresses that were checked."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._network: httpcore2.AsyncNetworkBackend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Look up, check and connect within ``timeout`` seconds.

        Raises:
            FetchError: ``refused``, when any of the host's addresses is not public: a name that mixes public and
                private addresses is suspicious; when any is link-local or a metadata service, private addresses
                allowed or not; or from :func:`lookup`.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: no address answered.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (60.0 if timeout is None else timeout)
        try:
            async with asyncio.timeout_at(end):
                addresses = await lookup(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the host name was not looked up in time") from None
        for address in addresses:
            if not self._allowed(address):
                why = "is link-local, multicast or a metadata service" if self._allow_private else "is not public"
                raise FetchError("refused", f"the host {quote(host)} has the address {address}, which {why}")
        failure: Exception = httpcore2.ConnectError("the host has no address")
        tried = addresses[:_MAX_ADDRESSES]
        for at, address in enumerate(tried):
            share = max(end - loop.time(), 0.0) / (len(tried) - at)
            try:
                return await self._network.connect_tcp(
                    address, port, timeout=share, local_address=local_address, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def _allowed(self, address: str) -> bool:
        if self._allow_private:
            return not (is_forbidden(address) or ipaddress.ip_address(address.partition("%")[0]).is_multicast)
        return is_public(address)
