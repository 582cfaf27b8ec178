// Stands in for the solc executable: the compiler of the npm package "solc" (WebAssembly,
// the same bytecode) behind the part of solc's command line that Ape, Forge and Slither use.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const VALUE_OPTIONS = new Set([
  "--allow-paths",
  "--base-path",
  "--combined-json",
  "--evm-version",
  "--include-path",
  "--libraries",
  "--metadata-hash",
  "--optimize-runs",
  "-I",
]);

// Names in --combined-json, and where standard JSON has the same thing.
const COMBINED = {
  abi: "abi",
  asm: "evm.legacyAssembly",
  ast: "",
  bin: "evm.bytecode.object",
  "bin-runtime": "evm.deployedBytecode.object",
  devdoc: "devdoc",
  "function-debug": "evm.bytecode.functionDebugData",
  "function-debug-runtime": "evm.deployedBytecode.functionDebugData",
  "generated-sources": "evm.bytecode.generatedSources",
  "generated-sources-runtime": "evm.deployedBytecode.generatedSources",
  hashes: "evm.methodIdentifiers",
  metadata: "metadata",
  opcodes: "evm.bytecode.opcodes",
  srcmap: "evm.bytecode.sourceMap",
  "srcmap-runtime": "evm.deployedBytecode.sourceMap",
  "storage-layout": "storageLayout",
  userdoc: "userdoc",
};

function parseArguments(argv) {
  const flags = {};
  const includePaths = [];
  const remappings = [];
  const files = [];
  for (let i = 0; i < argv.length; i += 1) {
    const [name, inline] = argv[i].startsWith("--") ? splitOnce(argv[i]) : [argv[i], undefined];
    if (VALUE_OPTIONS.has(name)) {
      const value = inline === undefined ? argv[(i += 1)] : inline;
      if (name === "--include-path" || name === "-I") includePaths.push(value);
      else flags[name.slice(2)] = value;
    } else if (name.startsWith("--")) {
      flags[name.slice(2)] = true;
    } else if (name !== "-" && name.includes("=")) {
      remappings.push(name);
    } else {
      files.push(name);
    }
  }
  return { flags, includePaths, remappings, files };
}

function splitOnce(text) {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

// Remappings are applied by the compiler; what is asked for here is a source unit name.
function importer(basePath, includePaths) {
  const roots = [basePath, ...includePaths];
  return (name) => {
    for (const root of roots) {
      const file = path.resolve(root, name);
      if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
    }
    return { error: `Source "${name}" not found: searched in ${roots.join(", ")}.` };
  };
}

function compile(input, basePath, includePaths) {
  const solc = require("solc");
  const read = importer(basePath, includePaths);
  // The WebAssembly build takes contents only, the executable also takes a list of files.
  for (const [name, source] of Object.entries(input.sources || {})) {
    if (source.content === undefined && source.urls) {
      const found = source.urls.map((url) => read(url)).find((one) => one.contents !== undefined);
      if (found) input.sources[name] = { content: found.contents };
    }
  }
  return solc.compile(JSON.stringify(input), { import: read });
}

function combinedJson(options, basePath) {
  const { flags, includePaths, remappings, files } = options;
  const wanted = flags["combined-json"].split(",");
  const outputs = wanted.filter((name) => COMBINED[name]).map((name) => COMBINED[name]);
  const sources = {};
  for (const file of files) {
    if (file === "-") sources["<stdin>"] = { content: fs.readFileSync(0, "utf8") };
    else sources[unitName(file, basePath)] = { content: fs.readFileSync(file, "utf8") };
  }
  const settings = {
    remappings,
    optimizer: { enabled: Boolean(flags.optimize), runs: Number(flags["optimize-runs"] || 200) },
    outputSelection: { "*": { "*": outputs, "": ["ast"] } },
  };
  if (flags["evm-version"]) settings.evmVersion = flags["evm-version"];
  if (flags["via-ir"]) settings.viaIR = true;
  if (flags["metadata-hash"]) settings.metadata = { bytecodeHash: flags["metadata-hash"] };

  const input = { language: "Solidity", sources, settings };
  const output = JSON.parse(compile(input, basePath, includePaths));
  let failed = false;
  for (const error of output.errors || []) {
    process.stderr.write(`${error.formattedMessage}\n`);
    failed = failed || error.severity === "error";
  }
  if (failed) return 1;

  const contracts = {};
  for (const [source, byName] of Object.entries(output.contracts || {})) {
    for (const [name, contract] of Object.entries(byName)) {
      const entry = {};
      for (const key of wanted.filter((one) => COMBINED[one])) {
        entry[key] = COMBINED[key].split(".").reduce((at, step) => at && at[step], contract);
      }
      contracts[`${source}:${name}`] = entry;
    }
  }
  const units = Object.entries(output.sources || {}).sort((a, b) => a[1].id - b[1].id);
  const result = { contracts, version: version() };
  if (wanted.includes("ast")) {
    result.sources = Object.fromEntries(
      units.map(([name, unit]) => [name, { AST: unit.ast, id: unit.id }]),
    );
  }
  result.sourceList = units.map(([name]) => name);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return 0;
}

// As solc does: a path below the base path loses it.
function unitName(file, basePath) {
  const relative = path.relative(basePath, file);
  return relative.startsWith("..") ? path.resolve(file) : relative.split(path.sep).join("/");
}

// Tools look for the name of the Linux build after the commit.
function version() {
  return require("solc").version().replace("Emscripten.clang", "Linux.g++");
}

function main() {
  const options = parseArguments(process.argv.slice(2));
  const { flags, includePaths, files } = options;
  const basePath = path.resolve(flags["base-path"] || ".");
  if (flags.version) {
    process.stdout.write("solc, the solidity compiler commandline interface\n");
    process.stdout.write(`Version: ${version()}\n`);
    return 0;
  }
  if (flags.help) {
    // py-solc-x reads from this text what it may ask --combined-json for.
    process.stdout.write("Usage: solc [options] [remapping=target...] [input file...]\n\n");
    process.stdout.write(`  --combined-json ${Object.keys(COMBINED).join(",")}\n`);
    return 0;
  }
  if (flags["standard-json"]) {
    const file = files.find((name) => name !== "-");
    const input = JSON.parse(fs.readFileSync(file || 0, "utf8"));
    process.stdout.write(`${compile(input, basePath, includePaths)}\n`);
    return 0;
  }
  if (flags["combined-json"]) return combinedJson(options, basePath);
  process.stderr.write("solc.js: only --help, --version, --standard-json and --combined-json are known\n");
  return 1;
}

process.exitCode = main();
