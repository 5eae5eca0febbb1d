"""Every call of OpenAI's API that apps make, through the official Python client; for `openai` 1.x and later."""

import asyncio
import base64
import enum
import json
import math
import re
import struct

import openai
from harness import Absent, case, check, equal, raises, run
from openai import OpenAI
from pydantic import BaseModel, Field

MAJOR = int(openai.__version__.split(".")[0])
HELLO = [{"role": "user", "content": "hello world"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather somewhere",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
    },
}


CLIENT = OpenAI(base_url="http://127.0.0.1", api_key="sk-test-0123456789abcdef", max_retries=0, timeout=30)


class Context:
    """One client for all cases, as an app has it."""

    def __init__(self, asked, name):
        self.base = asked["base"]
        self.extra = asked
        self.client = CLIENT.with_options(base_url=self.base)


def chat(context, **more):
    return context.client.chat.completions.create(**{"model": "gpt-4o", "messages": HELLO, **more})


def response(context, **more):
    return context.client.responses.create(**{"model": "gpt-4o", "input": "hello world", **more})


# --- Models -----------------------------------------------------------------------------------------------------------


@case("models.list")
def _(context):
    page = context.client.models.list()
    models = {model.id: model for model in page}
    check({"gpt-4o", "gpt-4o-mini", "text-embedding-3-small"} <= set(models), "the usual models are not listed")
    one = models["gpt-4o"]
    equal((page.object, one.object, type(one.created)), ("list", "model", int), "object, created")
    check(one.owned_by, "owned_by is empty")


@case("models.retrieve")
def _(context):
    one = context.client.models.retrieve("gpt-4o-mini")
    equal((one.id, one.object), ("gpt-4o-mini", "model"), "id, object")
    error = raises(openai.NotFoundError, lambda: context.client.models.retrieve("gpt-99"))
    equal((error.code, error.type), ("model_not_found", "invalid_request_error"), "code, type of an unknown one")


# --- Chat completions -------------------------------------------------------------------------------------------------


@case("chat.plain")
def _(context):
    done = chat(context)
    equal(done.object, "chat.completion", "object")
    check(done.id.startswith("chatcmpl-") and re.fullmatch(r"gpt-4o-\d{4}-\d\d-\d\d", done.model), "id or model")
    (choice,) = done.choices
    equal((choice.index, choice.finish_reason, choice.message.role), (0, "stop", "assistant"), "choice")
    check(choice.message.content and choice.message.refusal is None and not choice.message.tool_calls, "message")
    check(choice.logprobs is None, "logprobs that nobody asked for")
    usage = done.usage
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, "total_tokens")
    equal(usage.prompt_tokens_details.cached_tokens, 0, "cached_tokens")
    equal(usage.completion_tokens_details.reasoning_tokens, 0, "reasoning_tokens")
    check(done._request_id, "no request id")


@case("chat.headers")
def _(context):
    raw = context.client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    headers = raw.headers
    equal(headers["openai-version"], "2020-10-01", "openai-version")
    check(headers["openai-processing-ms"].isdigit(), "openai-processing-ms")
    check(headers["x-request-id"], "x-request-id")
    for kind in ("requests", "tokens"):
        limit, left = (int(headers[f"x-ratelimit-{what}-{kind}"]) for what in ("limit", "remaining"))
        check(0 <= left < limit, f"{left} of {limit} {kind} left")
        reset = headers[f"x-ratelimit-reset-{kind}"]
        check(re.fullmatch(r"(\d+h)?(\d+m)?(\d+(\.\d+)?s)?|\d+ms", reset) and reset, f"reset of {kind}: {reset}")
    check(raw.parse().choices[0].message.content, "content")


@case("chat.usage")
def _(context):
    # 3 a message, 1 for the role, 2 for the words, 3 for the reply's beginning: what OpenAI's tokenizer says.
    equal(chat(context).usage.prompt_tokens, 9, "prompt_tokens of `hello world`")
    done = chat(context, messages=[{"role": "user", "content": "count"}])
    check(0 < done.usage.completion_tokens <= len(done.choices[0].message.content), "completion_tokens")


@case("chat.roles_and_parts")
def _(context):
    done = chat(
        context,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "name": "ada", "content": [{"type": "text", "text": "hello"}, {"type": "text", "text": "you"}]},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "Go on."},
        ],
    )
    check(done.choices[0].message.content, "content")
    check(done.usage.prompt_tokens > 25, f"prompt_tokens {done.usage.prompt_tokens}")


