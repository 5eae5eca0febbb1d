// Runs cases and prints one JSON line for each: what the client made of what the mock sent.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";

/** What is asked for on stdin. */
export async function asked() {
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString());
}

/** A library of the environment in FIREDRILL_CLIENTS, which does not lie beside this file. */
export async function library(name) {
  const require = createRequire(`${process.env.FIREDRILL_CLIENTS}/npm/package.json`);
  return import(pathToFileURL(require.resolve(name)));
}

export function emit(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** An error's class; a plain TypeError of the runtime with its message, which is all that tells it apart. */
export function named(error) {
  const name = error?.constructor?.name ?? typeof error;
  return name === "TypeError" ? `TypeError: ${error.message}` : name;
}

/** The client got something else than the real service would have given it. */
export class Short extends Error {}
/** This client does not have the call. */
export class Absent extends Error {}

export function check(condition, what) {
  if (!condition) throw new Short(what);
}

export function equal(got, expected, what) {
  if (!isDeepStrictEqual(got, expected)) throw new Short(`${what}: got ${shown(got)}, not ${shown(expected)}`);
}

export function shown(value) {
  const text = typeof value === "string" ? JSON.stringify(value) : JSON.stringify(value) ?? String(value);
  return text.length <= 160 ? text : `${text.slice(0, 157)}...`;
}

/** The error of that class that the call rejects with. */
export async function rejects(kind, call) {
  let result;
  try {
    result = await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw new Short(`raised ${named(error)} (${shown(error?.message)}), not ${kind.name}`);
  }
  throw new Short(`returned ${shown(result)}, and should have raised ${kind.name}`);
}

/** Runs the cases that are asked for, several at a time. */
export async function run(cases, input, contextOf, atOnce = 16) {
  const names = Object.keys(cases).filter((name) => !input.only || input.only.includes(name));
  const next = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const begun = performance.now();
      let result;
      try {
        const context = await contextOf(name);
        result = { state: "ok", details: await cases[name](context) };
      } catch (error) {
        if (error instanceof Absent) result = { state: "absent", why: error.message };
        else if (error instanceof Short) result = { state: "short", why: error.message, line: line(error) };
        else result = { state: "short", why: `raised ${error?.constructor?.name}: ${shown(error?.message ?? error)}`, line: line(error) };
      }
      emit({ case: name, elapsed: (performance.now() - begun) / 1000, ...result });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
  process.exit(0);
}

function line(error) {
  return Number(/_calls\.mjs:(\d+)/.exec(error?.stack ?? "")?.[1] ?? 0);
}
