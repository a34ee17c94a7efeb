package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What a POST is about, by its path.
var (
	respondPath = regexp.MustCompile(`/runs/([^/]+)/human-requests/([^/]+)/respond$`)
	stopPath    = regexp.MustCompile(`/runs/([^/]+)/stop$`)
	messagePath = regexp.MustCompile(`/runs/[^/]+/messages$`)
)

// checkPosts checks that what is sent again is the same to the byte, that the audit
// was told before, and that nothing else was sent.
func (e *evidence) checkPosts(rep *report, h heard) {
	sent, may := map[string]map[string]int{}, map[string]int{} // by what it is about; and then by key and body
	for _, p := range e.saw.Posts {
		about, said := p.Path, messageIn([]byte(p.Body))
		respond, stop := respondPath.FindStringSubmatch(p.Path), stopPath.FindStringSubmatch(p.Path)
		switch {
		case respond != nil:
			if r, ok := h.sent[respond[1]+" "+respond[2]]; !ok || r.At.After(p.At) {
				rep.problem(&rep.Unauthorised, "%s: the audit was not told before", p.Path)
			}
		case stop != nil:
			if !h.stops[stop[1]] {
				rep.problem(&rep.Unauthorised, "%s: nobody had asked for that", p.Path)
			}
			continue // it is the same each time, and has no key
		case strings.HasSuffix(p.Path, "/runs"):
			about = "the start of " + said
			may[about] = h.nothing[said] // nobody looks for the mark of a start that was found to be none
		case messagePath.MatchString(p.Path) && h.followUps[said]:
			about = "the message " + said
		case strings.HasSuffix(p.Path, "/sandboxes"):
			continue
		default:
			rep.problem(&rep.Unauthorised, "somebody sent a POST to %s", p.Path)
			continue
		}
		if sent[about] == nil {
			sent[about] = map[string]int{}
		}
		if len(sent[about]) > 0 {
			rep.Resent++
		}
		sent[about][p.Key+"\n"+p.Body]++
	}
	for _, about := range slices.Sorted(maps.Keys(sent)) {
		if n := len(sent[about]); n > 1+may[about] {
			rep.problem(&rep.Doubled, "%s: %d different requests were sent", about, n)
		}
	}
}
