"""A mail server (aiosmtpd) for tests/process/mail.rs: takes what comes, or answers as it was told to.

Its one argument is JSON: {"tls": "starttls" | "implicit" | "none", "certificate": ..., "key": ..., "user": ...,
"password": ..., "script": [...]}. Each connection takes one step of the script, {} when it is empty: what is answered to
"EHLO", "AUTH", "DATA" or, by recipient, "RCPT", in place of success; "stall" answers nothing, "close" closes.

Writes a line of JSON for the port that it listens on, and one for each mail that it took.
"""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys
import warnings
from html.parser import HTMLParser

from aiosmtpd.smtp import SMTP, AuthResult

# What it has against clients that give up, and against AUTH without STARTTLS, is what the tests are about.
logging.disable()
warnings.simplefilter("ignore")

options = json.loads(sys.argv[1])


def say(what):
    print(json.dumps(what), flush=True)


class Outline(HTMLParser):
    """What a browser would make of the HTML: its elements, where they lead, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.links, self.text = set(), set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


class Handler:
    def __init__(self):
        self.step = options["script"].pop(0) if options["script"] else {}

    async def answer(self, server, what, success):
        answer = what or success
        if answer == "stall":
            await asyncio.sleep(3600)
        if answer == "close":
            server.transport.abort()
        return answer

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if self.step.get("EHLO"):
            return [await self.answer(server, self.step["EHLO"], None)]
        return responses

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        answer = await self.answer(server, self.step.get("RCPT", {}).get(address), "250 2.1.5 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        answer = await self.answer(server, self.step.get("DATA"), "250 2.0.0 OK: kept")
        say(describe(server, session, envelope, answer))
        return answer


def describe(server, session, envelope, answer):
    raw = envelope.original_content
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    text, html = (mail.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    outline = Outline()
    outline.feed(html)
    return {
        "answer": answer,
        "hello": session.host_name,
        "tls": session.ssl is not None or options["tls"] == "implicit",
        "user": session.auth_data,
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "is_ascii": raw.isascii(),
        "longest_line": max(len(line) for line in raw.split(b"\r\n")),
        "is_crlf": raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n"),
        "headers": [[name, str(value)] for name, value in mail.items()],
        "type": mail.get_content_type(),
        "parts": [part.get_content_type() for part in parts],
        "text": text,
        "html": html,
        "tags": sorted(outline.tags),
        "attributes": sorted(outline.attributes),
        "links": outline.links,
        "html_text": outline.text,
    }


def make_server(context):
    handler = Handler()

    def authenticate(server, session, envelope, mechanism, data):
        answer = handler.step.get("AUTH")
        if answer:
            return AuthResult(success=False, handled=False, message=answer)
        user, password = data.login.decode(), data.password.decode()
        is_right = (user, password) == (options["user"], options["password"])
        return AuthResult(success=is_right, handled=False, auth_data=user)

    starttls = options["tls"] == "starttls"
    wants_login = options.get("user") is not None
    return SMTP(
        handler,
        tls_context=context if starttls else None,
        require_starttls=starttls,
        auth_required=wants_login,
        # aiosmtpd does not see that a connection is TLS from the start.
        auth_require_tls=starttls,
        authenticator=authenticate if wants_login else None,
        hostname="mail.test",
    )


async def main():
    context = None
    if options["tls"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["certificate"], options["key"])
    implicit = context if options["tls"] == "implicit" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: make_server(context), "127.0.0.1", 0, ssl=implicit)
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


asyncio.run(main())
