"""Runs cases and prints one JSON line for each: what the client made of what the mock sent."""

import functools
import json
import ssl
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

CASES = {}
_print = threading.Lock()


class Short(Exception):
    """The client got something else than the real service would have given it."""


class Absent(Exception):
    """This client does not have the call."""


def case(name):
    """Registers a function as the case of that name."""

    def register(function):
        assert name not in CASES, name
        CASES[name] = function
        return function

    return register


def check(condition, what):
    """Fails the case unless the condition holds."""
    if not condition:
        raise Short(what)


def equal(got, expected, what):
    """Fails the case unless both are the same."""
    if got != expected:
        raise Short(f"{what}: got {shown(got)}, not {shown(expected)}")


def shown(value):
    """A value as a text that fits into a line."""
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."


def raises(kind, call):
    """The exception of that class that the call raises."""
    try:
        result = call()
    except kind as error:
        return error
    except Exception as error:
        raise Short(f"raised {type(error).__name__} ({shown(str(error))}), not {kind.__name__}") from error
    raise Short(f"returned {shown(result)}, and should have raised {kind.__name__}")


def emit(line):
    """Prints one result."""
    with _print:
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()


def outcome(function, *arguments):
    """What became of one case."""
    try:
        details = function(*arguments)
        return {"state": "ok", "details": details}
    except Absent as error:
        return {"state": "absent", "why": str(error)}
    except Short as error:
        return {"state": "short", "why": str(error), "line": error.__traceback__.tb_next.tb_lineno}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in where if "clients" in frame.filename and "site-packages" not in frame.filename]
        return {"state": "short", "why": f"raised {type(error).__name__}: {shown(str(error))}", "line": (own or [0])[-1]}


def without_certificates():
    """Every client reads the machine's certificates anew, for tens of milliseconds; over plain HTTP none are needed."""
    ssl.create_default_context = functools.cache(ssl.create_default_context)


def run(context_of, threads=12):
    """Runs every case that is asked for on stdin, several at a time."""
    asked = json.load(sys.stdin)
    if asked["base"].startswith("http:"):
        without_certificates()
    names = [name for name in CASES if not asked.get("only") or name in asked["only"]]

    def one(name):
        begun = time.monotonic()
        result = outcome(CASES[name], context_of(asked, name))
        emit({"case": name, "elapsed": time.monotonic() - begun, **result})

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(one, name) for name in names]:
            future.result()
