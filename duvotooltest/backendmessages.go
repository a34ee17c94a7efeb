package duvotooltest

import (
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
)

// otherMessages: what tells answers from the other messages reaches whoever reads.
func (b *backendTest) otherMessages() {
	j := b.start(refundsID, "order 4711")
	_ = b.d.AnswerElsewhere(j.ID, duvo.Response{Approved: &yes})
	synctest.Wait()
	var got []duvo.Message
	for m, err := range b.b.Messages(b.Context(), j.ID) {
		b.ok(err)
		got = append(got, m)
	}
	b.want(duvo.LastAnswer(got) == "Refunded.", "the last answer is %q", duvo.LastAnswer(got))
	j = b.start(failingID, "x")
	got = nil
	for m, err := range b.b.Messages(b.Context(), j.ID) {
		b.ok(err)
		got = append(got, m)
	}
	b.want(duvo.FailureReason(got) == "The mailbox is locked.", "it failed because of %q", duvo.FailureReason(got))
}

// since: a bound of a list reaches the server, whatever time of a Job it bounds.
func (b *backendTest) since() {
	l, ok := b.b.(duvotool.JobLister)
	if !ok {
		return
	}
	j := b.start(failingID, "x") // and it ends at once
	for since, n := range map[time.Duration]int{-time.Hour: 1, time.Hour: 0} {
		page, err := l.JobPage(b.Context(), duvo.JobFilter{Since: time.Now().Add(since)})
		b.ok(err)
		b.want(len(page.Jobs) == n && (n == 0 || page.Jobs[0].ID == j.ID), "since %v from now there are %+v", since, page)
	}
}
