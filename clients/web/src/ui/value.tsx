/**
 * A JSON value, for people: words as words, lists of objects as tables, charts as charts, and all else as a tree.
 *
 * Laws:
 * - What is large costs nothing until it is asked for: rows come a hundred at a time, and what is folded isn't drawn.
 * - A chart has its numbers as a table, too.
 */

import { lazy, Suspense, useState } from "react";
import type { JsonValue } from "@interlock/client";
import { Boundary } from "./boundary.tsx";
import { Button } from "./button.tsx";
import { Disclosed } from "./disclosed.tsx";
import { Folded } from "./folded.tsx";
import { count, counted, lineOf, textOfValue } from "./format.ts";
import { Skeleton } from "./notice.tsx";
import { Prose } from "./prose.tsx";
import { cellOf, chartOf, tableOf, type Chart, type Table } from "./shapes.ts";

const Drawn = lazy(() => import("./chart.tsx"));
const ROWS = 100;
/** A text in JSON that is shown whole: no tree is needed for it. */
const SHORT = 400;

/** Whether a value is made to be looked at: words, a table, a chart; else it is rather for programs. */
export function isForPeople(value: JsonValue): boolean {
  return typeof value === "string" || tableOf(value) !== null || chartOf(value) !== null;
}

/** A value of any kind and size. */
export function Value({ value, what = "output" }: { value: JsonValue; what?: string }) {
  if (typeof value === "string") return <Prose text={value} what={what} />;
  const chart = chartOf(value);
  if (chart !== null) return <ChartBox chart={chart} />;
  const table = tableOf(value);
  if (table !== null) return <Rows table={table} />;
  const text = textOfValue(value);
  if (text.length <= SHORT || typeof value !== "object" || value === null)
    return <Folded text={text} what={what} code />;
  return (
    <div className="tree">
      <Branches value={value} />
      <Disclosed title="As JSON">
        <Folded text={text} what={what} code />
      </Disclosed>
    </div>
  );
}

function ChartBox({ chart }: { chart: Chart }) {
  const { labels, series, title } = chart;
  const rows = labels.map((label, at) => {
    const values = series.map(({ name, values }): [string, JsonValue] => [name, values[at] ?? null]);
    return Object.fromEntries<JsonValue>([["", label], ...values]);
  });
  return (
    <figure className="chart">
      {title !== null && <figcaption>{title}</figcaption>}
      <Boundary fallback={null}>
        <Suspense fallback={<Skeleton label="Loading the chart" />}>
          <Drawn chart={chart} />
        </Suspense>
      </Boundary>
      <Disclosed title="As a table">
        <Rows table={{ columns: ["", ...series.map(({ name }) => name)], rows }} />
      </Disclosed>
    </figure>
  );
}

function Rows({ table: { columns, rows } }: { table: Table }) {
  const [most, setMost] = useState(ROWS);
  return (
    <div className="value-table">
      <div className="table-box" tabIndex={0} role="region" aria-label={`Table of ${counted(rows.length, "row")}`}>
        <table>
          <thead>
            <tr>
              {columns.map((name) => (
                <th key={name} scope="col">
                  {name === "" ? <span className="unseen">Label</span> : name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, most).map((row, at) => (
              <tr key={at}>
                {columns.map((name) => (
                  <td key={name} className={typeof row[name] === "number" ? "number" : ""}>
                    {cellOf(row[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > most && (
        <Button tone="quiet" small onPress={() => setMost(most + ROWS)}>
          Show more: {count(most)} of {count(rows.length)} rows are shown
        </Button>
      )}
    </div>
  );
}

function Branches({ value }: { value: readonly JsonValue[] | Readonly<Record<string, JsonValue>> }) {
  const [most, setMost] = useState(ROWS);
  const entries = Object.entries<JsonValue>(value);
  return (
    <ul>
      {entries.slice(0, most).map(([name, each]) => (
        <li key={name}>
          {typeof each === "object" && each !== null && Object.keys(each).length > 0 ? (
            <Disclosed title={`${name}: ${sumOf(each)}`}>
              {tableOf(each) ? <Value value={each} /> : <Branches value={each} />}
            </Disclosed>
          ) : (
            <p>
              <span className="hint">{name}:</span> {cellOf(each) || "—"}
            </p>
          )}
        </li>
      ))}
      {entries.length > most && (
        <li>
          <Button tone="quiet" small onPress={() => setMost(most + ROWS)}>
            Show more of {count(entries.length)}
          </Button>
        </li>
      )}
    </ul>
  );
}

function sumOf(value: JsonValue[] | Record<string, JsonValue>): string {
  return Array.isArray(value) ? counted(value.length, "item") : lineOf(Object.keys(value).join(", "), 60);
}
