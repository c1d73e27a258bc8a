/** Lists, dictionaries and logs against arrays and maps, and that what was is never changed. */

import { describe, expect, it } from "vitest";
import type { RunMessage } from "../src/index.js";
import { EventLog } from "../src/log.js";
import { Dict, List } from "../src/persistent.js";
import { upTo } from "./support/numbers.js";
import { seeded } from "./support/proxy.js";

describe("List", () => {
  it.each([0, 1, 31, 32, 33, 1023, 1024, 1025, 1056, 1057, 32_800, 33_825])("holds %i items in order", (count) => {
    const list = List.from(upTo(count));
    expect([list.length, [...list], list.slice()]).toEqual([count, upTo(count), upTo(count)]);
    expect([list.at(0), list.at(count - 1), list.at(-1), list.at(count)]).toEqual(
      count === 0 ? [undefined, undefined, undefined, undefined] : [0, count - 1, count - 1, undefined],
    );
  });

  it("is as an array is, whatever is done to it, and what was before stays", () => {
    const random = seeded(3);
    const versions: [List<number>, number[]][] = [[List.of<number>(), []]];
    for (let step = 0; step < 3000; step++) {
      const [list, array] =
        versions[Math.floor(random() * versions.length * 0.2 + versions.length * 0.8)] ?? versions.at(-1)!;
      if (array.length > 0 && random() < 0.3) {
        const place = Math.floor(random() * array.length);
        versions.push([list.with(place, step), array.with(place, step)]);
      } else {
        versions.push([list.push(step), [...array, step]]);
      }
    }
    for (const [list, array] of versions) expect(list.slice()).toEqual(array);
    const [list, array] = versions.at(-1)!;
    for (const [start, end] of [
      [0, 10],
      [5, 70],
      [31, 33],
      [-4, 3],
      [60, 9999],
    ] as const) {
      expect(list.slice(start, end)).toEqual(array.slice(Math.max(0, start), end));
    }
    expect(() => list.with(array.length, 0)).toThrow(RangeError);
  });

  it("shares what it doesn't change", () => {
    const list = List.from(upTo(5000).map((each) => ({ each })));
    const changed = list.with(77, { each: -1 });
    const same = upTo(5000).filter((place) => list.at(place) === changed.at(place));
    expect(same.length).toBe(4999);
  });
});

describe("Dict", () => {
  it("is as a map is, and what was before stays", () => {
    const random = seeded(5);
    let dict = Dict.of<number>();
    const map = new Map<string, number>();
    const old: [Dict<number>, Map<string, number>][] = [];
    for (let step = 0; step < 20_000; step++) {
      const key = `key ${Math.floor(random() * 8000)}`;
      dict = dict.with(key, step);
      map.set(key, step);
      if (step % 4000 === 0) old.push([dict, new Map(map)]);
    }
    for (const [was, entries] of [...old, [dict, map] as const]) {
      for (const [key, value] of entries) expect(was.get(key)).toBe(value);
    }
    expect(old[0]![0].get("key that never was")).toBeUndefined();
  });

  it("tells keys apart whose hashes are the same", () => {
    // Found by search: FNV-1a of 32 bits is the same for both.
    const [one, other] = ["costarring", "liquid"];
    const dict = Dict.of([
      [one, 1],
      [other, 2],
    ]).with(one, 3);
    expect([dict.get(one), dict.get(other)]).toEqual([3, 2]);
  });
});

describe("EventLog", () => {
  const message = (index: number) => ({ event: "x", event_index: index, epoch: 1, run_id: "r" }) as RunMessage;
  const indexes = (messages: Iterable<RunMessage>) =>
    [...messages].map((each) => "event_index" in each && each.event_index);

  it("that is bounded keeps the last so many, at places that stay", () => {
    let log = EventLog.empty(10);
    for (let index = 0; index < 95; index++) {
      log = log.push(message(index));
      expect(log.end).toBe(index + 1);
      expect(log.length).toBeLessThanOrEqual(20);
      expect(log.length).toBeGreaterThanOrEqual(Math.min(10, index + 1));
      expect(indexes(log)).toEqual(upTo(index + 1).slice(log.start));
      expect(log.at(index)).toEqual(message(index));
      expect(log.at(log.start - 1)).toBeUndefined();
    }
    expect(indexes(log.slice(88, 91))).toEqual([88, 89, 90]);
    expect(indexes(log.slice(0, 85))).toEqual(upTo(85).slice(log.start));
  });

  it("that is complete keeps all", () => {
    let log = EventLog.empty(Infinity);
    for (let index = 0; index < 3000; index++) log = log.push(message(index));
    expect([log.start, log.length]).toEqual([0, 3000]);
  });
});