def chunks_of(context, **more):
    stream = chat(context, stream=True, **more)
    with stream:
        return list(stream)


@case("chat.stream")
def _(context):
    chunks = chunks_of(context)
    equal(len({(c.id, c.created, c.model, c.system_fingerprint) for c in chunks}), 1, "one id, created, model")
    check(all(c.object == "chat.completion.chunk" and len(c.choices) == 1 and c.usage is None for c in chunks), "chunks")
    first, last = chunks[0].choices[0], chunks[-1].choices[0]
    equal((first.delta.role, first.delta.content, first.delta.refusal), ("assistant", "", None), "first delta")
    check(first.finish_reason is None and last.finish_reason == "stop", "finish_reason")
    equal((last.delta.content, last.delta.role), (None, None), "last delta")
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    equal(text, chat(context).choices[0].message.content, "the stream's text and the whole answer's")
    check(len(chunks) > 4, f"only {len(chunks)} chunks")


@case("chat.stream.usage")
def _(context):
    chunks = chunks_of(context, stream_options={"include_usage": True})
    equal(chunks[-1].choices, [], "choices of the last chunk")
    check(all(c.usage is None for c in chunks[:-1]), "usage before the last chunk")
    check(all('"usage":null' in c.model_dump_json() for c in chunks[:-1]), "usage is not null in earlier chunks")
    check(all("usage" in c.model_fields_set for c in chunks), "earlier chunks carry no `usage` key")
    plain = chat(context).usage
    equal(chunks[-1].usage.model_dump(), plain.model_dump(), "usage of the stream and of the whole answer")


@case("chat.stream.obfuscation")
def _(context):
    padded = chunks_of(context)
    check(any(getattr(c, "obfuscation", None) for c in padded), "no `obfuscation` by default")
    bare = chunks_of(context, stream_options={"include_obfuscation": False})
    check(not any(getattr(c, "obfuscation", None) for c in bare), "`obfuscation` though refused")


@case("chat.n")
def _(context):
    done = chat(context, n=3)
    equal([c.index for c in done.choices], [0, 1, 2], "indices")
    one = chat(context)
    check(done.usage.prompt_tokens == one.usage.prompt_tokens, "the prompt is counted once")
    check(done.usage.completion_tokens > one.usage.completion_tokens, "every choice is counted")
    chunks = chunks_of(context, n=2)
    texts = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    check(sorted(texts) == [0, 1] and all(texts.values()), "choices of the stream")


@case("chat.stop")
def _(context):
    full = chat(context).choices[0].message.content
    word = full.split()[2]
    for stop in (word, [word, "never said"]):
        choice = chat(context, stop=stop).choices[0]
        equal(choice.finish_reason, "stop", "finish_reason")
        equal(choice.message.content, full[: full.index(word)], f"the text before {word!r}")
    text = "".join(c.choices[0].delta.content or "" for c in chunks_of(context, stop=word))
    equal(text, full[: full.index(word)], "the streamed text")


@case("chat.max_tokens")
def _(context):
    for name in ("max_tokens", "max_completion_tokens"):
        done = chat(context, **{name: 5})
        equal((done.choices[0].finish_reason, done.usage.completion_tokens), ("length", 5), name)
    last = [c for c in chunks_of(context, max_tokens=5) if c.choices][-1]
    equal(last.choices[0].finish_reason, "length", "of the stream")


@case("chat.sampling")
def _(context):
    done = chat(
        context, temperature=0.2, top_p=0.9, seed=7, presence_penalty=0.1, frequency_penalty=0.1, user="ada",
        metadata={"a": "b"}, store=True, service_tier="auto", logit_bias={"50256": -100},
    )  # fmt: skip
    check(done.choices[0].message.content and done.system_fingerprint, "content, system_fingerprint")
    check(done.service_tier in (None, "default"), f"service_tier {done.service_tier}")
    error = raises(openai.BadRequestError, lambda: chat(context, temperature=9))
    equal(error.param, "temperature", "param of an impossible temperature")


