package lifecycle

import "slices"

// quick are options whose spans are as short as they can be in a world that
// counts in ticks.
func quick() Options {
	return Options{Stale: 1, Window: 1, Post: 1, Settle: 1, Recording: 1, Resend: 1, Pause: 1, Skew: 2,
		StuckGrace: 1, AcceptedGrace: 2, MissingGrace: 2, OddGrace: 2, BackoffMin: 1, BackoffMax: 2, Attempts: 2, PageSize: 50}
}

func with(f func(*Options)) Options { o := quick(); f(&o); return o }

func marked(o *Options) { o.CanLocate = true }

func forgets(o *Options) { o.Forgets = true }

// scenes are the worlds that are explored.
func scenes() []*scene { return slices.Concat(callScenes(), otherScenes(), leaseScenes()) }

// callScenes are about starts, responses and policies.
func callScenes() []*scene {
	return []*scene{
		{name: "nothing goes wrong", opts: quick(), requests: 2, calls: 1, keys: true},
		{name: "two callers, who leave", opts: quick(), requests: 2, calls: 2, leaves: 2, keys: true, deny: true},

		// Starts.
		{name: "starts: keys honoured, a fault, a death", opts: with(func(o *Options) { o.StartMax = 4 }), calls: 2, faults: 2, deaths: 1, leaves: 1,
			saveFaults: true, sendFaults: true, late: true, refusals: true, keys: true, slow: true},
		{name: "starts: marked, keys ignored, late effects, the search fails", opts: with(marked), calls: 2, faults: 2, deaths: 1, leaves: 1,
			sendFaults: true, late: true, refusals: true, slow: true, searchFaults: true},
		{name: "starts: an old one is not repeated", opts: with(func(o *Options) { o.StartMax = 4 }), calls: 1, faults: 2, deaths: 1,
			sendFaults: true, late: true, slow: true, keys: true, keyAge: 5},
		{name: "starts: webhooks may tell, keys honoured, the search fails", opts: with(func(o *Options) { o.Hinted, o.StartMax = true, 4 }), calls: 2, faults: 2, deaths: 1, leaves: 1,
			sendFaults: true, late: true, refusals: true, keys: true, searchFaults: true},

		// Responses.
		{name: "responses: a fault, a death, lax server", opts: quick(), requests: 2, calls: 1, faults: 1, deaths: 1, saveFaults: true, sendFaults: true, late: true, deny: true, startKeys: true},
		{name: "responses: edits, an outsider, a fault, lax server", opts: quick(), requests: 1, calls: 1, faults: 1, edits: 1, outsiders: 1,
			sendFaults: true, late: true, refusals: true, deny: true, lateAnswers: true, startKeys: true},
		{name: "responses: an edit, a death", opts: quick(), requests: 1, calls: 2, edits: 1, deaths: 1, faults: 1, leaves: 1,
			sendFaults: true, saveFaults: true, late: true, lateAnswers: true, startKeys: true},
		{name: "responses: keys and requests checked, resent at once", opts: with(func(o *Options) { o.KeysHonoured = true }), requests: 2, calls: 1, faults: 2, deaths: 1,
			sendFaults: true, late: true, keys: true, checks: true},
		{name: "responses: slow driver, slow reads, an edit", opts: quick(), requests: 1, calls: 1, edits: 1, faults: 1, sendFaults: true, slow: true, slowReads: true, startKeys: true},
		{name: "responses: old decisions and new rules", opts: with(func(o *Options) { o.DecisionMax = 4 }), requests: 1, calls: 1, deaths: 1, faults: 1, edits: 1,
			sendFaults: true, late: true, rulesChange: true, startKeys: true},

		// Nothing is recorded.
		{name: "no journal: two callers, an outsider, an edit, a fault", opts: with(forgets), requests: 1, calls: 2, leaves: 1, edits: 1, outsiders: 1, faults: 1,
			sendFaults: true, late: true, refusals: true, deny: true, lateAnswers: true, startKeys: true},
		{name: "no journal: starts marked, keys ignored, late effects", opts: with(func(o *Options) { forgets(o); marked(o) }), calls: 2, faults: 2, leaves: 1,
			sendFaults: true, late: true, refusals: true, slow: true, searchFaults: true},
		{name: "no journal: a follow-up, two faults", opts: with(forgets), follow: true, requests: 1, calls: 2, leaves: 1, faults: 2, sendFaults: true, late: true, refusals: true},
		{name: "no journal: policies fail, put off, Close, a drain", opts: with(func(o *Options) { forgets(o); o.DrainAsked = 1 }), requests: 1, calls: 2, leaves: 1, closes: 2, drains: true,
			policyFails: true, suspend: true, leftAlone: true, lateAnswers: true, keys: true},

		// Policies.
		{name: "policies fail, put off, leave alone", opts: quick(), requests: 1, calls: 2, leaves: 1, edits: 1, deaths: 1, outsiders: 1,
			policyFails: true, suspend: true, leftAlone: true, lateAnswers: true, keys: true},
	}
}

