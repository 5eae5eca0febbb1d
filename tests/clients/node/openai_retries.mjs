// What the official Node client makes of failures: one call per case, with the client's own retries.
//
// The test that starts this counts the tries by what its mock saw. Where `shorten` is set, the client's wait before a
// retry is noted and skipped, because it would last a minute or two.

import { AsyncLocalStorage } from "node:async_hooks";
import { asked, emit, library, named } from "./harness.mjs";

const { cases, module } = await asked();
const { default: OpenAI } = await library(module);
const running = new AsyncLocalStorage();
const HELLO = [{ role: "user", content: "hello world" }];

const PLAN = {
  type: "json_schema",
  json_schema: {
    name: "plan",
    strict: true,
    schema: {
      type: "object",
      properties: { title: { type: "string" }, steps: { type: "array", items: { type: "string" } } },
      required: ["title", "steps"],
      additionalProperties: false,
    },
  },
};

const real = globalThis.setTimeout;
Error.stackTraceLimit = 20;
globalThis.setTimeout = (callback, time, ...more) => {
  const context = running.getStore();
  // The client's deadlines are timers too; a wait for a retry is set where it decides on one.
  if (context && new Error().stack.includes("retryRequest")) {
    context.waits.push(time / 1000);
    if (context.shorten) return real(callback, 1, ...more);
  }
  return real(callback, time, ...more);
};

async function call(client, ask) {
  if (ask === "chat") {
    const done = await client.chat.completions.create({ model: "gpt-4o", messages: HELLO });
    if (typeof done === "string") return "text";
    if (done.choices === undefined) return "empty object";
    if (done.choices.length === 0) return "no choices";
    if (done.usage === undefined) return "answer without usage";
    const reason = done.choices[0].finish_reason;
    const said = done.choices[0].message.content ? "answer" : "odd answer";
    return reason === "stop" ? said : `${said}, ${reason}`;
  }
  if (ask === "chat.parse") {
    const done = await client.chat.completions.parse({ model: "gpt-4o", messages: HELLO, response_format: PLAN });
    return done.choices[0].message.parsed ? "Plan" : "nothing parsed";
  }
  if (ask === "chat.stream") {
    let chunks = 0;
    for await (const _ of await client.chat.completions.create({ model: "gpt-4o", messages: HELLO, stream: true })) chunks++;
    return chunks ? "stream" : "empty stream";
  }
  let last;
  for await (const event of await client.responses.create({ model: "gpt-4o", input: "hello", stream: true })) last = event.type;
  return last ? `stream to ${last}` : "empty stream";
}

await Promise.all(
  cases.map((one) =>
    running.run({ waits: [], shorten: one.shorten ?? false }, async () => {
      const client = new OpenAI({
        baseURL: one.base,
        apiKey: "sk-test-0123456789abcdef",
        logLevel: "off",
        ...(one.timeout ? { timeout: one.timeout * 1000 } : {}),
      });
      const begun = performance.now();
      let outcome;
      let why = "";
      try {
        outcome = await call(client, one.ask);
      } catch (error) {
        outcome = named(error);
        why = String(error?.message).slice(0, 160);
      }
      const { waits } = running.getStore();
      emit({ case: one.case, outcome, why, waits, elapsed: (performance.now() - begun) / 1000 });
    }),
  ),
);
process.exit(0);
