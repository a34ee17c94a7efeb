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
	for stage, answers := range map[RequestStage][]Checked{Sending: {{Held: true}, {Unclear: true}}, Decided: {{Unclear: true}}} {
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

// What is put off stays so in the record where a decision about it could not be recorded:
// another process shows it, and somebody may decide there.
func TestWhatIsPutOffOutlivesADecisionThatCouldNotBeRecorded(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Leases, o.Follow = true, 5 })).do(Called{Caller: 1, Order: firstOrder})
	x.do(Owned{Name: want[Own](x).Name, Term: 1}).saves()
	x.do(Sent{Name: want[StartJob](x).Name, Job: "job", Ours: true}).saves().read("waiting", "", ticket()).saves()
	x.do(Answered{Request: "r0", Digest: "r0v0", Turn: x.s.Live.Asks[0].Turn, Decision: &Decision{Verdict: Suspended}})
	if p := want[Save](x).Record.Requests[0]; p.PutOff == nil {
		t.Fatalf("%+v", p)
	}
	x.saves().do(Decide{Request: "r0", Digest: "r0v0", Build: x.s.Record.Requests[0].Build, Decision: approval(), Reply: "who"})
	x.do(SaveFailed{Name: want[Save](x).Name})
	if f := want[TellReply](x); f.Fate != FateUnrecorded || !x.s.Record.Waits(&x.s.Record.Requests[0]) {
		t.Fatalf("%+v %+v", f, x.s.Record.Requests[0])
	}
}
