/** Something that is shown when it is asked for. */

import type { ReactNode } from "react";
import { ChevronRight } from "lucide-react";
import { Button, Disclosure, DisclosurePanel, Heading } from "react-aria-components";

/** A title that opens what belongs to it. What is closed isn't drawn. */
export function Disclosed({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Disclosure className="disclosure">
      {({ isExpanded }) => (
        <>
          <Heading level={4}>
            <Button slot="trigger" className="button quiet small disclose">
              <ChevronRight size={14} aria-hidden className="chevron" /> {title}
            </Button>
          </Heading>
          <DisclosurePanel>{isExpanded && children}</DisclosurePanel>
        </>
      )}
    </Disclosure>
  );
}