@case("chat.logprobs")
def _(context):
    choice = chat(context, logprobs=True, top_logprobs=2).choices[0]
    check(choice.logprobs is not None, "logprobs is null though asked for")
    tokens = choice.logprobs.content
    equal(b"".join(bytes(t.bytes) for t in tokens).decode(), choice.message.content, "the tokens' bytes")
    check(all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in tokens), "logprob, top_logprobs")
    check(all(t.top_logprobs[0].logprob >= t.top_logprobs[1].logprob for t in tokens), "order of top_logprobs")
    chunks = chunks_of(context, logprobs=True)
    joined = "".join(t.token for c in chunks for t in (c.choices[0].logprobs.content or [] if c.choices[0].logprobs else []))
    equal(joined, choice.message.content, "tokens of the stream")


@case("chat.reasoning")
def _(context):
    done = chat(context, model="o3-mini", reasoning_effort="low", max_completion_tokens=4000)
    check(done.choices[0].message.content, "content")
    details = done.usage.completion_tokens_details
    check(0 < details.reasoning_tokens < done.usage.completion_tokens, f"reasoning_tokens {details.reasoning_tokens}")
    error = raises(openai.BadRequestError, lambda: chat(context, model="o3-mini", max_tokens=100))
    equal((error.code, error.param), ("unsupported_parameter", "max_tokens"), "code, param for max_tokens")


# --- Tools ------------------------------------------------------------------------------------------------------------


def weather_of(call):
    equal((call.type, call.function.name), ("function", "get_weather"), "type, name")
    check(call.id.startswith("call_"), f"id {call.id}")
    arguments = json.loads(call.function.arguments)
    equal(sorted(arguments), ["city", "unit"], "the arguments' names")
    check(isinstance(arguments["city"], str) and arguments["unit"] in ("c", "f"), f"arguments {arguments}")


@case("chat.tools.required")
def _(context):
    choice = chat(context, tools=[WEATHER], tool_choice="required").choices[0]
    equal((choice.finish_reason, choice.message.content), ("tool_calls", None), "finish_reason, content")
    check(choice.message.tool_calls, "no tool call")
    for call in choice.message.tool_calls:
        weather_of(call)


@case("chat.tools.function")
def _(context):
    named = {"type": "function", "function": {"name": "get_weather"}}
    message = chat(context, tools=[TIME, WEATHER], tool_choice=named).choices[0].message
    (call,) = message.tool_calls or [None]
    check(call is not None, "no tool call")
    weather_of(call)


@case("chat.tools.none")
def _(context):
    choice = chat(context, tools=[WEATHER], tool_choice="none").choices[0]
    equal((choice.finish_reason, choice.message.tool_calls), ("stop", None), "finish_reason, tool_calls")
    check(choice.message.content, "content")


@case("chat.tools.auto")
def _(context):
    choice = chat(context, tools=[WEATHER], messages=[{"role": "user", "content": "What is the weather in Oslo?"}]).choices[0]
    if choice.message.tool_calls:
        equal(choice.finish_reason, "tool_calls", "finish_reason")
        weather_of(choice.message.tool_calls[0])
    else:
        check(choice.finish_reason == "stop" and choice.message.content, "neither a call nor text")


@case("chat.tools.parallel")
def _(context):
    ask = [{"role": "user", "content": "Weather in Oslo and the time in Rome, please."}]
    one = chat(context, messages=ask, tools=[WEATHER, TIME], tool_choice="required", parallel_tool_calls=False)
    equal(len(one.choices[0].message.tool_calls or []), 1, "calls when parallel ones are refused")
    many = chat(context, messages=ask, tools=[WEATHER, TIME], tool_choice="required", parallel_tool_calls=True)
    calls = many.choices[0].message.tool_calls or []
    check(calls and len({call.id for call in calls}) == len(calls), "ids of parallel calls")


@case("chat.tools.stream")
def _(context):
    chunks = chunks_of(context, tools=[WEATHER], tool_choice="required")
    pieces = [call for c in chunks for call in (c.choices[0].delta.tool_calls or [])]
    check(pieces, "no tool call in the stream")
    first = pieces[0]
    equal((first.index, first.type, first.function.name, first.function.arguments), (0, "function", "get_weather", ""), "first piece")
    check(first.id.startswith("call_") and all(p.id is None for p in pieces[1:] if p.index == 0), "ids")
    arguments = json.loads("".join(p.function.arguments for p in pieces if p.index == 0))
    check(arguments["unit"] in ("c", "f"), f"arguments {arguments}")
    equal(chunks[-1].choices[0].finish_reason, "tool_calls", "finish_reason")


