"""E-mail by SMTP, as the variables LIGHTLOOP_SMTP_... say."""

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Final

from lightloop.errors import LightloopError, UsageError
from lightloop.monitoring.alerts.channel import Done
from lightloop.monitoring.alerts.message import Message

SECURITY: Final = ("starttls", "tls", "none")


class Mail:
    """Sends a mail.

    Args:
        environ: with LIGHTLOOP_SMTP_HOST, LIGHTLOOP_ALERT_EMAIL (addresses with commas between them) and, where they
            are needed, LIGHTLOOP_SMTP_PORT (587), _SECURITY (starttls, tls or none), _USER, _PASSWORD and _FROM.
        seconds: that each step may take.

    Raises:
        UsageError: a variable holds what it can't.
    """

    remembers = False

    def __init__(self, environ: Mapping[str, str], seconds: float) -> None:
        self._host = environ["LIGHTLOOP_SMTP_HOST"]
        self._security = environ.get("LIGHTLOOP_SMTP_SECURITY", "starttls")
        port = environ.get("LIGHTLOOP_SMTP_PORT", "465" if self._security == "tls" else "587")
        if self._security not in SECURITY:
            raise UsageError(f"LIGHTLOOP_SMTP_SECURITY is {self._security!r}: it must be {', '.join(SECURITY)}")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise UsageError(f"LIGHTLOOP_SMTP_PORT is {port!r}: expected a number from 1 to 65535")
        self._port = int(port)
        self._to = [one.strip() for one in environ["LIGHTLOOP_ALERT_EMAIL"].split(",") if one.strip()]
        self._user = environ.get("LIGHTLOOP_SMTP_USER")
        self._password = environ.get("LIGHTLOOP_SMTP_PASSWORD", "")
        self._from = environ.get("LIGHTLOOP_SMTP_FROM") or self._user or self._to[0]
        if self._user and self._security == "none" and self._host not in ("localhost", "127.0.0.1", "::1"):
            raise UsageError(
                "LIGHTLOOP_SMTP_SECURITY is none, so that the password would travel in the clear: say starttls or tls"
            )
        self._seconds = seconds

    def tell(self, message: Message) -> Done | None:
        mail = EmailMessage()
        mail["Subject"] = message.title
        mail["To"] = ", ".join(self._to)
        mail["From"] = self._from
        mail.set_content(message.plain())
        try:
            with self._connect() as server:
                if self._user:
                    server.login(self._user, self._password)
                refused = server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise LightloopError(f"the mail server {self._host}:{self._port} {_why(error)}") from None
        if refused:
            raise LightloopError(f"the mail server {self._host}:{self._port} takes no mail for {', '.join(refused)}")
        return "well" if message.well else "sent"

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._security == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._seconds, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=self._seconds)
        if self._security == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def _why(error: Exception) -> str:
    """What went wrong, without what the server says, which may repeat a secret."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return "does not take the user and password: correct LIGHTLOOP_SMTP_USER and LIGHTLOOP_SMTP_PASSWORD"
        case smtplib.SMTPRecipientsRefused():
            return f"takes no mail for {', '.join(error.recipients)}: correct LIGHTLOOP_ALERT_EMAIL"
        case smtplib.SMTPNotSupportedError():
            return "does not offer what is asked of it (STARTTLS or login): set LIGHTLOOP_SMTP_SECURITY"
        case ssl.SSLCertVerificationError():
            return "shows a certificate that can't be trusted"
        case _:
            return f"gives no answer, or not the right one ({type(error).__name__})"
