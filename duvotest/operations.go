package duvotest

import "strings"

// An Operation is one operation of the API that a Duvo serves.
type Operation struct {
	ID     string // the operationId, such as "startRun"
	Method string // GET or POST
	Path   string // such as "/v2/teams/{team_id}/runs"
	Upload bool   // its body is a file's, in a form; that of all others is JSON
}

// Operations lists the operations of the API, in no particular order.
func Operations() []Operation {
	var out []Operation
	for _, r := range routes {
		if r.keyless {
			continue // of the API's stores
		}
		segments := make([]string, len(r.path))
		copy(segments, r.path)
		for k, s := range segments {
			if s == "{}" {
				segments[k] = "{" + parameter(segments[k-1]) + "}"
			}
		}
		out = append(out, Operation{ID: r.op, Method: r.method, Path: "/" + strings.Join(segments, "/"), Upload: r.upload})
	}
	return out
}

// parameter names what a path takes after the name of a collection.
func parameter(collection string) string {
	switch name := strings.ReplaceAll(collection, "-", "_"); {
	case name == "human_requests":
		return "request_id"
	case strings.HasSuffix(name, "xes"):
		return strings.TrimSuffix(name, "es") + "_id"
	default:
		return strings.TrimSuffix(name, "s") + "_id"
	}
}
