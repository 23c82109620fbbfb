"""The doctor reports a wrong password of the mail server before the first alert needs it."""

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from alerting.delivery.settings import EmailSettings, SmtpSettings
from alerting.settings import AlertingSettings, ReceiverSettings
from gateway.doctor import mail
from gateway.system.child_process import find_free_port
from tests.alerting.servers import MailServer


def check(**smtp):
    receiver = ReceiverSettings(name="piket", email=[EmailSettings(to=["piket@example.org"])])
    (finding,) = mail.check_mail(AlertingSettings(smtp=SmtpSettings(**smtp), receiver=[receiver]))
    return finding.level.value, str(finding)


@pytest.fixture
def server_with_password():
    """Run a mail server that requires a password."""

    def authenticate(_server, _session, _envelope, _mechanism, login):
        return AuthResult(success=login.password == b"geheim", handled=False)

    controller = Controller(
        object(),
        hostname="127.0.0.1",
        port=find_free_port(),
        authenticator=authenticate,
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    yield controller.port
    controller.stop()


def test_a_working_server_is_ok_and_receives_no_mail():
    with MailServer() as server:
        level, _ = check(port=server.controller.port, host="localhost", tls="none")
        assert level == "ok"
        assert server.received == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # without TLS, on loopback
@pytest.mark.parametrize(("password", "level"), [("geheim\n", "ok"), ("vergeten", "fault")])
def test_the_login_is_checked(server_with_password, tmp_path, password, level):
    file = tmp_path / "smtp.password"
    file.write_text(password)
    found_level, message = check(port=server_with_password, tls="none", username="piekwacht", password_file=file)
    assert found_level == level
    assert ("rejects our login (535" in message) is (level == "fault")


def test_a_server_without_the_configured_tls_is_a_fault():
    with MailServer() as server:
        level, message = check(port=server.controller.port, host="localhost", tls="starttls")
        assert level == "fault"
        assert "check [alerting.smtp] port and tls" in message


def test_an_unreachable_server_is_a_warning():
    level, message = check(port=find_free_port(), tls="none")
    assert level == "warning"
    assert "does not answer" in message


def test_without_mail_receivers_no_server_is_needed():
    (finding,) = mail.check_mail(AlertingSettings())
    assert finding.level.value == "note"
