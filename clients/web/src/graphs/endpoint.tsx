/** The request that runs a graph, to be copied. */

import { useState } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { Plug } from "lucide-react";
import { useInterlock } from "@interlock/client/react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { useAnswer } from "../ui/use-answer.ts";
import { Copied } from "./copied.tsx";

interface EndpointProps {
  name: string;
  isActive: boolean;
  tone?: "plain" | "quiet";
}

/** The button, and the dialog that it opens. */
export function EndpointButton({ name, isActive, tone = "plain" }: EndpointProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button small tone={tone} aria-label={`Endpoint of ${name}`} onPress={() => setOpen(true)}>
        <Plug size={14} aria-hidden /> Endpoint
      </Button>
      <Dialog title={`The endpoint of ${name}`} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Endpoint name={name} isActive={isActive} onClose={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function Endpoint({ name, isActive, onClose }: EndpointProps & { onClose: () => void }) {
  const { client } = useInterlock();
  const { data, error, again } = useAnswer(`endpoint ${name} ${isActive}`, () => client.graphs.endpoint(name));
  return (
    <div className="stack">
      {!isActive && <Notice>It answers once the graph is activated.</Notice>}
      {data === null && error === null && <Skeleton label="Loading the endpoint" />}
      {error && (
        <Notice tone="fault" again={again}>
          {error.message}
        </Notice>
      )}
      {data && (
        <>
          <p>
            <strong>{data.method}</strong> <code className="name">{data.url}</code>
          </p>
          <Tabs className="tabs">
            <TabList aria-label="The request" className="tab-list">
              <Tab id="curl">curl</Tab>
              <Tab id="body">Body</Tab>
              <Tab id="schema">Schema of the body</Tab>
            </TabList>
            <TabPanel id="curl">
              <Copied text={data.curl} what="curl command" />
              <p className="hint">
                The token is that of a login, or one that the operator gave; it needs the scope graphs:execute.
              </p>
            </TabPanel>
            <TabPanel id="body">
              <Copied text={JSON.stringify(data.body_example, null, 2)} what="body" />
            </TabPanel>
            <TabPanel id="schema">
              <Copied text={JSON.stringify(data.body_schema, null, 2)} what="schema" />
            </TabPanel>
          </Tabs>
        </>
      )}
      <div className="actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </div>
  );
}
