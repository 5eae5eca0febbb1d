"""What the official Python client makes of failures: one call per case, with the client's own retries.

The test that starts this counts the tries by what its mock saw. Where `shorten` is set, the client's wait before a
retry is noted and skipped, because it would last a minute or two.
"""

import json
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor

import openai
from harness import emit, shown
from openai import OpenAI
from pydantic import BaseModel


class Plan(BaseModel):
    title: str
    steps: list[str]


HELLO = [{"role": "user", "content": "hello world"}]
_now = threading.local()


def sleep(seconds):
    """Stands in for `time.sleep` inside the client."""
    _now.waits.append(round(seconds, 3))
    if not _now.shorten:
        time.sleep(seconds)


# The client's module sees a `time` of its own, so that nothing else in this process waits differently.
openai._base_client.time = types.SimpleNamespace(**{**vars(time), "sleep": sleep})


def call(client, ask):
    """Makes the call, and says what came of it."""
    if ask == "chat":
        done = client.chat.completions.create(model="gpt-4o", messages=HELLO)
        if isinstance(done, str):
            return "text"
        if done.choices is None:
            return "empty object"
        if not done.choices:
            return "no choices"
        if done.usage is None:
            return "answer without usage"
        reason = done.choices[0].finish_reason
        said = "answer" if done.choices[0].message.content else f"answer {done!r}"
        return said if reason == "stop" else f"{said}, {reason}"
    if ask == "chat.parse":
        chat = client.chat.completions if hasattr(client.chat.completions, "parse") else client.beta.chat.completions
        return type(chat.parse(model="gpt-4o", messages=HELLO, response_format=Plan).choices[0].message.parsed).__name__
    if ask == "chat.stream":
        stream = client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        chunks = [chunk for chunk in stream]
        return "stream" if chunks else "empty stream"
    if ask == "responses.stream":
        events = [event.type for event in client.responses.create(model="gpt-4o", input="hello", stream=True)]
        return f"stream to {events[-1]}" if events else "empty stream"
    raise ValueError(ask)


def one(case):
    _now.waits, _now.shorten = [], case.get("shorten", False)
    options = {"timeout": case["timeout"]} if case.get("timeout") else {}
    client = CLIENT.with_options(base_url=case["base"], **options)
    begun = time.monotonic()
    try:
        result, why = call(client, case["ask"]), ""
    except Exception as error:
        result, why = type(error).__name__, shown(str(error))
    emit({"case": case["case"], "outcome": result, "why": why, "waits": _now.waits, "elapsed": time.monotonic() - begun})


# Its connections are kept per address, so that cases do not share any.
CLIENT = OpenAI(base_url="http://127.0.0.1", api_key="sk-test-0123456789abcdef")
cases = json.load(sys.stdin)["cases"]
with ThreadPoolExecutor(len(cases)) as pool:
    list(pool.map(one, cases))
