"""A receiver of signed webhooks as their specification's library verifies them: 204, or 401 for what is not genuine.

Its argument is the secret. It prints the port that it listens on, then a line for each request: the status, the id of the
message, and what it says or what is wrong with it.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            message = webhook.verify(body, dict(self.headers))
            status, text = 204, f'{message["type"]} {message["data"]["title"]}'
        except WebhookVerificationError as error:
            status, text = 401, str(error)
        self.send_response(status)
        self.end_headers()
        print(status, self.headers["webhook-id"], text, flush=True)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
