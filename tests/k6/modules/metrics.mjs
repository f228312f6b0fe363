// The stand-in for the module k6/metrics.
import { counters } from "./state.mjs";

export class Counter {
    constructor(name) {
        this.counter = counters[name] = { sum: 0 };
    }

    add(value) {
        this.counter.sum += value;
    }
}
