/** The pages about machines, and about what goes on in them, beside each other. */

import { Link } from "wouter";

const SECTIONS = [
  ["machines", "/machines", "Machines"],
  ["errors", "/errors", "Errors"],
  ["webhooks", "/webhooks", "Webhooks"],
  ["integrations", "/integrations", "Integrations"],
] as const;

/** Links to them. */
export function Sections({ current }: { current: (typeof SECTIONS)[number][0] }) {
  return (
    <nav aria-label="About machines" className="sections">
      {SECTIONS.map(([key, to, label]) => (
        <Link
          key={key}
          href={to}
          className={key === current ? "current" : ""}
          {...(key === current ? { "aria-current": "page" as const } : {})}
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}
