// The stand-in for the module k6.
import { rates } from "./state.mjs";

/** Counts each check; returns whether all of them passed. */
export function check(value, checks) {
    const results = Object.entries(checks).map(([name, test]) => {
        const of = (rates.checks.byName[name] ??= { passed: 0, total: 0 });
        const passed = Boolean(test(value));
        for (const rate of [rates.checks, of]) {
            rate.total += 1;
            rate.passed += passed ? 1 : 0;
        }
        return passed;
    });
    return results.every(Boolean);
}

/** Does not wait: the tests are not a load. */
export function sleep(seconds) {
    if (!(seconds > 0)) throw new Error(`sleep: ${seconds}`);
}

/** Ends the iteration. */
export function fail(message) {
    throw Object.assign(new Error(message), { name: "IterationFailed" });
}