@case("chat.tools.result")
def _(context):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo","unit":"c"}'}}
    messages = [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "3 degrees"},
    ]
    choice = chat(context, messages=messages, tools=[WEATHER]).choices[0]
    check(choice.message.content or choice.message.tool_calls, "nothing follows a tool's result")
    orphan = messages[:1] + messages[2:]
    error = raises(openai.BadRequestError, lambda: chat(context, messages=orphan))
    check("tool" in str(error), f"what a tool message without its call gets: {error}")


# --- Structured output ------------------------------------------------------------------------------------------------


class Colour(str, enum.Enum):
    red = "red"
    blue = "blue"


class Step(BaseModel):
    title: str = Field(min_length=1)
    minutes: int
    colour: Colour


class Plan(BaseModel):
    name: str
    steps: list[Step]
    note: str | None
    score: float
    done: bool


class Tree(BaseModel):
    label: str
    children: list["Tree"]


@case("chat.json_object")
def _(context):
    ask = [{"role": "user", "content": "Answer in JSON."}]
    done = chat(context, messages=ask, response_format={"type": "json_object"})
    check(isinstance(json.loads(done.choices[0].message.content), dict), "not an object")
    text = "".join(
        c.choices[0].delta.content or "" for c in chunks_of(context, messages=ask, response_format={"type": "json_object"})
    )
    check(isinstance(json.loads(text), dict), "the stream is not an object")


@case("chat.json_object.without_the_word")
def _(context):
    error = raises(openai.BadRequestError, lambda: chat(context, response_format={"type": "json_object"}))
    check("json" in str(error).lower() and error.param == "messages", f"{error}")


@case("chat.json_schema")
def _(context):
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "count": {"type": "integer", "minimum": 3, "maximum": 9},
            "when": {"type": "string", "format": "date"},
            "parts": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}, "minItems": 2},
        },
        "required": ["kind", "count", "when", "parts"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": schema}}
    for text in (
        chat(context, response_format=form).choices[0].message.content,
        "".join(c.choices[0].delta.content or "" for c in chunks_of(context, response_format=form)),
    ):
        value = json.loads(text)
        equal(sorted(value), ["count", "kind", "parts", "when"], "keys")
        check(value["kind"] in ("a", "b") and type(value["count"]) is int and 3 <= value["count"] <= 9, f"{value}")
        check(re.fullmatch(r"\d{4}-\d\d-\d\d", value["when"]), f"date {value['when']}")
        check(len(value["parts"]) >= 2 and all(isinstance(p, (str, int, float)) for p in value["parts"]), f"{value}")


@case("chat.json_schema.refused")
def _(context):
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "loose", "strict": True, "schema": loose}}
    error = raises(openai.BadRequestError, lambda: chat(context, response_format=form))
    check("additionalProperties" in str(error), f"what a schema without additionalProperties gets: {error}")
    check(error.param == "response_format", f"param {error.param}")


def parser(context):
    completions = context.client.chat.completions
    return completions if hasattr(completions, "parse") else context.client.beta.chat.completions


@case("chat.parse")
def _(context):
    done = parser(context).parse(model="gpt-4o", messages=HELLO, response_format=Plan)
    check(isinstance(done.choices[0].message.parsed, Plan), "not a Plan")
    tree = parser(context).parse(model="gpt-4o", messages=HELLO, response_format=Tree)
    check(isinstance(tree.choices[0].message.parsed, Tree), "not a Tree (a schema that refers to itself)")


@case("chat.parse.stream")
def _(context):
    with parser(context).stream(model="gpt-4o", messages=HELLO, response_format=Plan) as stream:
        kinds = [event.type for event in stream]
        done = stream.get_final_completion()
    check(isinstance(done.choices[0].message.parsed, Plan), "not a Plan")
    check("content.delta" in kinds and "content.done" in kinds, f"events {sorted(set(kinds))}")


@case("chat.parse.tools")
def _(context):
    class GetWeather(BaseModel):
        city: str
        unit: Colour

    done = parser(context).parse(
        model="gpt-4o", messages=HELLO, tools=[openai.pydantic_function_tool(GetWeather)], tool_choice="required"
    )
    calls = done.choices[0].message.tool_calls or []
    check(calls and isinstance(calls[0].function.parsed_arguments, GetWeather), "arguments are not what was asked for")


