// Compiles mutants: each line of the input is {"file", "text", "contracts", "settings"}, the answer a line with
// the creation code of each of those contracts ("source:name"), or null when it does not compile.
// One process for many, since the compiler takes longer to load than to refuse a mutant. Run in the checkout.
"use strict";

const fs = require("node:fs");
const readline = require("node:readline");
const solc = require("solc");

const LIBRARY = "@openzeppelin/contracts/";

function read(name) {
  const file = name.startsWith(LIBRARY) ? `node_modules/${name}` : name;
  return fs.existsSync(file) ? { contents: fs.readFileSync(file, "utf8") } : { error: "not found" };
}

function compile({ file, text, contracts, settings }) {
  const found = {};
  for (const contract of contracts) {
    const [source, name] = contract.split(":");
    const content = source === file ? text : fs.readFileSync(source, "utf8");
    const input = {
      language: "Solidity",
      sources: { [source]: { content } },
      settings: {
        evmVersion: "cancun",
        metadata: { appendCBOR: false, bytecodeHash: "none" },
        outputSelection: { [source]: { [name]: ["evm.bytecode.object"] } },
        ...settings,
      },
    };
    const callbacks = { import: (one) => (one === file ? { contents: text } : read(one)) };
    const output = JSON.parse(solc.compile(JSON.stringify(input), callbacks));
    const made = output.contracts && output.contracts[source] && output.contracts[source][name];
    if (!made) return null;
    found[contract] = made.evm.bytecode.object;
  }
  return found;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(`${JSON.stringify(compile(JSON.parse(line)))}\n`);
});