// otherScenes are about what is not a start, a response or a policy.
func otherScenes() []*scene {
	return []*scene{
		// Messages.
		{name: "messages: a follow-up, two faults, a death", opts: with(func(o *Options) { o.StartMax = 4 }), follow: true, requests: 1, calls: 2, leaves: 1, faults: 2, deaths: 1,
			saveFaults: true, sendFaults: true, late: true, refusals: true},
		{name: "messages: keys and requests checked, said again at once", opts: with(func(o *Options) { o.KeysHonoured = true }), follow: true, requests: 1, calls: 1, faults: 2, deaths: 1,
			sendFaults: true, late: true, keys: true, checks: true},
		{name: "messages: the reasons of a denial, a fault, a death", opts: with(func(o *Options) { o.TellReason = true }), requests: 1, calls: 1, faults: 1, deaths: 1,
			sendFaults: true, late: true, deny: true, startKeys: true},
		{name: "messages: two follow-ups of one Job", opts: with(func(o *Options) { o.Claims = true }), procs: 2, two: true, follow: true, requests: 1, calls: 2, faults: 1, sendFaults: true, deny: true},

		// Reads, credentials, clocks.
		{name: "reads fail in each way, a death", opts: quick(), requests: 1, calls: 1, faults: 2, deaths: 1, readFaults: []Class{Down, NotAllowed, Missing, Odd}, startKeys: true},
		{name: "a credential that may not see the Job", opts: quick(), requests: 1, calls: 2, deaths: 1, leaves: 1, otherPrint: true, keys: true},
		{name: "clocks jump, slow reads, an edit", opts: with(func(o *Options) { o.DecisionMax = 2 }), requests: 1, calls: 1, jumps: 1, edits: 1, slow: true, slowReads: true, keys: true},
		{name: "the Job's own time, without that of people", opts: with(func(o *Options) { o.JobTimeout = 3; o.StopOnTimeout = true }), requests: 1, calls: 1, deaths: 1, leaves: 1, slow: true, keys: true},
		{name: "rows of lists are trusted", opts: with(func(o *Options) { o.TrustLists, o.Lag = true, 2 }), follow: true, requests: 1, calls: 2, leaves: 1, listed: 2, keys: true},

		// Close, stop, budgets, people.
		{name: "Close at any point, a fault, a death", opts: quick(), requests: 1, calls: 2, closes: 1, faults: 1, deaths: 1, sendFaults: true, saveFaults: true, late: true, startKeys: true},
		{name: "Close or a drain at any point, a slow journal", opts: with(func(o *Options) { o.DrainAsked = 1 }), requests: 1, calls: 1, closes: 2, drains: true, suspend: true, slow: true, startKeys: true},
		{name: "Close while the journal is full, a death", opts: quick(), requests: 1, calls: 1, closes: 1, fills: 1, deaths: 1, startKeys: true},
		{name: "a drain, a start in doubt, a death", opts: with(marked), requests: 1, calls: 2, closes: 2, drains: true, faults: 1, deaths: 1, sendFaults: true, late: true},
		{name: "a drain, a follow-up in doubt", opts: quick(), follow: true, requests: 1, calls: 1, closes: 2, drains: true, faults: 1, sendFaults: true, late: true},
		{name: "stops and budgets", opts: with(func(o *Options) { o.StopOnLeave = true }), requests: 1, calls: 2, leaves: 1, stops: 1, budgets: 1, faults: 1, deaths: 1, sendFaults: true, keys: true},
		{name: "a person reconciles", opts: with(func(o *Options) { o.StartMax, o.Claims = 2, true }), requests: 1, calls: 2, faults: 2, sendFaults: true, reconciles: 1, keys: true, leaves: 1, deaths: 1},

		// The journal.
		{name: "the journal is full for a while, a death", opts: quick(), requests: 1, calls: 2, fills: 1, leaves: 1, deaths: 1, keys: true},
		{name: "the journal is restored to an older state", opts: quick(), requests: 1, calls: 2, restores: 1, faults: 1, leaves: 1, sendFaults: true, startKeys: true},

		{name: "policies deny a question; an edit, an outsider, a death", opts: quick(), began: true, question: true, requests: 1, calls: 1, edits: 1, deaths: 1, outsiders: 1, deny: true},

		{name: "policies can ask nobody; an edit, an outsider, a death, a stop", opts: with(func(o *Options) { o.StopOnNobody = true }), began: true, question: true, nobody: true, requests: 1, calls: 1, edits: 1, deaths: 1, outsiders: 1, deny: true},
		{name: "policies can ask nobody, and are asked again", opts: quick(), began: true, question: true, nobody: true, requests: 1, calls: 2, edits: 1, leaves: 1, outsiders: 1, deny: true},

		{name: "the journal fails while decisions are put off, a death", opts: quick(), began: true, requests: 1, calls: 1, faults: 2, deaths: 1, edits: 1, suspend: true, saveFaults: true},

		// Replicas.
		{name: "replicas: a start, a fault", opts: quick(), procs: 2, calls: 2, faults: 1, sendFaults: true, saveFaults: true, late: true, keys: true},
		{name: "replicas: a start, a slow journal, a death", opts: with(marked), procs: 2, calls: 2, deaths: 1, keys: true},
		{name: "replicas: an unmarked start, keys ignored, a slow journal", opts: with(func(o *Options) { o.Recording = 2 }), procs: 2, calls: 2, slow: true, recording: true},
		{name: "replicas: a marked start, a fault", opts: with(marked), procs: 2, calls: 2, faults: 1, sendFaults: true, late: true},
		{name: "replicas: a start that is refused, a journal that fails", opts: quick(), procs: 2, calls: 2, faults: 2, sendFaults: true, saveFaults: true, refusals: true, keys: true},
		{name: "replicas: a follow-up, a journal that fails", opts: quick(), procs: 2, follow: true, calls: 2, faults: 1, saveFaults: true},
		{name: "replicas: leaves and deaths", opts: quick(), began: true, procs: 2, requests: 1, leaves: 1, deaths: 1, keys: true},
	}
}

