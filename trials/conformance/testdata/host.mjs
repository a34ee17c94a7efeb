// A host written with a TypeScript SDK: it lists the tools; calls one that takes
// longer than it waits, again and again, until it has the result; and calls one
// whose approval its user gives.
import assert from "node:assert/strict";

const { sdk, command, args, env, url, token } = JSON.parse(process.argv[2]);
const split = sdk.startsWith("sdk-"); // version 1 has a module for each part
const { Client } = await import(split ? `${sdk}/client/index.js` : sdk);
const { StdioClientTransport } = await import(split ? `${sdk}/client/stdio.js` : `${sdk}/stdio`);
const { StreamableHTTPClientTransport } = await import(split ? `${sdk}/client/streamableHttp.js` : sdk);
const elicit = split ? (await import(`${sdk}/types.js`)).ElicitRequestSchema : "elicitation/create";

const client = new Client({ name: "trial", version: "1" }, { capabilities: { elicitation: {} } });
let forms = 0;
client.setRequestHandler(elicit, async () => {
  forms++;
  return { action: "accept", content: { approve: true } };
});
await client.connect(
  url
    ? new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${token}` } } })
    : new StdioClientTransport({ command, args, env: { ...process.env, ...env }, stderr: "inherit" }),
);
const { tools } = await client.listTools();
assert.ok(tools.some((t) => t.name === "test_slow"));

const call = (name, timeout) => {
  const request = { name, arguments: { input: "of the trial" } };
  return split ? client.callTool(request, undefined, { timeout }) : client.callTool(request, { timeout });
};
let slow;
let calls = 0;
for (; !slow && calls < 6; calls++) {
  try {
    slow = await call("test_slow", 1000);
  } catch (e) {
    assert.match(String(e), /timed? ?out/i);
  }
}
assert.ok(calls > 1, "it did not even have to wait");
assert.match(slow?.content[0].text ?? "", /slow, and done/);
const approved = await call("test_elicitation", 10000);
assert.match(approved.content[0].text, /completed/);
assert.match(approved.content[0].text, /\bapproved/);
assert.equal(forms, 1);
await client.close();
