/**
 * Markdown, drawn: loaded when the first text wants it.
 *
 * Laws:
 * - What a run says is never HTML: raw HTML in it is shown as text, and what is drawn has passed a list of what is allowed.
 * - Nothing is fetched because a text says so: a picture is a link to it, and links open another page that knows nothing
 *   of this one.
 */

import { memo, useState, type ComponentProps, type ReactNode } from "react";
import { Check, Copy } from "lucide-react";
import Parsed, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { Button } from "./button.tsx";
import { blocksOf } from "./markdown-blocks.ts";

const SCHEMA = {
  ...defaultSchema,
  protocols: { href: ["http", "https", "mailto"] },
  clobberPrefix: "said-",
};
interface Node {
  type: string;
  children?: Node[];
}

/** HTML in a text is a part of what was said: it is shown as it was written. */
const htmlAsText = () => (tree: Node) => asText(tree);

function asText(node: Node): void {
  if (node.type === "html") node.type = "text";
  node.children?.forEach(asText);
}

const BEFORE = [remarkGfm, htmlAsText];
const AFTER: ComponentProps<typeof Parsed>["rehypePlugins"] = [[rehypeSanitize, SCHEMA]];

/** A text in Markdown; while it is `live`, what was written before stays as it was drawn. */
export default function Markdown({ text, live }: { text: string; live: boolean }) {
  if (!live) return <Block text={text} />;
  return blocksOf(text).map((block, place) => <Block key={place} text={block} />);
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <Parsed remarkPlugins={BEFORE} rehypePlugins={AFTER} components={COMPONENTS}>
      {text}
    </Parsed>
  );
});

const COMPONENTS: Components = {
  a: ({ href, children }) => <Away href={href}>{children}</Away>,
  img: ({ src, alt }) => <Away href={src}>Picture{alt ? `: ${alt}` : ""}</Away>,
  pre: ({ children }) => <Code>{children}</Code>,
  table: ({ children }) => (
    <div className="table-box" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
  // A page has one heading of the first level: those of a text are below those around it.
  h1: ({ children }) => <h4 className="said-h1">{children}</h4>,
  h2: ({ children }) => <h4 className="said-h2">{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h5>{children}</h5>,
  h5: ({ children }) => <h6>{children}</h6>,
};

function Away({ href, children }: { href: string | undefined; children: ReactNode }) {
  if (href === undefined || !/^(?:https?:|mailto:)/i.test(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function Code({ children }: { children: ReactNode }) {
  const [box, setBox] = useState<HTMLPreElement | null>(null);
  return (
    <div className="code-block">
      <pre className="said code" ref={setBox} tabIndex={0}>
        {children}
      </pre>
      <CopyButton text={() => box?.textContent ?? ""} />
    </div>
  );
}

/** Puts a text on the clipboard, where there is one. */
export function CopyButton({ text }: { text: () => string }) {
  const [isDone, setDone] = useState(false);
  if (!("clipboard" in navigator)) return null;
  const copy = () => void navigator.clipboard.writeText(text()).then(() => setDone(true));
  return (
    <Button tone="quiet" small aria-label={isDone ? "Copied" : "Copy"} onPress={copy}>
      {isDone ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
    </Button>
  );
}
