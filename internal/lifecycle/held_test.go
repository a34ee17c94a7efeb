package lifecycle

import "testing"

// What is decided is held against the rules once more where its sending waited for a
// claim that failed: somebody may have put approvals on hold meanwhile.
func TestAClaimThatFailedAsksTheRules(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Claims = true })).decided(approval()).save()
	x.do(Claimed{Name: want[Claim](x).Name, Failed: true}).pass(30).read("waiting", "", ticket())
	x.do(Claimed{Name: want[Claim](x).Name})
	wantNone[Respond](x)
	x.do(Checked{Name: want[CheckRules](x).Name, Held: true})
	if r := want[Save](x).Record; r.Requests[0].Stage != Unasked {
		t.Fatalf("%+v", r)
	}
}

// What may have been sent waits while approvals are held, or while nobody can tell
// whether it may be sent; what was not sent waits for the latter alone.
func TestHeldResponses(t *testing.T) {
	for stage, answers := range map[RequestStage][]Checked{Sending: {{Held: true}, {Untold: true}}, Decided: {{Untold: true}}} {
		for _, no := range answers {
			r := &Record{Order: firstOrder, Stage: Watching, Job: "job", Ours: true, Writer: "Z", Credential: "own",
				Requests: []Request{{ID: "r0", Digest: "r0v0", Stage: stage, Decision: approval(), DecidedAt: 999}}}
			r.Requests[0].Attempt.Earlier = stage == Sending
			x := recovered(t, with(func(o *Options) { o.Settle = 0 }), r).do(Called{Caller: 1, Order: firstOrder}).save().pass(5).read("waiting", "", ticket())
			for range 3 {
				no.Name = want[CheckRules](x).Name
				x.do(no)
				wantNone[Respond](x)
				if p := x.s.Record.Requests[0]; p.Stage != stage {
					t.Fatalf("%+v", p)
				}
				x.pass(30).read("waiting", "", ticket())
			}
			x.do(Checked{Name: want[CheckRules](x).Name, Allowed: true}).save()
			want[Respond](x)
		}
	}
}