@case("chat.refusal")
def _(context):
    ask = [{"role": "user", "content": context.extra.get("refused", "firedrill: refuse")}]
    message = chat(context, messages=ask).choices[0].message
    check(message.refusal and message.content is None, f"refusal {message.refusal!r}, content {message.content!r}")
    chunks = chunks_of(context, messages=ask)
    equal("".join(c.choices[0].delta.refusal or "" for c in chunks), message.refusal, "the streamed refusal")
    parsed = parser(context).parse(model="gpt-4o", messages=ask, response_format=Plan).choices[0].message
    check(parsed.refusal and parsed.parsed is None, "a refusal instead of a parsed answer")


@case("chat.async")
def _(context):
    async def both():
        async with openai.AsyncOpenAI(base_url=context.base, api_key="sk-test-0123456789abcdef", max_retries=0) as client:
            plain = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
            stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            return plain.choices[0].message.content, text

    plain, streamed = asyncio.run(both())
    check(plain and plain == streamed, "whole and streamed answers differ")


# --- Responses --------------------------------------------------------------------------------------------------------


def events_of(context, **more):
    return list(response(context, stream=True, **more))


@case("responses.plain")
def _(context):
    done = response(context, instructions="Be brief.", metadata={"a": "b"})
    equal((done.object, done.status, done.error, done.incomplete_details), ("response", "completed", None, None), "state")
    check(done.id.startswith("resp_") and done.created_at > 1e9, "id, created_at")
    equal((done.instructions, done.metadata, done.tools, done.tool_choice), ("Be brief.", {"a": "b"}, [], "auto"), "echo")
    equal((done.parallel_tool_calls, type(done.temperature), type(done.top_p)), (True, float, float), "parameters")
    (item,) = [item for item in done.output if item.type == "message"]
    equal((item.role, item.status, item.content[0].type, item.content[0].annotations), ("assistant", "completed", "output_text", []), "message")
    check(item.id.startswith("msg_") and done.output_text == item.content[0].text and done.output_text, "text")
    usage = done.usage
    equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, "total_tokens")
    equal((usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens), (0, 0), "details")


@case("responses.input_items_in")
def _(context):
    done = response(
        context,
        input=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi.", "annotations": []}], "id": "msg_1", "status": "completed"},
            {"role": "user", "content": "again"},
        ],
    )
    check(done.output_text, "text")


TEXT_ORDER = [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    "response.output_text.delta", "response.output_text.done", "response.content_part.done",
    "response.output_item.done", "response.completed",
]  # fmt: skip


def once(kinds):
    """The kinds with runs of the same one taken together."""
    return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]


@case("responses.stream")
def _(context):
    events = events_of(context)
    equal(once([event.type for event in events]), TEXT_ORDER, "order of events")
    equal([event.sequence_number for event in events], list(range(len(events))), "sequence numbers")
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    text = "".join(event.delta for event in deltas)
    done = events[-1].response
    equal((done.status, done.output_text), ("completed", text), "the final response")
    equal(text, response(context).output_text, "the stream's text and the whole answer's")
    check(len(deltas) > 2 and {(d.item_id, d.output_index, d.content_index) for d in deltas} == {(done.output[0].id, 0, 0)}, "deltas")
    check(events[0].response.status == "in_progress" and events[0].response.output == [] and events[0].response.usage is None, "the first response")
    check(done.usage and done.usage.output_tokens > 0, "usage")


@case("responses.stream.manager")
def _(context):
    with context.client.responses.stream(model="gpt-4o", input="hello") as stream:
        kinds = {event.type for event in stream}
        done = stream.get_final_response()
    check(done.output_text and "response.completed" in kinds, "final response")


TOOL = {"type": "function", **{key: WEATHER["function"][key] for key in ("name", "description", "parameters", "strict")}}


@case("responses.function_call")
def _(context):
    done = response(context, tools=[TOOL], tool_choice="required")
    calls = [item for item in done.output if item.type == "function_call"]
    check(calls, "no function call")
    call = calls[0]
    check(call.id.startswith("fc_") and call.call_id.startswith("call_"), f"ids {call.id} {call.call_id}")
    equal((call.name, call.status, done.status), ("get_weather", "completed", "completed"), "name, status")
    check(json.loads(call.arguments)["unit"] in ("c", "f"), f"arguments {call.arguments}")
    after = response(
        context,
        tools=[TOOL],
        input=[
            {"role": "user", "content": "Weather in Oslo?"},
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": "3 degrees"},
        ],
    )
    check(after.output, "nothing follows a function's output")


