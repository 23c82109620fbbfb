"""Settings that lead to the test's own servers."""

import hypothesis
import pytest

from alerting.decide.routing import Route
from alerting.delivery.email import EmailSettings, SmtpSettings
from alerting.delivery.webhook import WebhookSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.system.child_process import find_free_port

hypothesis.settings.register_profile("busy", deadline=None)  # laws are about results; the machine may be busy
hypothesis.settings.load_profile("busy")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def settings(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)

    def make_settings(*, mail=None, web=None, **overrides):
        return AlertingSettings(
            **{"allow_private": True, "route": [Route(receiver="od")], "calm_minutes": 0, **overrides},
            smtp=SmtpSettings(port=mail.controller.port if mail else find_free_port(), tls="none", timeout=2),
            receiver=[
                ReceiverSettings(
                    name="od",
                    email=[EmailSettings(to=["piket@od.example"])] if mail else [],
                    webhook=[WebhookSettings(url=web.url, secret_file=secret, timeout=2)] if web else [],
                )
            ],
        )

    return make_settings
