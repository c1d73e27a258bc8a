// @vitest-environment jsdom
/** The field for files of a `<WorkflowForm>`: chosen, uploaded, taken out again, and sent as ids. */

import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { InterlockError, type JsonValue, type Presentation, type UploadedFile } from "../../src/index.js";
import { WorkflowForm, type FormFiles, type WorkflowFormProps } from "../../src/react/index.js";

afterEach(cleanup);

const FORM: Presentation = {
  type: "form",
  fields: [{ name: "scans", type: "file", label: "Scans", accept: ".pdf, image/*", maxSize: 10, required: true }],
};

function uploadedAs(id: string, name: string): UploadedFile {
  return { id, name, size: 1, content_type: "image/png", sha256: "", created_at: "" };
}

/** A server for files, whose answers to uploads a test gives one by one. */
function server() {
  const answers: { name: string; done: (id: string) => void; fail: (error: Error) => void }[] = [];
  const files = {
    upload: vi.fn<FormFiles["upload"]>(
      (content, { signal } = {}) =>
        new Promise((resolve, reject) => {
          const { name } = content as File;
          answers.push({ name, done: (id) => resolve(uploadedAs(id, name)), fail: reject });
          signal?.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    ),
    info: vi.fn<FormFiles["info"]>((id) => Promise.resolve(uploadedAs(id, `name of ${id}`))),
    delete: vi.fn<FormFiles["delete"]>(() => Promise.resolve()),
  };
  return { files, answers };
}

function shown(more: Partial<WorkflowFormProps> = {}) {
  const { files, answers } = server();
  const onSubmit = vi.fn<(input: Record<string, JsonValue>) => void>();
  render(<WorkflowForm presentation={FORM} onSubmit={onSubmit} files={files} {...more} />);
  const input = screen.getByLabelText<HTMLInputElement>(/^Scans/);
  const choose = (...names: string[]) => {
    const chosen = names.map((name) => new File([name === "large" ? "x".repeat(11) : "x"], name));
    act(() => void fireEvent.change(input, { target: { files: chosen } }));
  };
  return { files, answers, onSubmit, input, choose };
}

const press = (name: string) => act(() => void fireEvent.click(screen.getByRole("button", { name })));
const listed = () => screen.queryAllByRole("listitem").map((each) => each.querySelector("span")?.textContent);
const settle = (work: () => void) =>
  act(async () => {
    work();
    await Promise.resolve();
  });

describe("a field for files", () => {
  it("uploads what is chosen, shows it on its way, and gives the ids", async () => {
    const { answers, onSubmit, input, choose } = shown();
    expect([input.type, input.accept, input.multiple]).toEqual(["file", ".pdf, image/*", true]);
    choose("a.png", "b.png");
    expect(screen.getByRole("progressbar", { name: "Uploading a.png" })).toBeTruthy();
    press("Submit");
    expect(onSubmit).not.toHaveBeenCalled();
    expect(screen.getByText(/still being uploaded/)).toBeTruthy();
    await settle(() => {
      answers[1]!.done("file_b"); // both at once: neither is lost
      answers[0]!.done("file_a");
    });
    expect(screen.queryByRole("progressbar")).toBeNull();
    expect(listed().sort()).toEqual(["a.png", "b.png"]);
    press("Submit");
    expect(onSubmit.mock.calls).toEqual([[{ scans: ["file_b", "file_a"] }]]);
  });

  it("takes a file out again, and deletes what it uploaded itself", async () => {
    const { files, answers, onSubmit, choose } = shown({ draft: { scans: "file_old" } });
    await settle(() => undefined);
    expect(listed()).toEqual(["name of file_old"]);
    choose("a.png");
    await settle(() => answers[0]!.done("file_a"));
    press("Remove a.png");
    press("Remove name of file_old");
    expect(files.delete.mock.calls).toEqual([["file_a"]]);
    press("Submit");
    expect(onSubmit).not.toHaveBeenCalled(); // it is required
  });

  it("gives an upload up", async () => {
    const { answers, choose } = shown();
    choose("a.png");
    await settle(() => void fireEvent.click(screen.getByRole("button", { name: "Remove a.png" })));
    expect([answers.length, listed()]).toEqual([1, []]);
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("tells what is too large or too much before anything is sent, and what the server refuses", async () => {
    const { files, answers, choose } = shown();
    choose("large");
    expect(screen.getByRole("alert").textContent).toBe("large has 11 bytes, and at most 10 bytes are taken.");
    expect(files.upload).not.toHaveBeenCalled();
    choose("1", "2", "3", "4", "5", "6");
    expect(screen.getByRole("alert").textContent).toBe("At most 5 files are taken; remove one first.");
    expect(files.upload).toHaveBeenCalledTimes(5);
    await settle(() => answers[0]!.fail(new InterlockError("forbidden", "This needs a token.")));
    expect(screen.getByRole("alert").textContent).toContain("1: This needs a token.");
  });
});