@case("responses.function_call.stream")
def _(context):
    events = events_of(context, tools=[TOOL], tool_choice={"type": "function", "name": "get_weather"})
    kinds = once([event.type for event in events])
    order = [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    equal(kinds, order, "order of events")
    added = next(event for event in events if event.type == "response.output_item.added")
    equal((added.item.type, added.item.name, added.item.arguments), ("function_call", "get_weather", ""), "the added item")
    done = next(event for event in events if event.type == "response.function_call_arguments.done")
    joined = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    equal(done.arguments, joined, "arguments")
    check(json.loads(joined)["unit"] in ("c", "f"), joined)


@case("responses.incomplete")
def _(context):
    done = response(context, max_output_tokens=16, input="Say something long.")
    equal((done.status, done.incomplete_details and done.incomplete_details.reason), ("incomplete", "max_output_tokens"), "status")
    equal(done.usage.output_tokens, 16, "output_tokens")
    last = events_of(context, max_output_tokens=16, input="Say something long.")[-1]
    equal((last.type, last.response.status), ("response.incomplete", "incomplete"), "end of the stream")


@case("responses.failed")
def _(context):
    failing = CLIENT.with_options(base_url=context.extra["failing"])
    events = list(failing.responses.create(model="gpt-4o", input="hello", stream=True))
    last = events[-1]
    equal((last.type, last.response.status), ("response.failed", "failed"), "end of the stream")
    check(last.response.error.code and last.response.error.message, "error")
    check(events[0].type == "response.created", f"begins with {events[0].type}")


@case("responses.retrieve")
def _(context):
    done = response(context)
    again = context.client.responses.retrieve(done.id)
    equal((again.id, again.output_text, again.status), (done.id, done.output_text, "completed"), "what was stored")
    error = raises(openai.NotFoundError, lambda: context.client.responses.retrieve("resp_nothing"))
    check("resp_nothing" in str(error), f"{error}")


@case("responses.input_items")
def _(context):
    done = response(context, input="what did I say?")
    (item,) = list(context.client.responses.input_items.list(done.id))
    equal((item.type, item.role, item.content[0].type, item.content[0].text), ("message", "user", "input_text", "what did I say?"), "item")


@case("responses.delete")
def _(context):
    done = response(context)
    context.client.responses.delete(done.id)
    raises(openai.NotFoundError, lambda: context.client.responses.retrieve(done.id))
    unstored = response(context, store=False)
    raises(openai.NotFoundError, lambda: context.client.responses.retrieve(unstored.id))


@case("responses.cancel")
def _(context):
    begun = response(context, background=True)
    check(begun.status in ("queued", "in_progress"), f"status of a background response: {begun.status}")
    ended = context.client.responses.cancel(begun.id)
    check(ended.id == begun.id and ended.status in ("cancelled", "completed"), f"status {ended.status}")
    error = raises(openai.BadRequestError, lambda: context.client.responses.cancel(response(context).id))
    check("synchronous response" in str(error), f"{error}")


@case("responses.previous")
def _(context):
    first = response(context)
    second = response(context, previous_response_id=first.id, input="and then?")
    equal(second.previous_response_id, first.id, "previous_response_id")
    check(second.usage.input_tokens > response(context, input="and then?").usage.input_tokens, "the past is not counted")
    error = raises(openai.BadRequestError, lambda: response(context, previous_response_id="resp_nothing"))
    equal(error.code, "previous_response_not_found", "code")


@case("responses.json_schema")
def _(context):
    done = context.client.responses.parse(model="gpt-4o", input="plan", text_format=Plan)
    check(isinstance(done.output_parsed, Plan), "not a Plan")
    with context.client.responses.stream(model="gpt-4o", input="plan", text_format=Plan) as stream:
        for _event in stream:
            pass
        check(isinstance(stream.get_final_response().output_parsed, Plan), "the stream is not a Plan")
    plain = response(context, input="in JSON", text={"format": {"type": "json_object"}})
    check(isinstance(json.loads(plain.output_text), dict), "json_object")


@case("responses.refusal")
def _(context):
    done = response(context, input=context.extra.get("refused", "firedrill: refuse"))
    part = done.output[0].content[0]
    check(part.type == "refusal" and part.refusal, f"content is {part.type}")
    kinds = [event.type for event in events_of(context, input=context.extra.get("refused", "firedrill: refuse"))]
    check("response.refusal.delta" in kinds and "response.refusal.done" in kinds, f"events {once(kinds)}")


@case("responses.reasoning")
def _(context):
    done = response(context, model="o3-mini", reasoning={"effort": "low"})
    equal([item.type for item in done.output], ["reasoning", "message"], "output")
    check(done.output[0].id.startswith("rs_") and done.usage.output_tokens_details.reasoning_tokens > 0, "reasoning")


# --- Embeddings, completions, moderations -----------------------------------------------------------------------------


def is_unit(vector):
    return math.isclose(math.sqrt(sum(x * x for x in vector)), 1.0, abs_tol=1e-3)


@case("embeddings.base64")
def _(context):
    make = context.client.embeddings.create
    done = make(model="text-embedding-3-small", input="hello world")
    equal((done.object, done.data[0].object, done.data[0].index), ("list", "embedding", 0), "objects")
    vector = done.data[0].embedding
    check(len(vector) == 1536 and is_unit(vector), f"{len(vector)} numbers of length 1")
    equal((done.usage.prompt_tokens, done.usage.total_tokens), (2, 2), "tokens of `hello world`")
    equal(make(model="text-embedding-3-small", input="hello world").data[0].embedding, vector, "the same text again")
    check(make(model="text-embedding-3-small", input="other").data[0].embedding != vector, "another text is another vector")
    raw = make(model="text-embedding-3-small", input="hello world", encoding_format="base64").data[0].embedding
    equal(len(base64.b64decode(raw)), 4 * 1536, "bytes")
    equal(list(struct.unpack("<1536f", base64.b64decode(raw))), vector, "little-endian floats")


@case("embeddings.float")
def _(context):
    done = context.client.embeddings.create(model="text-embedding-ada-002", input=["a", "b"], encoding_format="float")
    equal([d.index for d in done.data], [0, 1], "indices")
    check(all(len(d.embedding) == 1536 and is_unit(d.embedding) for d in done.data), "vectors")


@case("embeddings.dimensions")
def _(context):
    make = context.client.embeddings.create
    large = make(model="text-embedding-3-large", input="a").data[0].embedding
    equal(len(large), 3072, "numbers of 3-large")
    short = make(model="text-embedding-3-large", input="a", dimensions=256).data[0].embedding
    check(len(short) == 256 and is_unit(short), "256 numbers of length 1")
    head = math.sqrt(sum(x * x for x in large[:256]))
    check(all(math.isclose(x / head, y, abs_tol=1e-4) for x, y in zip(large, short)), "the beginning of the long one")
    raises(openai.BadRequestError, lambda: make(model="text-embedding-ada-002", input="a", dimensions=256))
    raises(openai.BadRequestError, lambda: make(model="text-embedding-3-small", input="a", dimensions=9999))


@case("embeddings.tokens")
def _(context):
    make = context.client.embeddings.create
    one = make(model="text-embedding-3-small", input=[15339, 1917])
    equal((len(one.data), one.usage.prompt_tokens), (1, 2), "one list of tokens")
    two = make(model="text-embedding-3-small", input=[[15339, 1917], [1917]])
    equal((len(two.data), two.usage.prompt_tokens), (2, 3), "two lists of tokens")
    equal(one.data[0].embedding, make(model="text-embedding-3-small", input="hello world").data[0].embedding, "tokens of a text")
    raises(openai.BadRequestError, lambda: make(model="text-embedding-3-small", input=""))


@case("completions.plain")
def _(context):
    done = context.client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon a time", max_tokens=16)
    equal((done.object, done.choices[0].index, type(done.choices[0].text)), ("text_completion", 0, str), "shape")
    check(done.id.startswith("cmpl-") and done.choices[0].finish_reason in ("stop", "length"), "id, finish_reason")
    check(done.usage.prompt_tokens == 4 and done.usage.completion_tokens <= 16, f"usage {done.usage}")


@case("completions.stream")
def _(context):
    stream = context.client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["a", "b"], max_tokens=16, stream=True)
    chunks = list(stream)
    texts = {}
    for chunk in chunks:
        equal(chunk.object, "text_completion", "object")
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
    check(sorted(texts) == [0, 1] and all(texts.values()), "texts")


