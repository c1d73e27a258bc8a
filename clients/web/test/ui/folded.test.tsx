import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Folded } from "../../src/ui/folded.tsx";

afterEach(cleanup);

function shown(): string {
  return document.querySelector("pre")?.textContent ?? "";
}

test("what looks like HTML is text", () => {
  render(<Folded text={"<img src=x onerror=alert(1)><script>alert(2)</script>"} />);
  expect(document.querySelector("img, script")).toBeNull();
  expect(shown()).toContain("<script>");
});

test("2,000 characters are whole, and one more is folded", () => {
  const { rerender } = render(<Folded text={"x".repeat(2000)} />);
  expect(screen.queryByRole("button")).toBeNull();
  rerender(<Folded text={"x".repeat(2001)} />);
  expect(shown()).toBe(`${"x".repeat(2000)}…`);
});

test("the button shows all, and folds again", () => {
  render(<Folded text={"x".repeat(5000)} what="output" />);
  fireEvent.click(screen.getByRole("button", { name: "Show all 5,000 characters" }));
  expect(shown()).toHaveLength(5000);
  fireEvent.click(screen.getByRole("button", { name: "Fold the output" }));
  expect(shown()).toHaveLength(2001);
});

test("a huge text is shown piece by piece", () => {
  render(<Folded text={"x".repeat(1_000_000)} />);
  fireEvent.click(screen.getByRole("button", { name: /^Show more/ }));
  expect(shown()).toHaveLength(52_001);
});

test("while it is written, its end is shown", () => {
  render(<Folded text={`${"a".repeat(20_000)}end`} live />);
  expect(shown()).toMatch(/^…a+end$/);
});

test("who has read along isn't folded away from", () => {
  const { rerender } = render(<Folded text={"x".repeat(3000)} live />);
  rerender(<Folded text={"x".repeat(3000)} />);
  expect(shown()).toHaveLength(3000);
});
