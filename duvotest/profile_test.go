package duvotest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// What since bounds is a choice; what it lets through is what both choices share
// only where a Job began and ended within.
func TestSince(t *testing.T) {
	slow := duvotest.Assignment{ID: agentID, Name: "Slow", Script: func(j *duvotest.Job) {
		j.Sleep(time.Hour)
		j.Complete("done")
	}}
	for bound, want := range map[duvotest.SinceBound][3]int{duvotest.SinceCreated: {1, 0, 0}, duvotest.SinceCompleted: {0, 1, 0}} {
		inMemory(t, func(t *testing.T, w *world) {
			began := time.Now()
			_, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
			require.NoError(t, err)
			listed := func(since time.Duration) int {
				page, err := w.client.JobPage(t.Context(), duvo.JobFilter{Since: began.Add(since)})
				require.NoError(t, err)
				return page.Total
			}
			require.Equal(t, want[0], listed(-time.Minute), "it runs, and was created since")
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			require.Equal(t, 1, listed(-time.Minute), "created and completed since")
			require.Equal(t, want[1], listed(time.Minute), "created before, completed since")
			require.Equal(t, want[2], listed(90*time.Minute), "completed before")
		}, duvotest.WithAssignment(slow), duvotest.WithProfile(duvotest.Profile{Since: bound}))
	}
}

// With other messages the last one of the assistant is not the answer, and why a
// Job failed is told by an event alone.
func TestOtherMessages(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		read := func(message string) (all []duvo.Message) {
			j, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID, Message: message})
			require.NoError(t, err)
			w.untilStatus(j.ID, duvo.StatusWaiting)
			yes := true
			require.NoError(t, w.AnswerElsewhere(j.ID, duvo.Response{Approved: &yes}))
			w.untilStatus(j.ID, map[string]duvo.Status{"go": duvo.StatusCompleted, "fail": duvo.StatusFailed}[message])
			for m, err := range w.client.Messages(t.Context(), j.ID) {
				require.NoError(t, err)
				all = append(all, m)
			}
			return all
		}
		all := read("go")
		require.Equal(t, "Refunded.", duvo.LastAnswer(all))
		require.Empty(t, duvo.FailureReason(all))
		kinds := map[string]int{}
		for _, m := range all {
			kinds[m.Role+" "+m.Type]++
		}
		require.Equal(t, map[string]int{"duvo session_started": 1, "user text": 1, "assistant human_request": 1, "assistant text": 2,
			"assistant thinking": 1, "assistant system": 1, "duvo session_completed": 1}, kinds)
		all = read("fail")
		require.Equal(t, "secret plan", all[2].Text)
		require.True(t, all[2].Instruction)
		require.Equal(t, "The bank is closed.", duvo.FailureReason(all))
		require.Empty(t, duvo.LastAnswer(all))
	}, duvotest.WithQuirks(duvotest.Quirks{OtherMessages: true}), duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) {
		if j.Input() == "fail" {
			j.Add(duvo.Message{Type: duvo.MessageText, Role: duvo.RoleAssistant, Text: "secret plan", Instruction: true})
		} else {
			j.Say("On it.")
		}
		j.AskApproval("Refund?", "")
		if j.Input() == "fail" {
			j.Fail("The bank is closed.")
		}
		j.Complete("Refunded.")
	}}))
}
