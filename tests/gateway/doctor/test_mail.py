"""Who runs the doctor learns of a wrong password before the first peak does."""

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.doctor import mail
from gateway.system.child_process import find_free_port
from tests.alerting.servers import MailServer


def found(**smtp):
    receiver = ReceiverSettings(name="piket", email=[EmailSettings(to=["piket@example.org"])])
    (finding,) = mail.check_mail(AlertingSettings(smtp=SmtpSettings(**smtp), receiver=[receiver]))
    return finding.level.value, str(finding)


@pytest.fixture
def guarded():
    """A mail server that wants a password."""

    def known(_server, _session, _envelope, _mechanism, given):
        return AuthResult(success=given.password == b"geheim", handled=False)

    controller = Controller(
        object(),
        hostname="127.0.0.1",
        port=find_free_port(),
        authenticator=known,
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    yield controller.port
    controller.stop()


def test_a_server_that_takes_our_mail_is_well_and_is_sent_nothing():
    with MailServer() as server:
        level, _ = found(port=server.controller.port, host="localhost", tls="none")
        assert level == "well"
        assert server.received == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # without TLS, on loopback
@pytest.mark.parametrize(("password", "level"), [("geheim\n", "well"), ("vergeten", "fault")])
def test_a_password_is_tried(guarded, tmp_path, password, level):
    file = tmp_path / "smtp.password"
    file.write_text(password)
    told, words = found(port=guarded, tls="none", username="piekwacht", password_file=file)
    assert told == level
    assert ("does not let us in (535" in words) is (level == "fault")


def test_a_server_without_the_tls_that_was_asked_for_is_a_fault():
    with MailServer() as server:
        level, words = found(port=server.controller.port, host="localhost", tls="starttls")
        assert level == "fault"
        assert "check [alerting.smtp] port and tls" in words


def test_a_server_that_is_away_is_a_warning():
    level, words = found(port=find_free_port(), tls="none")
    assert level == "warning"
    assert "does not answer" in words


def test_who_has_no_mail_needs_no_server():
    (finding,) = mail.check_mail(AlertingSettings())
    assert finding.level.value == "note"
