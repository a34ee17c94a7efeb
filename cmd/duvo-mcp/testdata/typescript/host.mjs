// An MCP host written with the TypeScript SDK, against duvo-mcp on its emulator:
// it lists the tools, calls one, sees progress, answers the approval that is
// asked for, and reads the result. Nothing but a yes may approve.
//
//   node host.mjs DUVO_MCP REVISION
//
// REVISION is 2026-07-28, for version 2 of the SDK, or 2025-11-25, for version 1.
// Further arguments are those of duvo-mcp; with -url URL the program is not
// started but reached there, with the token of DUVO_MCP_TOKEN.
import assert from "node:assert/strict";

const [program, revision, ...rest] = process.argv.slice(2);
const url = rest[0] === "-url" ? new URL(rest[1]) : undefined;
const modern = revision >= "2026-07-28";
const base = modern ? "@modelcontextprotocol/client" : "@modelcontextprotocol/sdk";

const { Client, StreamableHTTPClientTransport: HTTPOfV2 } = await import(modern ? base : `${base}/client/index.js`);
const { StdioClientTransport } = await import(modern ? `${base}/stdio` : `${base}/client/stdio.js`);
const elicitation = modern ? "elicitation/create" : (await import(`${base}/types.js`)).ElicitRequestSchema;

function transport(args) {
  if (!url) return new StdioClientTransport({ command: program, args, stderr: "inherit" });
  const requestInit = { headers: { Authorization: `Bearer ${process.env.DUVO_MCP_TOKEN}` } };
  return httpTransport(url, { requestInit });
}

const HTTP = modern ? HTTPOfV2 : (await import(`${base}/client/streamableHttp.js`)).StreamableHTTPClientTransport;
const httpTransport = (to, options) => new HTTP(to, options);

// call connects, calls the tool with the complaint and returns what it says.
async function call(answer) {
  const options = { capabilities: answer ? { elicitation: { form: {} } } : {} };
  if (modern) options.versionNegotiation = { mode: { pin: revision } };
  const client = new Client({ name: "typescript host", version: "1" }, options);
  const seen = { forms: [], progress: [] };
  if (answer) {
    client.setRequestHandler(elicitation, async (request) => {
      seen.forms.push(request.params);
      return answer;
    });
  }
  await client.connect(transport(["-emulator", "-elicit", "all", "-poll", "20ms", "-wait", "3s", ...rest]));
  try {
    const { tools } = await client.listTools();
    seen.tools = tools.map((t) => t.name);
    const request = { name: "complaint_handler", arguments: { input: "My order 4711 is damaged, I want my 120 EUR back." } };
    // Version 2 also tells of its own answer to a form, as progress.
    const onprogress = (p) => /^Fulfilling/.test(p.message) || seen.progress.push(p);
    const result = modern
      ? await client.callTool(request, { onprogress })
      : await client.callTool(request, undefined, { onprogress });
    assert.equal(result.content.length, 1);
    seen.text = result.content[0].text;
    return seen;
  } finally {
    await client.close();
  }
}

const approved = await call({ action: "accept", content: { approve: true, reason: "damaged" } });
assert.deepEqual(approved.tools, ["check_job", "complaint_handler", "contract_review", "newsletter", "order_status"]);
assert.equal(approved.forms.length, 1);
assert.match(approved.forms[0].message, /Refund 120 EUR/);
assert.equal(approved.forms[0].requestedSchema.properties.approve.type, "boolean");
assert.match(approved.text, /refund of 120 EUR/i);
const lines = approved.progress.map((p) => p.message);
// A request that ends by asking is answered right after the line that tells so, and
// this SDK drops a line of progress that it reads together with the answer.
const told = modern ? / started$/ : /asks: Refund 120 EUR/;
assert.ok(lines.some((m) => told.test(m)), `progress: ${JSON.stringify(lines)}`);
for (let i = 1; i < approved.progress.length; i++) {
  assert.ok(approved.progress[i].progress > approved.progress[i - 1].progress, "progress grows");
}
console.log(`approved: ${approved.progress.length} lines of progress, ${approved.forms.length} form`);

for (const [name, answer] of Object.entries({
  "accept without approve=true": { action: "accept", content: { approve: false } },
  decline: { action: "decline" },
  cancel: { action: "cancel" },
  "no elicitation": undefined,
})) {
  const denied = await call(answer);
  assert.match(denied.text, /was not approved/, name);
  assert.doesNotMatch(denied.text, /refund of 120 EUR was/i, name);
  console.log(`${name}: not approved`);
}
console.log("ok");
