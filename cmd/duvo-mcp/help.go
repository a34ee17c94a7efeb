package main

import (
	"slices"

	"github.com/duvotool/duvotool/internal/usage"
)

// help is what -h says besides the flags.
var help = usage.Text{
	Does: "Offers a team's Duvo Assignments as tools to an MCP host, over stdio or HTTP.",
	About: `A host's model calls a tool, which runs a Job. What the Job asks a person for is
denied, unless -elicit lets the host's user decide it, or -fallback leave leaves it to
Duvo's own inbox. Where that user cannot be asked or does not answer, nothing is sent, and
the request stays open in Duvo.

Hosts are greeted at once; the Assignments are listed meanwhile, and what is wrong with the
key or the flags is told to hosts that ask for the tools, and on stderr.`,
	Env: slices.Concat(usage.Duvo("needed without -emulator"), []usage.Entry{
		{Name: envToken, Means: "with -http: the bearer token that hosts must send; something that cannot be guessed"},
	}),
	Exit: []usage.Entry{
		{Name: "0", Means: "the host has left, or it was stopped by ctrl-C or SIGTERM"},
		{Name: "1", Means: "it cannot serve, or not as it was told to; stderr says why"},
	},
	Examples: []string{
		"duvo-mcp -emulator -elicit all",
		"duvo-mcp -fallback leave -journal jobs.db -scope user",
		envToken + "=$(openssl rand -hex 32) duvo-mcp -http 127.0.0.1:8080",
	},
}
