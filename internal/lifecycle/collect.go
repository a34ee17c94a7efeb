package lifecycle

// fetch asks for the next page of messages. find is a message of ours that is
// looked for among them.
func (t *turn) fetch(find string) bool {
	l := &t.Live
	if t.pending(l.NotBefore) {
		return false
	}
	f := l.fetching()
	if f.Size == 0 {
		f.Size = t.o.PageSize
		if t.o.PageSize == 0 {
			f.Size = t.o.MaxMessages
		}
	}
	switch r := &t.Record; {
	case find != "":
		f.Cursor = max(f.Cursor, r.Latest.After)
	case r.Stage == Collecting:
		f.Cursor = max(f.Cursor, r.Earlier)
	}
	t.emit(Collect{Name: t.exchange(Fetching, ""), Job: t.Record.Job, After: f.Cursor, Limit: f.Size, Find: find})
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
	if !l.fetched().Whole {
		return t.fetch("")
	}
	return t.conclude()
}

// collected takes in a page of messages.
func (t *turn) collected(_ Exchange, e Collected) {
	l, f := &t.Live, t.Live.fetching()
	posting := t.Record.Stage == Posting
	switch e.Failed {
	case "":
		l.Fails, f.Odd, f.Missing, f.Misses = 0, 0, 0, 0
	case TooLarge:
		if f.Size != 1 {
			f.Size = max(f.Size/2, 1)
			return
		}
		f.Cursor++ // one message that is too large alone
		t.Record.Note = join(t.Record.Note, "a message was too large to be read")
		return
	default:
		t.uncollected(f, e.Failed)
		return
	}
	f.Cursor += e.Count
	f.Bytes += e.Bytes
	if posting {
		t.searched(e)
		return
	}
	t.Record.Note = join(t.Record.Note, e.Note)
	if !e.Part.IsZero() {
		f.Parts = append(f.Parts[:len(f.Parts):len(f.Parts)], e.Part)
	}
	if e.Output != "" {
		f.Output = e.Output
	}
	full := t.o.MaxMessages > 0 && f.Cursor >= t.o.MaxMessages || t.o.MaxBytes > 0 && f.Bytes >= t.o.MaxBytes
	if e.More && full {
		t.Record.Note = join(t.Record.Note, "it has more messages than are read; the output may not be its last word")
	}
	if !e.More || full || e.Count == 0 {
		f.Whole, f.Data, f.Problem, f.Correct, f.Silent = true, e.Data, e.Problem, e.Correct, e.Silent
	}
}

// uncollected takes in that messages could not be read. What makes no sense for long
// is given up, as reads are; what is not found for long is no longer there.
func (t *turn) uncollected(f *Fetch, c Class) {
	l := &t.Live
	if c == Missing && t.Record.Credential != l.Print && t.o.on(guardCredential) {
		c = NotAllowed
	}
	l.Fails = min(l.Fails+1, 8)
	l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, 0)
	if l.Fails == 1 && c != Down { // as with reads of the Job
		t.emit(Tell{Kind: NoticeTrouble, Text: "the messages cannot be read"})
	}
	if c != Missing {
		f.Missing, f.Misses = 0, 0
	} else if f.Misses = min(f.Misses+1, 3); f.Missing == 0 {
		f.Missing = t.now.Mono
	} else if t.ended() && f.Misses == 3 && t.now.Mono-f.Missing >= t.o.MissingGrace {
		t.lost()
		return
	}
	switch {
	case c != Odd:
		f.Odd = 0
	case f.Odd == 0:
		f.Odd = t.now.Mono
	case t.now.Mono-f.Odd >= t.o.OddGrace:
		t.Record.Trouble, l.Dirty = Odd, true
		t.fail(CauseGivenUp, "", false)
	}
}

// ended reports whether a read has told how the Job ended, and only its messages are
// to be read.
func (t *turn) ended() bool {
	return t.Record.Stage == Collecting && t.Live.Read != nil && t.Live.Read.End != ""
}