@case("moderations")
def _(context):
    done = context.client.moderations.create(input="hello")
    check(done.id.startswith("modr-") and done.model, "id, model")
    (result,) = done.results
    check(result.flagged is False and result.category_scores.violence < 0.5, "flagged")
    check(result.categories.harassment is False, "categories")
    many = context.client.moderations.create(model="omni-moderation-latest", input=["a", "b"])
    equal(len(many.results), 2, "results")
    check(many.results[0].category_applied_input_types is not None, "category_applied_input_types")


# --- Errors -----------------------------------------------------------------------------------------------------------


def envelope(error, status, kind, code, param):
    equal((error.status_code, error.type, error.code, error.param), (status, kind, code, param), "status, type, code, param")
    equal(sorted(error.body), ["code", "message", "param", "type"], "keys of the envelope")
    check(error.request_id, "no request id")


@case("errors.unknown_model")
def _(context):
    error = raises(openai.NotFoundError, lambda: chat(context, model="gpt-99"))
    envelope(error, 404, "invalid_request_error", "model_not_found", None)
    check("The model `gpt-99` does not exist" in str(error), f"{error}")


@case("errors.unknown_url")
def _(context):
    error = raises(openai.NotFoundError, lambda: context.client.get("/nothing/here", cast_to=object))
    envelope(error, 404, "invalid_request_error", None, None)
    check("Invalid URL (GET /v1/nothing/here)" in str(error), f"{error}")


