"""A Zaken API on loopback as VNG describes it: checks token and fields, stores zaken, takes an identificatie once."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt


class ZakenHandler(BaseHTTPRequestHandler):
    def answer(self, status, body=None):
        if self.server.api.lost_responses:  # done, but the client gets no answer
            self.server.api.lost_responses -= 1
            self.connection.close()
            return
        content = json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def reject_field(self, name, code):
        self.answer(400, {"title": "Invalid input.", "invalidParams": [{"name": name, "code": code}]})

    def is_authorized(self):
        self.server.api.requests.append((self.command, self.path))
        token = self.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, self.server.api.secret, algorithms=["HS256"], options={"verify_iat": False})
        return claims["client_id"] == claims["iss"] == "piekwacht" and claims["user_representation"]

    def do_GET(self):
        assert self.is_authorized()
        assert self.headers["accept-crs"] == "EPSG:4326"
        query = parse_qs(urlsplit(self.path).query)
        matches = [z for z in self.server.api.zaken.values() if z["identificatie"] == query["identificatie"][0]]
        self.answer(200, {"count": len(matches), "next": None, "previous": None, "results": matches})

    def do_POST(self):
        assert self.is_authorized()
        assert self.headers["content-crs"] == "EPSG:4326"
        zaak = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for name in ("bronorganisatie", "verantwoordelijkeOrganisatie", "zaaktype", "startdatum"):
            if name not in zaak:
                return self.reject_field(name, "required")
        for name, max_length in (("identificatie", 40), ("omschrijving", 80), ("toelichting", 1000)):
            if len(zaak[name]) > max_length:
                return self.reject_field(name, "max_length")
        if any(z["identificatie"] == zaak["identificatie"] for z in self.server.api.zaken.values()):
            return self.reject_field("identificatie", "identificatie-niet-uniek")
        url = f"{self.server.api.url}/zaken/{len(self.server.api.zaken)}"
        self.server.api.zaken[url] = {**zaak, "url": url}
        return self.answer(201, self.server.api.zaken[url])

    def do_PATCH(self):
        assert self.is_authorized()
        url = f"{self.server.api.url}/zaken/{self.path.rsplit('/', 1)[1]}"
        self.server.api.zaken[url] |= json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(200, self.server.api.zaken[url])

    def log_message(self, *_):
        pass


class ZakenApi:
    def __init__(self, secret):
        self.secret, self.zaken, self.requests, self.lost_responses = secret, {}, [], 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), ZakenHandler)
        self.server.api = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/zaken/api/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