// lost goes on without the messages that are still to be read.
func (t *turn) lost() {
	f := t.Live.fetching()
	f.Whole, f.Lost = true, true
	t.Record.Note = join(t.Record.Note, "its messages are no longer there")
}

// searched takes in a page that was read before a message is posted: to count
// those that stand before it, or to find it.
func (t *turn) searched(e Collected) {
	l, m := &t.Live, t.Record.Latest
	switch {
	case m.After < 0 && !e.More && e.Problem != "":
		t.dropMessage(CauseRefused, e.Problem)
	case m.After < 0 && !e.More:
		m.After, m.Added = l.fetched().Cursor, e.Added
		l.Fetch = nil
	case m.After < 0:
	case e.Found:
		t.posted(true)
	case !e.More:
		l.Search.Done = true
		l.Fetch = nil
		l.Since = t.now // the next read must be newer than the look
	}
}

// conclude tells the outcome of a Job whose messages are read, unless it is told
// something first.
func (t *turn) conclude() bool {
	l, r := &t.Live, &t.Record
	f := l.fetched()
	end := l.Read.End
	if text := r.reasons(); t.o.TellReason && !r.ReasonsPosted && !r.Stopping.Asked && !f.Lost && text != "" && takes(end) {
		r.ReasonsPosted = true
		t.say(ReasonMessage, text)
		return true
	}
	if t.silent(f) {
		return true
	}
	if f.Problem != "" && end == Completed && t.o.Correct && !r.Corrected && !r.Stopping.Asked && r.Order.After == nil {
		r.Corrected = true
		t.say(CorrectMessage, f.Correct)
		return true
	}
	t.noteAnswer(f)
	if s := r.Stopping; s.Asked && s.Then == StopExpire {
		r.Note = join(r.Note, overNote(t.o.JobTimeout))
	}
	t.end(end)
	res := *r.Result
	res.Output = f.Output
	if f.Problem == "" && end == Completed {
		res.Data = f.Data
	}
	res.Messages = joined(f.Parts)
	r.Result = &res
	return true
}

// asked reports whether the Job was asked to correct its answer, or perhaps so.
func (r *Record) asked() bool { return r.Corrected && r.Message().Kind == CorrectMessage }

// silent waits where the Job may not have begun to correct its answer. It returns
// true if so.
func (t *turn) silent(f Fetch) bool {
	l, r := &t.Live, &t.Record
	if !f.Silent || f.Problem == "" || l.Read.End != Completed || !r.asked() {
		return false
	}
	d, known := age(r.Latest.Attempt.Until, t.now, t.o.Skew)
	grace := max(t.o.Settle, t.o.Lag) // it was taken, or was looked for long after
	if !known || d >= grace {
		return false
	}
	l.Fetch, l.NotBefore = nil, t.now.Mono+grace-d
	return true
}

// noteAnswer notes what is wrong with a typed answer. Talk goes on as people do:
// there what fits is taken, and nothing else is said about it.
func (t *turn) noteAnswer(f Fetch) {
	r := &t.Record
	note := ""
	switch {
	case t.Live.Read.End != Completed && r.asked():
		note = "it had completed, and ended so after it was asked to correct the form of its answer"
	case t.Live.Read.End != Completed || f.Problem == "" || r.Order.After != nil:
		return
	case r.asked():
		note = "its answer is not what was asked for, also after it was asked to correct it: " + f.Problem
	default:
		note = "its answer is not what was asked for: " + f.Problem
	}
	r.Note = join(r.Note, note)
}

// say makes a message that is to be posted.
func (t *turn) say(kind MessageKind, text string) {
	l, r := &t.Live, &t.Record
	r.Stage = Posting
	*r.Latest = Message{Kind: kind, Text: text, Key: r.Order.StartKey + "-" + string(kind), After: l.fetched().Cursor, Added: r.Latest.Added}
	l.Since, l.NotBefore, l.Search, l.Fetch = t.now, 0, Search{}, nil
	l.Dirty = true
}
