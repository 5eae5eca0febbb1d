"""What the official Python client of Supabase makes of failures: one call per case, with its own retries."""

import json
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor

import postgrest._sync.request_builder
from harness import emit, shown, without_certificates
from postgrest import APIError
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions

asked = json.load(sys.stdin)
without_certificates()
_now = threading.local()


def sleep(seconds):
    """Stands in for `time.sleep` inside the client."""
    _now.waits.append(seconds)
    time.sleep(seconds)


postgrest._sync.request_builder.time = types.SimpleNamespace(**{**vars(time), "sleep": sleep})


def call(client, ask):
    items = client.table("items")
    if ask == "get":
        data = items.select("*").execute().data
        return "text" if isinstance(data, str) else "rows" if data else "nothing"
    if ask == "head":
        if items.select("*", count="exact", head=True).execute().count is None:
            return "no count"
    elif ask == "post":
        client.table("things").insert({"slug": "retry", "name": "a"}).execute()
    elif ask in ("post one", "post four"):
        rows = [{"name": "read back"}] * (1 if ask == "post one" else 4)
        told = client.table("entries").insert(rows).execute().data
        if len(told) != len(rows):
            return f"told of {len(told)} rows"
        there = client.table("entries").select("id").eq("name", "read back").execute().data
        return f"{len(there)} of {len(rows)} rows"
    elif ask == "patch":
        client.table("things").update({"name": "b"}).eq("slug", "retry").execute()
    elif ask == "delete":
        client.table("things").delete().eq("slug", "retry").execute()
    elif ask == "sign_in":
        client.auth.sign_in_with_password({"email": "a@example.com", "password": "secret-password"})
    elif ask in ("refresh", "refresh twice"):
        client.auth.refresh_session("some-refresh-token")
    else:
        raise ValueError(ask)
    return "done"


def one(case):
    _now.waits = []
    options = SyncClientOptions(postgrest_client_timeout=case.get("timeout") or 60)
    client = create_client(case["base"], asked["key"], options)
    begun = time.monotonic()
    try:
        result, why = call(client, case["ask"]), ""
    except APIError as error:
        result, why = f"APIError {error.code}", shown(str(error))
    except Exception as error:
        result, why = type(error).__name__, shown(str(error))
        if result == "AuthApiError" and getattr(error, "code", None):
            result += f" {error.code}"
    emit({"case": case["case"], "outcome": result, "why": why, "waits": _now.waits, "elapsed": time.monotonic() - begun})


with ThreadPoolExecutor(len(asked["cases"])) as pool:
    list(pool.map(one, asked["cases"]))
