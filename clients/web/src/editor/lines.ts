/**
 * Where in a JSON text something is: what a path such as `states.start.transitions[0].target` names, and where the text
 * stops being JSON. Pure.
 *
 * Laws:
 * - Any text has places: of a path that leads to nothing, as far as it leads.
 * - A name may have dots and brackets in it: the longest key that fits is meant.
 */

import { jsonLanguage } from "@codemirror/lang-json";
import type { SyntaxNode, Tree } from "@lezer/common";

/** A part of a text, from one character up to, not including, another. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/** Something wrong in a text, or to be looked at. */
export interface Fault extends Place {
  readonly severity: "error" | "warning";
  readonly message: string;
  /** From 1. */
  readonly line: number;
}

/** A JSON text, read. It may be broken. */
export class JsonText {
  readonly text: string;
  readonly #tree: Tree;

  constructor(text: string) {
    this.text = text;
    this.#tree = jsonLanguage.parser.parse(text);
  }

  /** What a path names: the key of an object or a list, a plain value itself. */
  placeOf(path: string): Place {
    const root = this.#tree.topNode.firstChild;
    return root === null ? { from: 0, to: Math.min(1, this.text.length) } : this.#follow(root, null, path);
  }

  #follow(value: SyntaxNode, key: SyntaxNode | null, path: string): Place {
    const next = path === "" ? null : this.#step(value, path);
    if (next !== null) return this.#follow(next.value, next.key, next.rest);
    if (key !== null && (path !== "" || isNested(value))) return key;
    return isNested(value) ? { from: value.from, to: value.from + 1 } : value;
  }

  #step(value: SyntaxNode, path: string): { value: SyntaxNode; key: SyntaxNode | null; rest: string } | null {
    if (value.name === "Array") {
      const [whole, place] = /^\.?\[(\d+)\]/.exec(path) ?? [];
      const item = place === undefined ? undefined : valuesIn(value)[Number(place)];
      return item && whole !== undefined ? { value: item, key: null, rest: path.slice(whole.length) } : null;
    }
    const wanted = path.replace(/^\./, "");
    const fits = propertiesOf(value).flatMap(({ key, value: inside }) => {
      const name = this.#nameOf(key);
      return wanted.startsWith(name) && /^($|\.|\[)/.test(wanted.slice(name.length)) ? [{ name, key, inside }] : [];
    });
    // Of a key that is there twice, the last counts.
    const best = fits.reduce<(typeof fits)[number] | null>(
      (found, each) => (found === null || each.name.length >= found.name.length ? each : found),
      null,
    );
    return best && { value: best.inside, key: best.key, rest: wanted.slice(best.name.length) };
  }

  #nameOf(key: SyntaxNode): string {
    try {
      return String(JSON.parse(this.text.slice(key.from, key.to)));
    } catch {
      return this.text.slice(key.from + 1, key.to - 1);
    }
  }

  /** The line that a character is in, from 1. */
  lineOf(place: number): number {
    let line = 1;
    for (let at = this.text.indexOf("\n"); at !== -1 && at < place; at = this.text.indexOf("\n", at + 1)) line++;
    return line;
  }

  /** A fault at a path. */
  faultAt(path: string, message: string, severity: Fault["severity"]): Fault {
    const { from, to } = this.placeOf(path);
    return { from, to, severity, message, line: this.lineOf(from) };
  }

  /** Where the text stops being JSON; null if it is. */
  syntaxFault(): Fault | null {
    try {
      JSON.parse(this.text);
      return null;
    } catch {
      const { from, to } = this.#broken();
      return { from, to, severity: "error", message: this.#whyAt(from), line: this.lineOf(from) };
    }
  }

  #broken(): Place {
    const found: Place[] = [];
    this.#tree.iterate({
      enter: ({ type, from, to }) => {
        if (type.isError && found.length === 0) found.push({ from, to });
        return found.length === 0;
      },
    });
    const { from, to } = found[0] ?? { from: this.text.trimEnd().length, to: this.text.length };
    // What is missing has no length of its own: the character before it is shown.
    return to > from ? { from, to } : { from: Math.max(0, this.#before(from)), to: Math.max(1, from) };
  }

  /** The place of the last character before this one that isn't white space. */
  #before(place: number): number {
    return this.text.slice(0, place).trimEnd().length - 1;
  }

  #whyAt(place: number): string {
    const shown = this.text.slice(place, place + 12).split("\n")[0] ?? "";
    if (this.text.trim() === "") return "The text is empty: a definition is an object, {…}.";
    return shown === "" ? "The text ends too early: something is left open." : `This isn’t JSON from here on: ${shown}`;
  }

  /** Keys that are there twice in one object: of each, only the last counts. */
  doubles(): Fault[] {
    const faults: Fault[] = [];
    this.#tree.iterate({
      enter: ({ name, node }) => {
        if (name !== "Object") return;
        const seen = new Set<string>();
        for (const { key } of propertiesOf(node)) {
          const said = this.#nameOf(key);
          const message = `“${said}” is here twice, and only the last one counts.`;
          const { from, to } = key;
          if (seen.has(said)) faults.push({ from, to, severity: "warning", message, line: this.lineOf(from) });
          seen.add(said);
        }
      },
    });
    return faults;
  }
}

function isNested({ name }: SyntaxNode): boolean {
  return name === "Object" || name === "Array";
}

const VALUES = new Set(["Object", "Array", "String", "Number", "True", "False", "Null"]);

function valuesIn(node: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling)
    if (VALUES.has(child.name)) found.push(child);
  return found;
}

function propertiesOf(node: SyntaxNode): { key: SyntaxNode; value: SyntaxNode }[] {
  if (node.name !== "Object") return [];
  return node.getChildren("Property").flatMap((property) => {
    const key = property.getChild("PropertyName");
    const [value] = valuesIn(property);
    return key && value ? [{ key, value }] : [];
  });
}
