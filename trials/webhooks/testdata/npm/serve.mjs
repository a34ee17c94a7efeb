// Signs and verifies, a line of JSON in and one out, with the libraries for Node.
import { createInterface } from "node:readline";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const libraries = { standard: Standard, svix: Svix };
for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let a;
  try {
    const secret = q.raw ? new Uint8Array(Buffer.from(q.secret, "base64")) : q.secret;
    const hook = new libraries[q.library](secret, q.raw ? { format: "raw" } : undefined);
    if (q.headers) {
      hook.verify(q.body, q.headers);
      a = {};
    } else {
      a = { signature: hook.sign(q.id, new Date(q.at * 1000), q.body) };
    }
  } catch (e) {
    a = { error: String(e) };
  }
  console.log(JSON.stringify(a));
}
