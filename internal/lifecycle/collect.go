package lifecycle

import (
	"encoding/json"
	"slices"
)

// fetch asks for the next page of messages. find is a message of ours that is
// looked for among them.
func (t *turn) fetch(find string) bool {
	l := &t.Live
	if t.pending(l.NotBefore) {
		return false
	}
	if l.Fetch.Size == 0 {
		l.Fetch.Size = max(t.o.PageSize, 1)
	}
	if find != "" && l.Fetch.Cursor < t.Record.Message.After {
		l.Fetch.Cursor = t.Record.Message.After
	}
	t.emit(Collect{Name: t.exchange(Fetching, ""), Job: t.Record.Job, After: l.Fetch.Cursor, Limit: l.Fetch.Size, Find: find})
	return true
}

// collect reads the messages of a Job that has ended, and then tells the outcome.
func (t *turn) collect() bool {
	l := &t.Live
	t.watch()
	if l.Read == nil || l.Read.End == "" {
		if l.Read != nil { // it goes on after all
			t.Record.Stage = Watching
			return true
		}
		return false
	}
	if !l.Fetch.Whole {
		return t.fetch("")
	}
	return t.conclude()
}

// collected takes in a page of messages.
func (t *turn) collected(_ Exchange, e Collected) {
	l, f := &t.Live, &t.Live.Fetch
	posting := t.Record.Stage == Posting
	switch e.Failed {
	case "":
		l.Fails = 0
	case TooLarge:
		if f.Size > 1 {
			f.Size /= 2
			return
		}
		f.Cursor++ // one message that is too large alone
		t.Record.Note = join(t.Record.Note, "a message was too large to be read")
		return
	case Missing:
		if !posting {
			t.Record.Note = join(t.Record.Note, "its messages are no longer there")
			f.Whole = true
			return
		}
		fallthrough
	default:
		l.Fails = min(l.Fails+1, 8)
		l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, 0)
		if l.Fails == 1 {
			t.emit(Tell{Kind: NoticeTrouble, Text: "the messages cannot be read"})
		}
		return
	}
	f.Cursor += e.Count
	f.Bytes += e.Bytes
	if posting {
		t.searched(e)
		return
	}
	if len(e.Part) > 0 {
		f.Parts = append(f.Parts[:len(f.Parts):len(f.Parts)], e.Part)
	}
	if e.Output != "" {
		f.Output = e.Output
	}
	full := t.o.MaxMessages > 0 && f.Cursor >= t.o.MaxMessages || t.o.MaxBytes > 0 && f.Bytes >= t.o.MaxBytes
	if e.More && full {
		t.Record.Note = join(t.Record.Note, "it has more messages than are read; the output may not be its last word")
	}
	if !e.More || full {
		f.Whole, f.Data, f.Problem, f.Correct = true, e.Data, e.Problem, e.Correct
	}
}

// searched takes in a page that was read before a message is posted: to count
// those that stand before it, or to find it.
func (t *turn) searched(e Collected) {
	l, m := &t.Live, &t.Record.Message
	switch {
	case m.After < 0 && !e.More:
		m.After = l.Fetch.Cursor
		l.Fetch = Fetch{}
	case m.After < 0:
	case e.Found:
		t.posted(true)
	case !e.More:
		l.Search.Done = true
		l.Fetch = Fetch{}
		l.Since = t.now // the next read must be newer than the look
	}
}

// conclude tells the outcome of a Job whose messages are read, unless it is told
// something first.
func (t *turn) conclude() bool {
	l, r := &t.Live, &t.Record
	f := l.Fetch
	end := l.Read.End
	if text := r.reasons(); t.o.TellReason && !r.Told && text != "" && takes(end) {
		r.Told = true
		t.say(ReasonMessage, text)
		return true
	}
	if f.Problem != "" && end == Completed && t.o.Correct && !r.Corrected && r.Order.After == nil {
		r.Corrected = true
		t.say(CorrectMessage, f.Correct)
		return true
	}
	if f.Problem != "" {
		r.Note = join(r.Note, "its answer is not what was asked for: "+f.Problem)
	}
	t.end(end)
	res := *r.Result
	res.Output = f.Output
	if f.Problem == "" {
		res.Data = f.Data
	}
	res.Messages = t.kept(f.Parts)
	r.Result = &res
	return true
}

// say makes a message that is to be posted.
func (t *turn) say(kind MessageKind, text string) {
	l, r := &t.Live, &t.Record
	r.Stage = Posting
	r.Message = Message{Kind: kind, Text: text, Key: r.Order.StartKey + "-" + string(kind), After: l.Fetch.Cursor}
	l.Since, l.NotBefore, l.Search, l.Fetch = t.now, 0, Search{}, Fetch{}
	l.Dirty = true
}

// kept joins the parts that the record is to keep; nil if they are too large.
func (t *turn) kept(parts []json.RawMessage) json.RawMessage {
	n := 2
	for _, p := range parts {
		n += len(p)
	}
	if len(parts) == 0 || t.o.MaxKept > 0 && n > t.o.MaxKept {
		return nil
	}
	var all []json.RawMessage
	for _, p := range parts {
		var list []json.RawMessage
		if json.Unmarshal(p, &list) != nil {
			return nil
		}
		all = slices.Concat(all, list)
	}
	out, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return out
}
