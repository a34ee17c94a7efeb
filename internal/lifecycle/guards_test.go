package lifecycle

import "testing"

// removals takes each guard away in a world where it is needed.
func removals() []struct {
	name  string
	guard guard
	scene scene
} {
	type removal = struct {
		name  string
		guard guard
		scene scene
	}
	return []removal{
		{"a decision is bound to its text", guardDigest, scene{opts: quick(), began: true, requests: 1, edits: 1, slow: true}},
		{"a read just before each response", guardRead, scene{opts: quick(), began: true, requests: 1, edits: 1, slow: true}},
		{"what may have been sent is never decided again", guardOnce, scene{opts: quick(), began: true, requests: 1, faults: 1, edits: 1, sendFaults: true}},
		{"no response is repeated before a late effect has landed", guardSettle, scene{opts: quick(), began: true, requests: 2, faults: 1, sendFaults: true, late: true}},
		{"no start is repeated before a late effect must be found", guardSearch, scene{opts: with(marked), calls: 1, faults: 1, sendFaults: true, late: true}},
		{"no start is repeated where the search fails", guardSearchFail, scene{opts: with(marked), calls: 1, faults: 3, sendFaults: true, searchFaults: true}},
		{"nothing is sent without callers", guardCancel, scene{opts: quick(), calls: 1, leaves: 1, keys: true}},
		{"rules are asked again after a death", guardVeto, scene{opts: quick(), began: true, requests: 1, deaths: 1, rulesChange: true}},
		{"rules are asked again before a response is repeated", guardResend, scene{opts: quick(), began: true, requests: 1, faults: 1, deaths: 1, rulesChange: true, sendFaults: true}},
		{"nothing is sent before its announcement is recorded", guardDurable, scene{opts: with(marked), calls: 2, deaths: 1}},
		{"a send does not begin too late", guardNotAfter, scene{opts: quick(), began: true, requests: 1, edits: 1, slow: true}},
		{"another's announcement is waited out", guardUntil, scene{opts: with(func(o *Options) { o.Settle = 0 }), began: true, procs: 2, requests: 2, slow: true}},
		{"an old start is not repeated", guardStartMax, scene{opts: with(func(o *Options) { o.StartMax = 4 }), calls: 1, faults: 3, sendFaults: true, keys: true, keyAge: 5, slow: true}},
		{"ages are taken by the wall clock too", guardWall, scene{opts: quick(), began: true, requests: 1, jumps: 1, edits: 1}},
		{"a Job is gone only when it was missing for long", guardMissing, scene{opts: quick(), calls: 1, faults: 1, readFaults: []Class{Missing}}},
		{"a Job is gone only under the credential that started it", guardCredential, scene{opts: quick(), calls: 1, deaths: 1, otherPrint: true, keys: true}},
		{"a refused credential proves nothing", guardDenied, scene{opts: quick(), calls: 1, faults: 1, readFaults: []Class{NotAllowed}}},
		{"a page that makes no sense proves nothing", guardOdd, scene{opts: quick(), calls: 1, faults: 1, readFaults: []Class{Odd}}},
		{"nothing is sent after Close", guardClose, scene{opts: quick(), calls: 1, closes: 1}},
		{"nothing is started while it drains", guardDrain, scene{opts: quick(), calls: 1, closes: 1, drains: true}},
		{"a drain waits for nobody", guardPeople, scene{opts: quick(), began: true, requests: 1, closes: 1, drains: true, suspend: true}},
		{"what a process was at when it closed is taken up", guardOrphan, scene{opts: quick(), calls: 1, closes: 1, keys: true}},
		{"what a dead process had announced may have been sent", guardDoubt, scene{opts: with(marked), calls: 2, deaths: 1}},
		{"a refusal proves nothing about an earlier attempt", guardRefusal, scene{opts: quick(), calls: 1, faults: 2, sendFaults: true, refusals: true, keys: true}},
		{"an old decision is not sent", guardAge, scene{opts: with(func(o *Options) { o.DecisionMax = 1 }), began: true, requests: 1, deaths: 1, faults: 1, saveFaults: true, sendFaults: true, slow: true}},
		{"another process has time to record its start", guardRecording, scene{opts: with(func(o *Options) { o.Recording = 2 }), procs: 2, calls: 2, slow: true, recording: true}},
		{"no message is repeated before a late effect has landed", guardRepost, scene{opts: quick(), follow: true, calls: 1, faults: 1, sendFaults: true, late: true}},
		{"parked means that nobody holds it", guardHolders, scene{opts: quick(), procs: 2, calls: 2, leaves: 1, deaths: 1, keys: true}},
		{"facts outlive a conflict", guardMerge, scene{opts: quick(), procs: 2, calls: 2}},
		{"a fact that could not be recorded is recorded later", guardFacts, scene{opts: quick(), began: true, requests: 1, faults: 1, saveFaults: true}},
		{"what waits stays pending while the journal fails", guardPending, scene{opts: quick(), requests: 1, calls: 1, faults: 1, saveFaults: true}},
		{"a row older than the last read proves nothing", guardFloor, scene{opts: with(func(o *Options) { o.TrustLists = true }), follow: true, calls: 1, listed: 1}},
		{"a Job last seen waiting is always read", guardListed, scene{opts: with(func(o *Options) { o.TrustLists = true }), began: true, requests: 1, listed: 1}},
		{"Jobs and requests are claimed", guardClaim, scene{opts: with(func(o *Options) { o.Claims = true }), procs: 2, two: true, follow: true, requests: 1, calls: 2}},
		{"a message goes only to a Job that has ended", guardMessage, scene{opts: quick(), follow: true, requests: 1, calls: 1, faults: 1, sendFaults: true, outsiders: 1}},
		{"people's time is not the Job's", guardHuman, scene{opts: with(func(o *Options) { o.JobTimeout = 3 }), began: true, requests: 1, slow: true}},
		{"accepted work is not given up for what may mend", guardAccepted, scene{opts: quick(), calls: 1, budgets: 1, faults: 2, sendFaults: true, keys: true}},
		{"only the owner works", guardOwner, scene{opts: leased(nil), began: true, procs: 2, requests: 1}},
		{"nothing is put under a lease that another has", guardFence, scene{opts: leased(nil), began: true, procs: 2, requests: 1, lapses: 1}},
		{"that nothing was begun is told where the journal agrees", guardNothing, scene{opts: quick(), procs: 2, follow: true, calls: 2}},
		{"a server's wish to be left alone is bounded", guardRetry, scene{opts: quick(), began: true, requests: 1, faults: 1, sendFaults: true, retryAfter: 1000}},
	}
}

// TestEveryGuardIsNeeded takes each guard away and expects the check to find a
// world that is bad; the same world is safe with it, as far as it is explored.
func TestEveryGuardIsNeeded(t *testing.T) {
	all := removals()
	if raceDetector { // see mostStates
		all = all[:5]
	}
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			with, without := r.scene, r.scene
			without.opts.without = r.guard
			f := explore(&without, *states)
			if f.bad == "" {
				t.Fatalf("nothing was found in %d states", f.states)
			}
			t.Logf("%s: %d events, %d states: %s", r.name, len(f.trace), f.states, f)
			// One of them is too large to be closed here; TestEveryWorldIsSafe
			// explores such worlds whole.
			if f := explore(&with, min(60_000, mostStates())); f.bad != "" {
				t.Errorf("with the guard, in %d states: %s", f.states, f)
			}
		})
	}
}
