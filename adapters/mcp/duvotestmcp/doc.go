// Package duvotestmcp gives a Duvo of package duvotest its MCP server: the same
// Assignments, Jobs, faults and records, reached as Duvo's own is, by a POST to
// /v2/mcp.
//
//	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
//	defer d.Close()
//	client, err := mcp.Connect(ctx, mcp.With(duvotestmcp.New(d).Options()...))
//
// Every operation that the Duvo serves is a tool, but for the direct upload of a
// file, whose form as a tool is not published: the name is the operationId, the
// arguments are what stands in the path, the query and the body. Each call
// becomes a request to the Duvo itself, with the caller's key and
// Idempotency-Key, so that [duvotest.Duvo.Requests], faults and rate limits are
// those of REST. The handshake is the server's own: it asks for the key, and is
// neither counted as a request nor hit by faults.
//
// # What is told how
//
// Duvo does not publish in which form its MCP server tells failures. Here a
// wrong key, a request too many and every 5xx is the HTTP status of the POST,
// with the headers of the rate limit; any other failure is a tool's error, whose
// only text block is REST's error body with its status added. An answer that
// breaks off, or is no JSON, does so on the wire.
package duvotestmcp
