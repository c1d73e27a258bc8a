import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import Markdown from "../../src/ui/markdown.tsx";

afterEach(cleanup);

const drawn = (text: string) => render(<Markdown text={text} live={false} />).container;

test("links open elsewhere and know nothing of this page; what isn't of the web is no link", () => {
  const [link, ...others] = drawn(
    "[a](https://example.org) [b](javascript:alert(1)) [c](data:text/html,x)",
  ).querySelectorAll("a");
  expect(others).toEqual([]);
  expect(link?.getAttribute("rel")).toContain("noopener noreferrer");
  expect(link?.target).toBe("_blank");
});

test.each([
  "![x](https://example.org/spy.png) **bold**",
  "<img src=x onerror=alert(1)> **bold**",
  "<script>alert(1)</script>\n\n**bold**",
  "**bold** <iframe src=https://example.org></iframe><style>*{display:none}</style>",
])("nothing is fetched or run for %j", (text) => {
  const box = drawn(text);
  expect(box.querySelector("img, script, iframe, style, object, svg:not([aria-hidden])")).toBeNull();
  expect(box.querySelector("strong")?.textContent).toBe("bold");
});

test("raw HTML is there as text", () => {
  expect(drawn("**x** <b onclick=alert(1)>y</b>").textContent).toContain("<b onclick=alert(1)>y</b>");
});