// deepScenes are larger ones.
func deepScenes() []*scene {
	return []*scene{
		{name: "deep: responses, a slow driver, slow reads, an edit, a leave", opts: quick(), requests: 1, calls: 1, edits: 1, leaves: 1, faults: 1, sendFaults: true, slow: true, slowReads: true, startKeys: true},
		{name: "deep: replicas, a marked start, a fault, a slow driver", opts: with(marked), procs: 2, calls: 2, faults: 1, sendFaults: true, late: true, slow: true},
		{name: "deep: clocks jump, slow reads, an edit", opts: with(func(o *Options) { o.DecisionMax = 4 }), requests: 1, calls: 1, jumps: 1, edits: 1, slow: true, slowReads: true, keys: true},
		{name: "deep: replicas, a request, a fault, verdicts that differ", opts: quick(), procs: 2, requests: 1, calls: 2, faults: 1, sendFaults: true, late: true, keys: true, deny: true},
		{name: "deep: Close at any point, a slow journal that fails, a death", opts: with(func(o *Options) { o.DrainAsked = 1 }), requests: 1, calls: 1, closes: 2, drains: true, suspend: true, slow: true, faults: 1, saveFaults: true, deaths: 1, startKeys: true},
		{name: "deep: the journal is restored while replicas work", opts: quick(), procs: 2, requests: 1, calls: 2, restores: 1, keys: true},
		{name: "deep: replicas, a start, a fault, a death", opts: quick(), procs: 2, calls: 2, faults: 1, deaths: 1, sendFaults: true, saveFaults: true, late: true, keys: true},
		{name: "deep: replicas, leaves and deaths", opts: quick(), began: true, procs: 2, requests: 1, calls: 1, leaves: 1, deaths: 1, keys: true},
		{name: "deep: replicas, decisions are put off, a fault", opts: quick(), began: true, procs: 2, requests: 1, faults: 1, suspend: true, saveFaults: true, deny: true},
		{name: "deep: replicas, a slow driver", opts: with(func(o *Options) { o.Settle = 0 }), began: true, procs: 2, requests: 1, slow: true},
		{name: "deep: replicas, a fault, an edit, lax server", opts: quick(), began: true, procs: 2, requests: 1, faults: 1, edits: 1, sendFaults: true, late: true},
		{name: "deep: an edit, an outsider, a fault, a death, late effects", opts: quick(), began: true, requests: 2, faults: 1, edits: 1, outsiders: 1, deaths: 1, sendFaults: true, late: true, deny: true},
	}
}
