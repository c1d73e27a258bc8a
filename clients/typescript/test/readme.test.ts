/** The examples of the README, as the compiler sees them. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import ts from "typescript";

const ROOT = resolve(import.meta.dirname, "..");
const TEXT = readFileSync(resolve(ROOT, "README.md"), "utf8");
const BLOCKS = [...TEXT.matchAll(/```(tsx?)\n(.*?)```/gs)].map(([, kind, code], at) => ({
  file: resolve(ROOT, `test/readme-${at}.${kind ?? "ts"}`),
  code: code ?? "",
}));

it("compile, as strictly as the client itself", () => {
  expect(BLOCKS.length).toBeGreaterThan(4);
  const { config } = ts.readConfigFile(resolve(ROOT, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const paths = {
    "@interlock/client": ["./src/index.ts"],
    "@interlock/client/inbox": ["./src/inbox.ts"],
    "@interlock/client/react": ["./src/react/index.ts"],
  };
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, paths }, ROOT);
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  const codes = new Map(BLOCKS.map((block) => [block.file, block.code]));
  host.readFile = (path) => codes.get(path) ?? read(path);
  const exists = host.fileExists.bind(host);
  host.fileExists = (path) => codes.has(path) || exists(path);
  const program = ts.createProgram([...codes.keys()], options, host);
  const said = ts.getPreEmitDiagnostics(program).map((each) => {
    const line = each.file ? each.file.getLineAndCharacterOfPosition(each.start ?? 0).line + 1 : 0;
    return `${each.file?.fileName ?? ""}:${line} ${ts.flattenDiagnosticMessageText(each.messageText, "\n")}`;
  });
  expect(said).toEqual([]);
});

it("link to what is there", () => {
  const links = [...TEXT.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].flatMap(([, path]) => path ?? []);
  for (const link of links) expect(ts.sys.fileExists(resolve(ROOT, link)), link).toBe(true);
});