@case("errors.bad_key")
def _(context):
    client = context.client.with_options(api_key="not-a-key-at-all-1234")
    error = raises(openai.AuthenticationError, lambda: client.models.list())
    envelope(error, 401, "invalid_request_error", "invalid_api_key", None)
    check("Incorrect API key provided" in str(error) and "1234" in str(error) and "key-at-all" not in str(error), f"{error}")


@case("errors.missing_key")
def _(context):
    without = {"Authorization": openai.Omit()}
    error = raises(openai.AuthenticationError, lambda: context.client.models.list(extra_headers=without))
    envelope(error, 401, "invalid_request_error", None, None)
    check("You didn't provide an API key" in str(error), f"{error}")


@case("errors.malformed_body")
def _(context):
    client = context.client
    broken = client._client.post(
        f"{context.base}/chat/completions", content=b'{"model": ', headers={**client.auth_headers, "content-type": "application/json"}
    )
    error = client._make_status_error_from_response(broken)
    check(isinstance(error, openai.BadRequestError), f"{type(error).__name__}")
    envelope(error, 400, "invalid_request_error", None, None)
    check("could not parse the JSON body" in str(error), f"{error}")


@case("errors.missing_field")
def _(context):
    error = raises(openai.BadRequestError, lambda: context.client.post("/chat/completions", body={"model": "gpt-4o"}, cast_to=object))
    envelope(error, 400, "invalid_request_error", "missing_required_parameter", "messages")


@case("errors.wrong_type")
def _(context):
    error = raises(openai.BadRequestError, lambda: chat(context, messages="hello"))
    envelope(error, 400, "invalid_request_error", "invalid_type", "messages")


@case("errors.empty_messages")
def _(context):
    error = raises(openai.BadRequestError, lambda: chat(context, messages=[]))
    envelope(error, 400, "invalid_request_error", "empty_array", "messages")


@case("errors.context_length")
def _(context):
    error = raises(openai.BadRequestError, lambda: chat(context, model="gpt-4", messages=[{"role": "user", "content": "word " * 9000}]))
    envelope(error, 400, "invalid_request_error", "context_length_exceeded", "messages")
    check("maximum context length is 8192 tokens" in str(error), f"{error}")


@case("errors.wrong_model_for_call")
def _(context):
    error = raises(openai.NotFoundError, lambda: chat(context, model="gpt-3.5-turbo-instruct"))
    envelope(error, 404, "invalid_request_error", None, "model")
    raises(openai.PermissionDeniedError, lambda: chat(context, model="text-embedding-3-small"))
    raises(openai.APIStatusError, lambda: context.client.embeddings.create(model="gpt-4o", input="a"))


@case("errors.method")
def _(context):
    error = raises(openai.APIStatusError, lambda: context.client.get("/chat/completions", cast_to=object))
    check(error.status_code in (404, 405) and error.type == "invalid_request_error", f"{error}")


@case("limits.count_down")
def _(context):
    left = []
    for _round in range(2):
        raw = context.client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=HELLO, max_tokens=20_000)
        left.append((int(raw.headers["x-ratelimit-remaining-requests"]), int(raw.headers["x-ratelimit-remaining-tokens"])))
    check(left[1][0] < left[0][0] or left[1][1] < left[0][1], f"what remains does not shrink: {left}")


run(Context)
