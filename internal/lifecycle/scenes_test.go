package lifecycle

// quick are options whose spans are as short as they can be in a world that
// counts in ticks.
func quick() Options {
	return Options{Stale: 1, Window: 1, Post: 1, Settle: 1, Recording: 1, Resend: 1, Pause: 1, Skew: 2,
		StuckGrace: 1, AcceptedGrace: 2, MissingGrace: 2, OddGrace: 2, BackoffMin: 1, BackoffMax: 2, Attempts: 2, PageSize: 50}
}

func with(o Options, f func(*Options)) Options { f(&o); return o }

// scenes are the worlds that are explored.
func scenes() []*scene {
	return []*scene{
		{name: "nothing goes wrong", opts: quick(), requests: 2, calls: 1, keys: true},
		{name: "a fault", opts: quick(), requests: 1, calls: 1, faults: 1, saveFaults: true, sendFaults: true, late: true, keys: true},
	}
}
