/**
 * Values as people read them.
 *
 * Laws:
 * - Pure, but for the language and the time zone of the browser.
 * - Nothing fails: what isn't a time or a number is shown as it is.
 */

import type { JsonValue } from "@interlock/client";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const numbers = new Intl.NumberFormat();

/** A number with its thousands set apart. */
export function count(value: number): string {
  return numbers.format(value);
}

/** A number of things: "1 event", "2 events". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** The time of day, with the date where that isn't today. `at` in milliseconds since 1970. */
export function timeOf(at: number, now = Date.now()): string {
  const time = clock.format(at);
  return new Date(at).toDateString() === new Date(now).toDateString() ? time : `${date.format(at)}, ${time}`;
}

/** The time of day, to the minute. */
export function minuteOf(at: number): string {
  return minutes.format(at);
}

/** Date and time, whole. */
export function dateTimeOf(at: number): string {
  return whole.format(at);
}

/** How long something took: `0.3 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 2 h`. */
export function durationOf(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return two(ms, MINUTE, "min", SECOND, "s");
  return ms < DAY ? two(ms, HOUR, "h", MINUTE, "min") : two(ms, DAY, "d", HOUR, "h");
}

function two(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}

/** How long ago something was. */
export function agoOf(at: number, now: number): string {
  const ms = now - at;
  if (ms < 5 * SECOND) return "just now";
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}

/** What is left of a time, to the second: `4:59`, `1:02:03`, `3 d 2 h`. */
export function leftOf(ms: number): string {
  if (ms >= DAY) return durationOf(ms);
  const seconds = Math.max(0, Math.ceil(ms / SECOND));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const pad = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** A value as text: a string as it is, all else as JSON. */
export function textOfValue(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** A value in one line of at most `most` characters. */
export function lineOf(value: JsonValue | undefined, most = 120): string {
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  const head = text
    .slice(0, most * 2)
    .replace(/\s+/g, " ")
    .trim();
  return head.length > most || text.length > most * 2 ? `${head.slice(0, most)}…` : head;
}

/** A JSON text's value, or what is wrong with it. */
export function parsed(text: string): { value: JsonValue } | { fault: string } {
  try {
    return { value: JSON.parse(text) as JsonValue };
  } catch (error) {
    return { fault: `This isn't JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
