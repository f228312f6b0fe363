// A stand-in for k6: runs a script's default function in node some times, and evaluates its thresholds. It has what
// deploy/k6/sign-in.js uses, and no load: one virtual user, one request at a time, by curl.
//
//   node stand-in.mjs SCRIPT ITERATIONS
//
// Exit status as of k6: 0, or 99 if a threshold failed. Any other one: the script could not run.
import { register } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { rates, counters } from "./modules/state.mjs";

const modules = { k6: "k6.mjs", "k6/http": "http.mjs", "k6/metrics": "metrics.mjs" };
const urls = Object.fromEntries(Object.entries(modules).map(([name, file]) => [name, new URL(`modules/${file}`, import.meta.url).href]));
const hooks = `const urls = ${JSON.stringify(urls)};
export const resolve = (name, context, next) => urls[name] ? { url: urls[name], shortCircuit: true } : next(name, context);
export const load = (url, context, next) => next(url, url.endsWith("/sign-in.js") ? { ...context, format: "module" } : context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const [script, iterations] = process.argv.slice(2);
globalThis.__ENV = { ...process.env };
globalThis.__VU = 1;
const { default: iterate, options } = await import(pathToFileURL(resolve(script)));
for (const name of Object.keys(options)) {
    if (!["vus", "duration", "thresholds"].includes(name)) throw new Error(`the stand-in does not know the option ${name}`);
}
if (!Number.isInteger(options.vus) || options.vus < 1) throw new Error(`vus: ${options.vus}`);
if (!/^\d+(s|m|h)$/.test(options.duration)) throw new Error(`duration: ${options.duration}`);

for (let iteration = 0; iteration < Number(iterations); iteration++) {
    try {
        iterate();
    } catch (error) {
        if (error.name !== "IterationFailed") throw error;
        console.error(error.message);
    }
}

/** Evaluates expressions such as rate==1 and count>0. */
function holds(metric, expression) {
    const [, aggregate, operator, bound] = /^(rate|count)(==|>)([\d.]+)$/.exec(expression) ?? [];
    const found = aggregate === "rate" ? rates[metric] : counters[metric];
    if (!found) throw new Error(`the stand-in cannot evaluate ${metric}: ${expression}`);
    const value = aggregate === "rate" ? found.passed / Math.max(found.total, 1) : found.sum;
    return operator === "==" ? value === Number(bound) : value > Number(bound);
}
const thresholds = Object.entries(options.thresholds).flatMap(([metric, all]) => all.map((expression) => [metric, expression]));
const failed = thresholds.filter(([metric, expression]) => !holds(metric, expression));
for (const [name, { passed, total }] of Object.entries(rates.checks.byName)) console.log(`${name}: ${passed} of ${total}`);
for (const [name, { sum }] of Object.entries(counters)) console.log(`${name}: ${sum}`);
for (const [metric, expression] of failed) console.error(`threshold failed: ${metric}: ${expression}`);
process.exit(failed.length ? 99 : 0);
