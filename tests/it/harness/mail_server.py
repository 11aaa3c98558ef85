"""A mail server for the tests: aiosmtpd with STARTTLS and passwords. What it takes it writes into a folder."""
import json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, port = sys.argv[1], int(sys.argv[2])
count = 0
refused = set()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later") and address not in refused:
            refused.add(address)
            return "451 4.3.0 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        with open(f"{folder}/mail-{count}.json.part", "w") as file:
            mail = envelope.content.decode("utf-8", "replace")
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None, "mail": mail}, file)
        import os
        os.rename(f"{folder}/mail-{count}.json.part", f"{folder}/mail-{count}.json")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"gate" and data.password == b"pas:s@word"
    return AuthResult(success=good, handled=good)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
controller = Controller(
    Handler(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
    authenticator=authenticate, auth_required=True, ready_timeout=30,
)
controller.start()
while True:
    time.sleep(3600)
