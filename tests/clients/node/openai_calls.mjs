// Every call of OpenAI's API that apps make, through the official Node client; for `openai` 6 and 7.

import { asked, check, equal, library, rejects, run, shown } from "./harness.mjs";

const input = await asked();
const sdk = await library(input.module);
const { default: OpenAI } = sdk;
const { zodResponseFormat, zodTextFormat, zodFunction } = await library(`${input.module}/helpers/zod`);
const { z } = await library("zod");

const KEY = "sk-test-0123456789abcdef";
const HELLO = [{ role: "user", content: "hello world" }];
const REFUSED = input.refused ?? "firedrill: refuse";
const parameters = {
  type: "object",
  properties: { city: { type: "string" }, unit: { type: "string", enum: ["c", "f"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
const WEATHER = { type: "function", function: { name: "get_weather", description: "The weather", parameters, strict: true } };
const TIME = {
  type: "function",
  function: { name: "get_time", parameters: { type: "object", properties: { zone: { type: "string" } }, required: ["zone"] } },
};
const TOOL = { type: "function", name: "get_weather", description: "The weather", parameters, strict: true };

const make = (base = input.base, more = {}) => new OpenAI({ baseURL: base, apiKey: KEY, maxRetries: 0, timeout: 30_000, logLevel: "off", ...more });
const chat = (client, more = {}) => client.chat.completions.create({ model: "gpt-4o", messages: HELLO, ...more });
const response = (client, more = {}) => client.responses.create({ model: "gpt-4o", input: "hello world", ...more });

async function all(stream) {
  const events = [];
  for await (const event of await stream) events.push(event);
  return events;
}
const chunksOf = (client, more = {}) => all(chat(client, { stream: true, ...more }));
const eventsOf = (client, more = {}) => all(response(client, { stream: true, ...more }));
const textOf = (chunks, index = 0) =>
  chunks.flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index)).map((choice) => choice.delta.content ?? "").join("");
const once = (kinds) => kinds.filter((kind, at) => at === 0 || kinds[at - 1] !== kind);
const isUnit = (vector) => Math.abs(Math.hypot(...vector) - 1) < 1e-3;

const Plan = z.object({
  name: z.string(),
  steps: z.array(z.object({ title: z.string(), minutes: z.number().int(), colour: z.enum(["red", "blue"]) })),
  note: z.string().nullable(),
  score: z.number(),
  done: z.boolean(),
});

function weatherOf(call) {
  equal([call.type, call.function.name], ["function", "get_weather"], "type, name");
  check(call.id.startsWith("call_"), `id ${call.id}`);
  const args = JSON.parse(call.function.arguments);
  equal(Object.keys(args).sort(), ["city", "unit"], "the arguments' names");
  check(typeof args.city === "string" && ["c", "f"].includes(args.unit), `arguments ${shown(args)}`);
}

function envelope(error, status, type, code, param) {
  equal([error.status, error.type, error.code, error.param], [status, type, code, param], "status, type, code, param");
  equal(Object.keys(error.error).sort(), ["code", "message", "param", "type"], "keys of the envelope");
  check(error.requestID, "no request id");
}

const cases = {
  // --- Models ---------------------------------------------------------------------------------------------------------
  async "models.list"(client) {
    const models = new Map();
    for await (const model of client.models.list()) models.set(model.id, model);
    for (const id of ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]) check(models.has(id), `${id} is not listed`);
    const one = models.get("gpt-4o");
    check(one.object === "model" && Number.isInteger(one.created) && one.owned_by, "object, created, owned_by");
  },
  async "models.retrieve"(client) {
    const one = await client.models.retrieve("gpt-4o-mini");
    equal([one.id, one.object], ["gpt-4o-mini", "model"], "id, object");
    const error = await rejects(OpenAI.NotFoundError, () => client.models.retrieve("gpt-99"));
    equal([error.code, error.type], ["model_not_found", "invalid_request_error"], "code, type of an unknown one");
  },

  // --- Chat completions -----------------------------------------------------------------------------------------------
  async "chat.plain"(client) {
    const done = await chat(client);
    check(done.object === "chat.completion" && done.id.startsWith("chatcmpl-") && /^gpt-4o-\d{4}-\d\d-\d\d$/.test(done.model), "object, id, model");
    const [choice] = done.choices;
    equal([done.choices.length, choice.index, choice.finish_reason, choice.message.role], [1, 0, "stop", "assistant"], "choice");
    check(choice.message.content && choice.message.refusal === null && choice.message.tool_calls === undefined, "message");
    equal(choice.logprobs, null, "logprobs that nobody asked for");
    const { usage } = done;
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, "total_tokens");
    equal([usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens], [0, 0], "details");
    check(done._request_id, "no request id");
  },
  async "chat.headers"(client) {
    const { data, response } = await chat(client).withResponse();
    const header = (name) => response.headers.get(name);
    check(header("openai-version") === "2020-10-01" && /^\d+$/.test(header("openai-processing-ms")) && header("x-request-id"), "headers");
    for (const kind of ["requests", "tokens"]) {
      const [limit, left] = ["limit", "remaining"].map((what) => Number(header(`x-ratelimit-${what}-${kind}`)));
      check(left >= 0 && left < limit, `${left} of ${limit} ${kind} left`);
      check(/^((\d+h)?(\d+m)?(\d+(\.\d+)?s)?|\d+ms)$/.test(header(`x-ratelimit-reset-${kind}`)), "reset");
    }
    check(data.choices[0].message.content, "content");
  },
  async "chat.usage"(client) {
    equal((await chat(client)).usage.prompt_tokens, 9, "prompt_tokens of `hello world`");
    const done = await chat(client, { messages: [{ role: "user", content: "count" }] });
    check(done.usage.completion_tokens > 0 && done.usage.completion_tokens <= done.choices[0].message.content.length, "completion_tokens");
  },
  async "chat.roles_and_parts"(client) {
    const done = await chat(client, {
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "system", content: [{ type: "text", text: "Be kind." }] },
        { role: "user", name: "ada", content: [{ type: "text", text: "hello" }, { type: "text", text: "you" }] },
        { role: "assistant", content: "Hi." },
        { role: "user", content: "Go on." },
      ],
    });
    check(done.choices[0].message.content && done.usage.prompt_tokens > 25, `prompt_tokens ${done.usage.prompt_tokens}`);
  },
  async "chat.stream"(client) {
    const chunks = await chunksOf(client);
    equal(new Set(chunks.map((c) => [c.id, c.created, c.model, c.system_fingerprint].join())).size, 1, "one id, created, model");
    check(chunks.every((c) => c.object === "chat.completion.chunk" && c.choices.length === 1 && !c.usage), "chunks");
    equal(chunks[0].choices[0].delta, { role: "assistant", content: "", refusal: null }, "first delta");
    equal([chunks[0].choices[0].finish_reason, chunks.at(-1).choices[0].finish_reason], [null, "stop"], "finish_reason");
    equal(chunks.at(-1).choices[0].delta, {}, "last delta");
    equal(textOf(chunks), (await chat(client)).choices[0].message.content, "the stream's text and the whole answer's");
    check(chunks.length > 4, `only ${chunks.length} chunks`);
  },
  async "chat.stream.usage"(client) {
    const chunks = await chunksOf(client, { stream_options: { include_usage: true } });
    const last = chunks.pop();
    equal(last.choices, [], "choices of the last chunk");
    check(chunks.every((c) => c.usage === null), "usage is not null in earlier chunks");
    equal(last.usage, (await chat(client)).usage, "usage of the stream and of the whole answer");
  },
  async "chat.stream.obfuscation"(client) {
    check((await chunksOf(client)).some((c) => c.obfuscation), "no `obfuscation` by default");
    const bare = await chunksOf(client, { stream_options: { include_obfuscation: false } });
    check(!bare.some((c) => c.obfuscation), "`obfuscation` though refused");
  },
  async "chat.n"(client) {
    const [done, one] = [await chat(client, { n: 3 }), await chat(client)];
    equal(done.choices.map((c) => c.index), [0, 1, 2], "indices");
    equal(done.usage.prompt_tokens, one.usage.prompt_tokens, "the prompt is counted once");
    check(done.usage.completion_tokens > one.usage.completion_tokens, "every choice is counted");
    const chunks = await chunksOf(client, { n: 2 });
    check(textOf(chunks, 0) && textOf(chunks, 1), "choices of the stream");
  },
  async "chat.stop"(client) {
    const full = (await chat(client)).choices[0].message.content;
    const word = full.split(/\s+/)[2];
    const wanted = full.slice(0, full.indexOf(word));
    for (const stop of [word, [word, "never said"]]) {
      const [choice] = (await chat(client, { stop })).choices;
      equal([choice.finish_reason, choice.message.content], ["stop", wanted], `the text before ${word}`);
    }
    equal(textOf(await chunksOf(client, { stop: word })), wanted, "the streamed text");
  },
  async "chat.max_tokens"(client) {
    for (const name of ["max_tokens", "max_completion_tokens"]) {
      const done = await chat(client, { [name]: 5 });
      equal([done.choices[0].finish_reason, done.usage.completion_tokens], ["length", 5], name);
    }
    equal((await chunksOf(client, { max_tokens: 5 })).at(-1).choices[0].finish_reason, "length", "of the stream");
  },
  async "chat.sampling"(client) {
    const done = await chat(client, {
      temperature: 0.2, top_p: 0.9, seed: 7, presence_penalty: 0.1, frequency_penalty: 0.1, user: "ada",
      metadata: { a: "b" }, store: true, service_tier: "auto", logit_bias: { 50256: -100 },
    });
    check(done.choices[0].message.content && done.system_fingerprint, "content, system_fingerprint");
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { temperature: 9 }));
    equal(error.param, "temperature", "param of an impossible temperature");
  },
  async "chat.logprobs"(client) {
    const [choice] = (await chat(client, { logprobs: true, top_logprobs: 2 })).choices;
    check(choice.logprobs, "logprobs is null though asked for");
    const tokens = choice.logprobs.content;
    equal(Buffer.from(tokens.flatMap((t) => t.bytes)).toString(), choice.message.content, "the tokens' bytes");
    check(tokens.every((t) => t.logprob <= 0 && t.top_logprobs.length === 2), "logprob, top_logprobs");
    check(tokens.every((t) => t.top_logprobs[0].logprob >= t.top_logprobs[1].logprob), "order of top_logprobs");
    const chunks = await chunksOf(client, { logprobs: true });
    equal(chunks.flatMap((c) => c.choices[0].logprobs?.content ?? []).map((t) => t.token).join(""), choice.message.content, "tokens of the stream");
  },
  async "chat.reasoning"(client) {
    const done = await chat(client, { model: "o3-mini", reasoning_effort: "low", max_completion_tokens: 4000 });
    const { reasoning_tokens } = done.usage.completion_tokens_details;
    check(done.choices[0].message.content, "content");
    check(reasoning_tokens > 0 && reasoning_tokens < done.usage.completion_tokens, `reasoning_tokens ${reasoning_tokens}`);
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { model: "o3-mini", max_tokens: 100 }));
    equal([error.code, error.param], ["unsupported_parameter", "max_tokens"], "code, param for max_tokens");
  },

  // --- Tools ----------------------------------------------------------------------------------------------------------
  async "chat.tools.required"(client) {
    const [choice] = (await chat(client, { tools: [WEATHER], tool_choice: "required" })).choices;
    equal([choice.finish_reason, choice.message.content], ["tool_calls", null], "finish_reason, content");
    check(choice.message.tool_calls?.length, "no tool call");
    choice.message.tool_calls.forEach(weatherOf);
  },
  async "chat.tools.function"(client) {
    const [choice] = (await chat(client, { tools: [TIME, WEATHER], tool_choice: { type: "function", function: { name: "get_weather" } } })).choices;
    equal(choice.message.tool_calls?.length, 1, "tool calls");
    weatherOf(choice.message.tool_calls[0]);
  },
  async "chat.tools.none"(client) {
    const [choice] = (await chat(client, { tools: [WEATHER], tool_choice: "none" })).choices;
    equal([choice.finish_reason, choice.message.tool_calls], ["stop", undefined], "finish_reason, tool_calls");
    check(choice.message.content, "content");
  },
  async "chat.tools.auto"(client) {
    const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
    const [choice] = (await chat(client, { messages, tools: [WEATHER] })).choices;
    if (choice.message.tool_calls) {
      equal(choice.finish_reason, "tool_calls", "finish_reason");
      weatherOf(choice.message.tool_calls[0]);
    } else check(choice.finish_reason === "stop" && choice.message.content, "neither a call nor text");
  },
  async "chat.tools.parallel"(client) {
    const ask = { messages: [{ role: "user", content: "Weather in Oslo and the time in Rome." }], tools: [WEATHER, TIME], tool_choice: "required" };
    const one = await chat(client, { ...ask, parallel_tool_calls: false });
    equal(one.choices[0].message.tool_calls?.length, 1, "calls when parallel ones are refused");
    const calls = (await chat(client, { ...ask, parallel_tool_calls: true })).choices[0].message.tool_calls;
    check(calls.length && new Set(calls.map((call) => call.id)).size === calls.length, "ids of parallel calls");
  },
  async "chat.tools.stream"(client) {
    const chunks = await chunksOf(client, { tools: [WEATHER], tool_choice: "required" });
    const pieces = chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? []);
    const [first, ...rest] = pieces;
    check(first, "no tool call in the stream");
    equal([first.index, first.type, first.function.name, first.function.arguments], [0, "function", "get_weather", ""], "first piece");
    check(first.id.startsWith("call_") && rest.every((p) => p.index !== 0 || p.id === undefined), "ids");
    const args = JSON.parse(pieces.filter((p) => p.index === 0).map((p) => p.function.arguments).join(""));
    check(["c", "f"].includes(args.unit), `arguments ${shown(args)}`);
    equal(chunks.at(-1).choices[0].finish_reason, "tool_calls", "finish_reason");
  },
  async "chat.tools.result"(client) {
    const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Oslo","unit":"c"}' } };
    const user = { role: "user", content: "Weather in Oslo?" };
    const result = { role: "tool", tool_call_id: "call_1", content: "3 degrees" };
    const messages = [user, { role: "assistant", content: null, tool_calls: [call] }, result];
    const [choice] = (await chat(client, { messages, tools: [WEATHER] })).choices;
    check(choice.message.content || choice.message.tool_calls, "nothing follows a tool's result");
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { messages: [user, result], tools: [WEATHER] }));
    check(error.message.includes("tool"), error.message);
  },

  // --- Structured output ----------------------------------------------------------------------------------------------
  async "chat.json_object"(client) {
    const ask = { messages: [{ role: "user", content: "Answer in JSON." }], response_format: { type: "json_object" } };
    const value = JSON.parse((await chat(client, ask)).choices[0].message.content);
    check(value && typeof value === "object" && !Array.isArray(value), "not an object");
    check(typeof JSON.parse(textOf(await chunksOf(client, ask))) === "object", "the stream is not an object");
  },
  async "chat.json_object.without_the_word"(client) {
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { response_format: { type: "json_object" } }));
    check(/json/i.test(error.message) && error.param === "messages", error.message);
  },
  async "chat.json_schema"(client) {
    const schema = {
      type: "object",
      properties: {
        kind: { enum: ["a", "b"] },
        count: { type: "integer", minimum: 3, maximum: 9 },
        when: { type: "string", format: "date" },
        parts: { type: "array", items: { anyOf: [{ type: "string" }, { type: "number" }] }, minItems: 2 },
      },
      required: ["kind", "count", "when", "parts"],
      additionalProperties: false,
    };
    const response_format = { type: "json_schema", json_schema: { name: "thing", strict: true, schema } };
    for (const text of [(await chat(client, { response_format })).choices[0].message.content, textOf(await chunksOf(client, { response_format }))]) {
      const value = JSON.parse(text);
      equal(Object.keys(value).sort(), ["count", "kind", "parts", "when"], "keys");
      check(["a", "b"].includes(value.kind) && Number.isInteger(value.count) && value.count >= 3 && value.count <= 9, text);
      check(/^\d{4}-\d\d-\d\d$/.test(value.when) && value.parts.length >= 2, text);
    }
  },
  async "chat.json_schema.refused"(client) {
    const schema = { type: "object", properties: { a: { type: "string" } } };
    const response_format = { type: "json_schema", json_schema: { name: "loose", strict: true, schema } };
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { response_format }));
    check(error.message.includes("additionalProperties") && error.param === "response_format", `${error.message} ${error.param}`);
  },
  async "chat.parse"(client) {
    const done = await client.chat.completions.parse({ model: "gpt-4o", messages: HELLO, response_format: zodResponseFormat(Plan, "plan") });
    check(Plan.safeParse(done.choices[0].message.parsed).success, "not a Plan");
    const Tree = z.object({ label: z.string(), get children() { return z.array(Tree); } });
    const tree = await client.chat.completions.parse({ model: "gpt-4o", messages: HELLO, response_format: zodResponseFormat(Tree, "tree") });
    check(Tree.safeParse(tree.choices[0].message.parsed).success, "not a Tree (a schema that refers to itself)");
  },
  async "chat.parse.stream"(client) {
    const stream = client.chat.completions.stream({ model: "gpt-4o", messages: HELLO, response_format: zodResponseFormat(Plan, "plan") });
    let deltas = 0;
    stream.on("content.delta", () => deltas++);
    const done = await stream.finalChatCompletion();
    check(deltas > 0 && Plan.safeParse(done.choices[0].message.parsed).success, "not a Plan");
  },
  async "chat.parse.tools"(client) {
    const tool = zodFunction({ name: "GetWeather", parameters: z.object({ city: z.string(), unit: z.enum(["c", "f"]) }) });
    const done = await client.chat.completions.parse({ model: "gpt-4o", messages: HELLO, tools: [tool], tool_choice: "required" });
    const args = done.choices[0].message.tool_calls?.[0]?.function.parsed_arguments;
    check(args && ["c", "f"].includes(args.unit), "arguments are not what was asked for");
  },
  async "chat.refusal"(client) {
    const messages = [{ role: "user", content: REFUSED }];
    const { message } = (await chat(client, { messages })).choices[0];
    check(message.refusal && message.content === null, `refusal ${shown(message.refusal)}, content ${shown(message.content)}`);
    const chunks = await chunksOf(client, { messages });
    equal(chunks.map((c) => c.choices[0].delta.refusal ?? "").join(""), message.refusal, "the streamed refusal");
    const parsed = await client.chat.completions.parse({ model: "gpt-4o", messages, response_format: zodResponseFormat(Plan, "plan") });
    check(parsed.choices[0].message.refusal && parsed.choices[0].message.parsed === null, "a refusal instead of a parsed answer");
  },

  // --- Responses ------------------------------------------------------------------------------------------------------
  async "responses.plain"(client) {
    const done = await response(client, { instructions: "Be brief.", metadata: { a: "b" } });
    equal([done.object, done.status, done.error, done.incomplete_details], ["response", "completed", null, null], "state");
    check(done.id.startsWith("resp_") && done.created_at > 1e9, "id, created_at");
    equal([done.instructions, done.metadata, done.tools, done.tool_choice], ["Be brief.", { a: "b" }, [], "auto"], "echo");
    check(done.parallel_tool_calls === true && typeof done.temperature === "number" && typeof done.top_p === "number", "parameters");
    const [item] = done.output.filter((item) => item.type === "message");
    equal([item.role, item.status, item.content[0].type, item.content[0].annotations], ["assistant", "completed", "output_text", []], "message");
    check(item.id.startsWith("msg_") && done.output_text && done.output_text === item.content[0].text, "text");
    const { usage } = done;
    equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, "total_tokens");
    equal([usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens], [0, 0], "details");
  },
  async "responses.input_items_in"(client) {
    const done = await response(client, {
      input: [
        { role: "developer", content: "Be kind." },
        { role: "user", content: [{ type: "input_text", text: "hello" }] },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi.", annotations: [] }], id: "msg_1", status: "completed" },
        { role: "user", content: "again" },
      ],
    });
    check(done.output_text, "text");
  },
  async "responses.stream"(client) {
    const events = await eventsOf(client);
    equal(
      once(events.map((event) => event.type)),
      [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
      ],
      "order of events",
    );
    equal(events.map((event) => event.sequence_number), [...events.keys()], "sequence numbers");
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    const text = deltas.map((event) => event.delta).join("");
    const done = events.at(-1).response;
    equal(done.status, "completed", "status");
    equal(text, (await response(client)).output_text, "the stream's text and the whole answer's");
    check(deltas.length > 2 && deltas.every((d) => d.item_id === done.output[0].id && d.output_index === 0 && d.content_index === 0), "deltas");
    const first = events[0].response;
    check(first.status === "in_progress" && first.output.length === 0 && !first.usage, "the first response");
    check(done.usage?.output_tokens > 0, "usage");
  },
  async "responses.stream.manager"(client) {
    const done = await client.responses.stream({ model: "gpt-4o", input: "hello" }).finalResponse();
    check(done.output_text, "final response");
  },
  async "responses.function_call"(client) {
    const done = await response(client, { tools: [TOOL], tool_choice: "required" });
    const call = done.output.find((item) => item.type === "function_call");
    check(call?.id.startsWith("fc_") && call.call_id.startsWith("call_"), "function call, ids");
    equal([call.name, call.status, done.status], ["get_weather", "completed", "completed"], "name, status");
    check(["c", "f"].includes(JSON.parse(call.arguments).unit), call.arguments);
    const after = await response(client, {
      tools: [TOOL],
      input: [
        { role: "user", content: "Weather in Oslo?" },
        { type: "function_call", call_id: call.call_id, name: call.name, arguments: call.arguments },
        { type: "function_call_output", call_id: call.call_id, output: "3 degrees" },
      ],
    });
    check(after.output.length, "nothing follows a function's output");
  },
  async "responses.function_call.stream"(client) {
    const events = await eventsOf(client, { tools: [TOOL], tool_choice: { type: "function", name: "get_weather" } });
    equal(
      once(events.map((event) => event.type)),
      [
        "response.created", "response.in_progress", "response.output_item.added", "response.function_call_arguments.delta",
        "response.function_call_arguments.done", "response.output_item.done", "response.completed",
      ],
      "order of events",
    );
    const { item } = events.find((event) => event.type === "response.output_item.added");
    equal([item.type, item.name, item.arguments], ["function_call", "get_weather", ""], "the added item");
    const done = events.find((event) => event.type === "response.function_call_arguments.done");
    equal(done.arguments, events.filter((e) => e.type === "response.function_call_arguments.delta").map((e) => e.delta).join(""), "arguments");
    check(["c", "f"].includes(JSON.parse(done.arguments).unit), done.arguments);
  },
  async "responses.incomplete"(client) {
    const ask = { max_output_tokens: 16, input: "Say something long." };
    const done = await response(client, ask);
    equal([done.status, done.incomplete_details?.reason, done.usage?.output_tokens], ["incomplete", "max_output_tokens", 16], "status");
    const last = (await eventsOf(client, ask)).at(-1);
    equal([last.type, last.response?.status], ["response.incomplete", "incomplete"], "end of the stream");
  },
  async "responses.failed"() {
    const events = await eventsOf(make(input.failing));
    const last = events.at(-1);
    equal([events[0].type, last.type, last.response.status], ["response.created", "response.failed", "failed"], "the stream");
    check(last.response.error.code && last.response.error.message, "error");
  },
  async "responses.retrieve"(client) {
    const done = await response(client);
    const again = await client.responses.retrieve(done.id);
    equal([again.id, again.output_text, again.status], [done.id, done.output_text, "completed"], "what was stored");
    const error = await rejects(OpenAI.NotFoundError, () => client.responses.retrieve("resp_nothing"));
    check(error.message.includes("resp_nothing"), error.message);
  },
  async "responses.input_items"(client) {
    const done = await response(client, { input: "what did I say?" });
    const items = await all(client.responses.inputItems.list(done.id));
    const [item] = items;
    equal([items.length, item.type, item.role, item.content[0].type, item.content[0].text], [1, "message", "user", "input_text", "what did I say?"], "item");
  },
  async "responses.delete"(client) {
    const done = await response(client);
    await client.responses.delete(done.id);
    await rejects(OpenAI.NotFoundError, () => client.responses.retrieve(done.id));
    const unstored = await response(client, { store: false });
    await rejects(OpenAI.NotFoundError, () => client.responses.retrieve(unstored.id));
  },
  async "responses.cancel"(client) {
    const begun = await response(client, { background: true });
    check(["queued", "in_progress"].includes(begun.status), `status of a background response: ${begun.status}`);
    const ended = await client.responses.cancel(begun.id);
    check(ended.id === begun.id && ["cancelled", "completed"].includes(ended.status), `status ${ended.status}`);
    const plain = await response(client);
    const error = await rejects(OpenAI.BadRequestError, () => client.responses.cancel(plain.id));
    check(error.message.includes("synchronous response"), error.message);
  },
  async "responses.previous"(client) {
    const first = await response(client);
    const second = await response(client, { previous_response_id: first.id, input: "and then?" });
    equal(second.previous_response_id, first.id, "previous_response_id");
    const alone = await response(client, { input: "and then?" });
    check(second.usage.input_tokens > alone.usage.input_tokens, "the past is not counted");
    const error = await rejects(OpenAI.BadRequestError, () => response(client, { previous_response_id: "resp_nothing" }));
    equal(error.code, "previous_response_not_found", "code");
  },
  async "responses.json_schema"(client) {
    const ask = { model: "gpt-4o", input: "plan", text: { format: zodTextFormat(Plan, "plan") } };
    check(Plan.safeParse((await client.responses.parse(ask)).output_parsed).success, "not a Plan");
    check(Plan.safeParse((await client.responses.stream(ask).finalResponse()).output_parsed).success, "the stream is not a Plan");
    const plain = await response(client, { input: "in JSON", text: { format: { type: "json_object" } } });
    check(typeof JSON.parse(plain.output_text) === "object", "json_object");
  },
  async "responses.refusal"(client) {
    const done = await response(client, { input: REFUSED });
    check(done.output[0].content[0].type === "refusal" && done.output[0].content[0].refusal, `content is ${done.output[0].content[0].type}`);
    const kinds = (await eventsOf(client, { input: REFUSED })).map((event) => event.type);
    check(kinds.includes("response.refusal.delta") && kinds.includes("response.refusal.done"), `events ${once(kinds)}`);
  },
  async "responses.reasoning"(client) {
    const done = await response(client, { model: "o3-mini", reasoning: { effort: "low" } });
    equal(done.output.map((item) => item.type), ["reasoning", "message"], "output");
    check(done.output[0].id.startsWith("rs_") && done.usage.output_tokens_details.reasoning_tokens > 0, "reasoning");
  },

  // --- Embeddings, completions, moderations ---------------------------------------------------------------------------
  async "embeddings.base64"(client) {
    const embed = async (more) => (await client.embeddings.create({ model: "text-embedding-3-small", input: "hello world", ...more }));
    const done = await embed();
    equal([done.object, done.data[0].object, done.data[0].index], ["list", "embedding", 0], "objects");
    const vector = done.data[0].embedding;
    check(vector.length === 1536 && isUnit(vector), `${vector.length} numbers of length 1`);
    equal([done.usage.prompt_tokens, done.usage.total_tokens], [2, 2], "tokens of `hello world`");
    equal((await embed()).data[0].embedding, vector, "the same text again");
    const other = (await embed({ input: "other" })).data[0].embedding;
    check(other.some((x, at) => x !== vector[at]), "another text is another vector");
    const raw = Buffer.from((await embed({ encoding_format: "base64" })).data[0].embedding, "base64");
    equal([raw.length, raw.readFloatLE(0)], [4 * 1536, vector[0]], "little-endian floats");
  },
  async "embeddings.float"(client) {
    const done = await client.embeddings.create({ model: "text-embedding-ada-002", input: ["a", "b"], encoding_format: "float" });
    equal(done.data.map((d) => d.index), [0, 1], "indices");
    check(done.data.every((d) => d.embedding.length === 1536 && isUnit(d.embedding)), "vectors");
  },
  async "embeddings.dimensions"(client) {
    const embed = async (model, more) => (await client.embeddings.create({ model, input: "a", ...more })).data[0].embedding;
    equal((await embed("text-embedding-3-large")).length, 3072, "numbers of 3-large");
    const short = await embed("text-embedding-3-large", { dimensions: 256 });
    check(short.length === 256 && isUnit(short), "256 numbers of length 1");
    await rejects(OpenAI.BadRequestError, () => embed("text-embedding-ada-002", { dimensions: 256 }));
    await rejects(OpenAI.BadRequestError, () => embed("text-embedding-3-small", { dimensions: 9999 }));
  },
  async "embeddings.tokens"(client) {
    const embed = (input) => client.embeddings.create({ model: "text-embedding-3-small", input });
    const [one, two] = [await embed([15339, 1917]), await embed([[15339, 1917], [1917]])];
    equal([one.data.length, one.usage.prompt_tokens, two.data.length, two.usage.prompt_tokens], [1, 2, 2, 3], "lists of tokens");
    await rejects(OpenAI.BadRequestError, () => embed(""));
  },
  async "completions.plain"(client) {
    const done = await client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "Once upon a time", max_tokens: 16 });
    equal([done.object, done.choices[0].index, typeof done.choices[0].text], ["text_completion", 0, "string"], "shape");
    check(done.id.startsWith("cmpl-") && ["stop", "length"].includes(done.choices[0].finish_reason), "id, finish_reason");
    check(done.usage.prompt_tokens === 4 && done.usage.completion_tokens <= 16, "usage");
  },
  async "completions.stream"(client) {
    const chunks = await all(client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: ["a", "b"], max_tokens: 16, stream: true }));
    check(chunks.every((chunk) => chunk.object === "text_completion"), "object");
    for (const index of [0, 1]) {
      check(chunks.flatMap((c) => c.choices).filter((c) => c.index === index).map((c) => c.text).join(""), `text ${index}`);
    }
  },
  async moderations(client) {
    const done = await client.moderations.create({ input: "hello" });
    const [result] = done.results;
    check(done.id.startsWith("modr-") && result.flagged === false && result.categories.harassment === false && result.category_scores.violence < 0.5, "result");
    const many = await client.moderations.create({ model: "omni-moderation-latest", input: ["a", "b"] });
    equal(many.results.length, 2, "results");
    check(many.results[0].category_applied_input_types, "category_applied_input_types");
  },

  // --- Errors ---------------------------------------------------------------------------------------------------------
  async "errors.unknown_model"(client) {
    const error = await rejects(OpenAI.NotFoundError, () => chat(client, { model: "gpt-99" }));
    envelope(error, 404, "invalid_request_error", "model_not_found", null);
    check(error.message.includes("The model `gpt-99` does not exist"), error.message);
  },
  async "errors.unknown_url"(client) {
    const error = await rejects(OpenAI.NotFoundError, () => client.get("/nothing/here"));
    envelope(error, 404, "invalid_request_error", null, null);
    check(error.message.includes("Invalid URL (GET /v1/nothing/here)"), error.message);
  },
  async "errors.bad_key"() {
    const error = await rejects(OpenAI.AuthenticationError, () => make(input.base, { apiKey: "not-a-key-at-all-1234" }).models.list());
    envelope(error, 401, "invalid_request_error", "invalid_api_key", null);
    check(error.message.includes("Incorrect API key provided") && !error.message.includes("key-at-all"), error.message);
  },
  async "errors.missing_key"(client) {
    const error = await rejects(OpenAI.AuthenticationError, () => client.models.list({ headers: { authorization: null } }));
    envelope(error, 401, "invalid_request_error", null, null);
    check(error.message.includes("You didn't provide an API key"), error.message);
  },
  async "errors.malformed_body"(client) {
    const error = await rejects(OpenAI.BadRequestError, () =>
      client.post("/chat/completions", { body: '{"model": ', headers: { "content-type": "application/json" } }));
    envelope(error, 400, "invalid_request_error", null, null);
    check(error.message.includes("could not parse the JSON body"), error.message);
  },
  async "errors.missing_field"(client) {
    const error = await rejects(OpenAI.BadRequestError, () => client.post("/chat/completions", { body: { model: "gpt-4o" } }));
    envelope(error, 400, "invalid_request_error", "missing_required_parameter", "messages");
  },
  async "errors.wrong_type"(client) {
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { messages: "hello" }));
    envelope(error, 400, "invalid_request_error", "invalid_type", "messages");
  },
  async "errors.empty_messages"(client) {
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { messages: [] }));
    envelope(error, 400, "invalid_request_error", "empty_array", "messages");
  },
  async "errors.context_length"(client) {
    const messages = [{ role: "user", content: "word ".repeat(9000) }];
    const error = await rejects(OpenAI.BadRequestError, () => chat(client, { model: "gpt-4", messages }));
    envelope(error, 400, "invalid_request_error", "context_length_exceeded", "messages");
    check(error.message.includes("maximum context length is 8192 tokens"), error.message);
  },
  async "errors.wrong_model_for_call"(client) {
    const error = await rejects(OpenAI.NotFoundError, () => chat(client, { model: "gpt-3.5-turbo-instruct" }));
    envelope(error, 404, "invalid_request_error", null, "model");
    await rejects(OpenAI.PermissionDeniedError, () => chat(client, { model: "text-embedding-3-small" }));
    await rejects(OpenAI.APIError, () => client.embeddings.create({ model: "gpt-4o", input: "a" }));
  },
  async "errors.method"(client) {
    const error = await rejects(OpenAI.APIError, () => client.get("/chat/completions"));
    check([404, 405].includes(error.status) && error.type === "invalid_request_error", error.message);
  },
  async "limits.count_down"(client) {
    const left = [];
    for (let round = 0; round < 2; round++) {
      const { response } = await chat(client, { model: "gpt-4.1", max_tokens: 20_000 }).withResponse();
      left.push(["requests", "tokens"].map((kind) => Number(response.headers.get(`x-ratelimit-remaining-${kind}`))));
    }
    check(left[1][0] < left[0][0] || left[1][1] < left[0][1], `what remains does not shrink: ${shown(left)}`);
  },
};

await run(cases, input, () => make());
