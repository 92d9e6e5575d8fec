"""TLS towards the NOC: the certificate and the name are verified, whatever the clock says."""

from __future__ import annotations

import ssl

import pytest

from agent.site import schema
from agent.uplink.way import NO_CHECK_TIME, tls_context
from tests.uplink.fakes import FakeSecrets


@pytest.mark.parametrize("dated", [True, False])
def test_certificate_and_name_are_always_verified(dated: bool) -> None:
    context = tls_context(schema.Uplink(id="noc", urls=("mqtts://noc.example",)), FakeSecrets(), dated=dated)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert bool(context.verify_flags & NO_CHECK_TIME) is not dated
