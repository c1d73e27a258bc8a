import { beforeEach, expect, test, vi } from "vitest";
import { isRefusal } from "../../src/pauses/words.ts";
import { subjectOf } from "../../src/pauses/subject.tsx";
import type { Question } from "../../src/pauses/history.ts";

beforeEach(() => {
  sessionStorage.clear();
  vi.resetModules();
});

test.each([
  [{ confirmed: false, on_reject: "cancel" }, true],
  [{ confirmation: false }, true],
  [{ decision: "cancel" }, true],
  [{ decision: "skip" }, true],
  [{ response: { confirmed: false } }, true],
  [{ executor_requirements: [{ confirmation: false }, { confirmation: false }] }, true],
  [{ executor_requirements: [{ confirmation: false }, { confirmation: true }] }, false],
  [{ decision: "retry" }, false],
  [{ confirmed: true }, false],
  [{ user_input: {} }, false],
])("whether %j says no: %s", (decision, says) => {
  expect(isRefusal(decision)).toBe(says);
});

test("a question is about what its step gets, or else about the message of its run", () => {
  const asked = (step_input?: unknown) =>
    ({ kind: "confirmation", requirement: { step_input } }) as unknown as Question;
  expect(subjectOf(asked({ to: "Ana" }), "the report")).toEqual([{ name: "What the step gets", value: { to: "Ana" } }]);
  expect(subjectOf(asked(), "the report")).toEqual([{ name: "The run’s message", value: "the report" }]);
  const both = { input: "the report", previous_step_content: { rows: 3 } };
  expect(subjectOf(asked(both), "the report").map(({ value }) => value)).toEqual(["the report", { rows: 3 }]);
  expect(subjectOf(asked({ ...both, previous_step_content: null }), "").map(({ value }) => value)).toEqual([
    "the report",
  ]);
  expect(subjectOf(asked(""), undefined)).toEqual([]);
});

/** The page after a reload: its memory is empty, its storage isn't. */
async function reloaded() {
  vi.resetModules();
  return await import("../../src/ui/draft.ts");
}

test("a half-written answer survives a reload, and is gone once it was sent or the person leaves", async () => {
  const { renderHook, act } = await import("@testing-library/react");
  const before = await reloaded();
  const { result } = renderHook(() => before.useDraft("one/feedback", ""));
  act(() => result.current[1]("not like this"));
  const after = await reloaded();
  expect(after.draftOf("one/feedback", "")).toBe("not like this");
  after.dropDrafts("one/");
  expect((await reloaded()).draftOf("one/feedback", "")).toBe("");
});

test("what isn't plain JSON is kept in memory only", async () => {
  const { renderHook, act } = await import("@testing-library/react");
  const { useDraft, draftOf } = await reloaded();
  const { result } = renderHook(() => useDraft<unknown>("one/halt", null));
  act(() => result.current[1]({ file: new Blob(["a"]) }));
  expect(draftOf("one/halt", null)).not.toBeNull();
  expect((await reloaded()).draftOf("one/halt", null)).toBeNull();
});

test("what was written and never sent is told as text, without which part of a form was open", async () => {
  const { renderHook, act } = await import("@testing-library/react");
  const { useDraft } = await reloaded();
  const { writtenAbout } = await import("../../src/pauses/unsent.tsx");
  const write = (key: string, value: unknown) => {
    const { result } = renderHook(() => useDraft<unknown>(key, null));
    act(() => result.current[1](value));
  };
  write("q/mode", "reject");
  expect(writtenAbout(["q"])).toBe("");
  write("q/feedback", "too long");
  write("tool/written", { text: null, note: "" });
  expect(writtenAbout(["q", "tool"])).toBe("too long");
});
