/**
 * In which shape a JSON value is best shown. Pure.
 *
 * Laws:
 * - A table is for objects that are alike, and loses nothing of them: what isn't plain is written as JSON in its cell.
 * - A chart that can't be drawn as it says is shown as what it is: JSON.
 */

import type { JsonValue } from "@interlock/client";

type Facts = Record<string, JsonValue>;

/** Objects that are alike, by their columns. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly Facts[];
}

/** A chart: its kind, the labels along it, and a line, or the like, for each name. */
export interface Chart {
  readonly kind: "bar" | "line" | "pie";
  readonly title: string | null;
  readonly labels: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

const MOST_COLUMNS = 30;
const MOST_POINTS = 5000;

function factsOf(value: JsonValue | undefined): Facts | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
}

/** A list of objects as a table; null where a value is none. */
export function tableOf(value: JsonValue): Table | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  const rows = value.map(factsOf);
  if (!rows.every((row) => row !== null)) return null;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return columns.length > 0 && columns.length <= MOST_COLUMNS ? { columns, rows } : null;
}

/** What a cell says. */
export function cellOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * The chart that `{"chart": …}` describes; null where it isn't one that can be drawn.
 *
 * `{type: "bar" | "line" | "pie", title?, data: [{…}], x: "field", y: "field" | ["field", …]}`; or the same in the words of
 * Vega-Lite: `mark`, `data.values`, `encoding.x.field`, `encoding.y.field`.
 */
export function chartOf(value: JsonValue): Chart | null {
  const spec = factsOf(factsOf(value)?.["chart"]);
  if (spec === null) return null;
  const encoding = factsOf(spec["encoding"]);
  const rows = tableOf(factsOf(spec["data"])?.["values"] ?? spec["data"] ?? null)?.rows;
  const x = wordOf(spec["x"]) ?? wordOf(factsOf(encoding?.["x"] ?? encoding?.["color"])?.["field"]);
  const y = spec["y"] ?? factsOf(encoding?.["y"] ?? encoding?.["theta"])?.["field"];
  const names = (Array.isArray(y) ? y : [y]).flatMap((name) => wordOf(name) ?? []);
  const kind = KINDS[wordOf(spec["type"] ?? spec["mark"] ?? factsOf(spec["mark"])?.["type"]) ?? "bar"];
  if (!rows || rows.length > MOST_POINTS || x === null || names.length === 0 || kind === undefined) return null;
  const series = names.map((name) => ({ name, values: rows.map((row) => numberOf(row[name])) }));
  if (series.every(({ values }) => values.every((each) => each === null))) return null;
  return { kind, title: wordOf(spec["title"]), labels: rows.map((row) => cellOf(row[x])), series };
}

const KINDS: Partial<Record<string, Chart["kind"]>> = {
  bar: "bar",
  line: "line",
  area: "line",
  point: "line",
  pie: "pie",
  arc: "pie",
};

function wordOf(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function numberOf(value: JsonValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}
