package duvo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// limits is what a server tells of its rate limit.
func limits(remaining int, reset time.Time, more ...string) []string {
	return append([]string{"X-RateLimit-Limit", "300", "X-RateLimit-Remaining", strconv.Itoa(remaining), "X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10)}, more...)
}

func TestPaceWaitsForTheReset(t *testing.T) {
	for name, c := range map[string]struct {
		header func(now time.Time) []string
		wait   time.Duration
	}{
		"used up":                    {func(now time.Time) []string { return limits(0, now.Add(40*time.Second)) }, 40 * time.Second},
		"overdrawn":                  {func(now time.Time) []string { return limits(-3, now.Add(40*time.Second)) }, 40 * time.Second},
		"some left":                  {func(now time.Time) []string { return limits(1, now.Add(40*time.Second)) }, 0},
		"a reset that is past":       {func(now time.Time) []string { return limits(0, now.Add(-time.Second)) }, 0},
		"a reset in seconds to wait": {func(time.Time) []string { return limits(0, time.Unix(40, 0)) }, 0},
		"in milliseconds":            {func(now time.Time) []string { return limits(0, time.Unix(now.UnixMilli()+40_000, 0)) }, 0},
		"a day":                      {func(now time.Time) []string { return limits(0, now.Add(24*time.Hour)) }, 0},
		"the end of time":            {func(time.Time) []string { return limits(0, time.Unix(1<<62, 0)) }, 0},
		"no reset":                   {func(time.Time) []string { return []string{"X-RateLimit-Remaining", "0"} }, 0},
		"nonsense": {func(time.Time) []string {
			return []string{"X-RateLimit-Remaining", "none", "X-RateLimit-Reset", "soon"}
		}, 0},
		"our clock is an hour behind": {func(now time.Time) []string {
			theirs := now.Add(time.Hour)
			return limits(0, theirs.Add(40*time.Second), "Date", theirs.UTC().Format(http.TimeFormat))
		}, 40 * time.Second},
		"our clock is an hour ahead": {func(now time.Time) []string {
			theirs := now.Add(-time.Hour)
			return limits(0, theirs.Add(40*time.Second), "Date", theirs.UTC().Format(http.TimeFormat))
		}, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl, s := stub(func(n int, _ *http.Request) (*http.Response, error) {
					if n == 1 {
						return response(200, success, c.header(time.Now())...)
					}
					return response(200, success)
				}).client(t)
				for range 3 {
					require.NoError(t, mutations["start"](t.Context(), cl, ""))
				}
				w := s.waits()
				require.GreaterOrEqual(t, w[0], c.wait)
				require.LessOrEqual(t, w[0], c.wait+c.wait/4+time.Millisecond)
				require.Zero(t, w[1], "once the window is over")
			})
		})
	}
}

func TestPaceWaitsWithinTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := time.Now().Add(10 * time.Minute)
		cl, s := stub(func(int, *http.Request) (*http.Response, error) { return response(200, success, limits(0, reset)...) }).client(t)
		require.NoError(t, mutations["start"](t.Context(), cl, ""))
		begin := time.Now()
		err := mutations["start"](t.Context(), cl, "")
		require.ErrorIs(t, err, ErrRateLimited)
		require.True(t, Temporary(err))
		require.False(t, MayHaveTakenEffect(err))
		require.Equal(t, 10*time.Minute, RetryAfter(err), "the caller learns when to come back")
		require.ErrorContains(t, err, "10m0s")
		require.Zero(t, time.Since(begin))
		require.Len(t, s.times, 1)

		time.Sleep(9*time.Minute + time.Second) // on the bubble's clock
		begin = time.Now()
		require.NoError(t, mutations["start"](t.Context(), cl, ""))
		require.GreaterOrEqual(t, time.Since(begin), 59*time.Second)
		require.LessOrEqual(t, time.Since(begin), time.Minute+time.Millisecond, "not even for the spreading")
	})
}

func TestPaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl, s := stub(func(int, *http.Request) (*http.Response, error) {
			return response(200, success, limits(0, time.Now().Add(50*time.Second))...)
		}).client(t)
		require.NoError(t, mutations["start"](t.Context(), cl, ""))
		cause := errors.New("shutting down")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		begin := time.Now()
		err := mutations["start"](ctx, cl, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, cause)
		require.False(t, MayHaveTakenEffect(err))
		require.Equal(t, time.Second, time.Since(begin))
		require.Len(t, s.times, 1)
	})
}

func TestPaceSpreadsThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl, s := stub(func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return response(200, success, limits(0, time.Now().Add(40*time.Second))...)
			}
			return response(200, success)
		}).client(t)
		require.NoError(t, mutations["start"](t.Context(), cl, ""))
		done := make(chan error)
		for range 20 {
			go func() { done <- mutations["start"](t.Context(), cl, "") }()
		}
		for range 20 {
			require.NoError(t, <-done)
		}
		distinct := map[time.Time]bool{}
		for _, at := range s.times {
			distinct[at] = true
		}
		require.Greater(t, len(distinct), 15)
	})
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "0": 0, "-1": 0, "-0": 0, "1": time.Second, " 2 ": 2 * time.Second, "1.5": 1500 * time.Millisecond, "soon": 0, "NaN": 0,
		"Inf": 1e9 * time.Second, "1e400": 1e9 * time.Second, "-1e400": 0, "99999999999": 1e9 * time.Second,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Add(time.Minute).Format(time.RFC850):      time.Minute,
		now.Add(time.Minute).Format(time.ANSIC):       time.Minute,
		now.Add(time.Minute).Format(time.RFC3339):     0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {v}}, now), "%q", v)
	}
	reset := http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {fmt.Sprint(now.Unix() + 5)}}
	require.Equal(t, 5*time.Second, retryAfter(reset, now))
	reset.Set("Retry-After", "2")
	require.Equal(t, 2*time.Second, retryAfter(reset, now), "what is said outright counts")
	reset.Set("Retry-After", "soon")
	require.Zero(t, retryAfter(reset, now))
	reset = http.Header{"X-Ratelimit-Remaining": {"3"}, "X-Ratelimit-Reset": {fmt.Sprint(now.Unix() + 5)}}
	require.Zero(t, retryAfter(reset, now), "the limit was not the reason")
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, v := range []string{"", "1", "-1", "0.5", "1e300", "NaN", "Wed, 04 Mar 2026 05:07:07 GMT", "Wednesday, 04-Mar-26 05:07:07 GMT", "0x1p-2"} {
		f.Add(v, "0", strconv.FormatInt(now.Unix()+30, 10), "Wed, 04 Mar 2026 05:06:07 GMT")
		f.Add(v, "", v, v)
	}
	f.Add("", "-9223372036854775808", "9223372036854775807", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, after, remaining, reset, date string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}, "Date": {date}}
		d := retryAfter(h, now)
		require.GreaterOrEqual(t, d, time.Duration(0))
		if after == "" {
			require.LessOrEqual(t, d, longestWindow)
		}
		if sec, err := strconv.Atoi(strings.TrimSpace(after)); err == nil && sec > 0 {
			require.Equal(t, time.Duration(min(sec, 1e9))*time.Second, d, "plain seconds are taken at their word")
		}
		var p pacer
		p.done(h, now)
		require.False(t, p.until.After(now.Add(longestWindow)), "no header silences the client for long")
		if n, err := strconv.ParseInt(strings.TrimSpace(remaining), 10, 64); err != nil || n > 0 {
			require.True(t, p.until.IsZero())
		}
		before := p.until
		p.done(http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {strconv.FormatInt(now.Unix()+1, 10)}}, now)
		require.False(t, p.until.Before(before), "a window is never cut short")
	})
}

// A limitedServer counts requests in windows of a minute.
type limitedServer struct {
	limit, used int
	began       time.Time
	over        int
	times       []time.Time
}

func (s *limitedServer) answer() (*http.Response, error) {
	now := time.Now()
	if now.Sub(s.began) >= time.Minute {
		s.began, s.used = now, 0
	}
	s.used++
	s.times = append(s.times, now)
	h := []string{"X-RateLimit-Limit", strconv.Itoa(s.limit), "X-RateLimit-Remaining", strconv.Itoa(max(0, s.limit-s.used)),
		"X-RateLimit-Reset", strconv.FormatInt(s.began.Add(time.Minute+time.Second-1).Unix(), 10)}
	if s.used > s.limit {
		s.over++
		return response(429, `{"error":"rate_limited"}`, append(h, "Retry-After", "30")...)
	}
	return response(200, success, h...)
}

func limited(limit int) (*limitedServer, stub) {
	s := &limitedServer{limit: limit}
	var mu sync.Mutex
	return s, func(int, *http.Request) (*http.Response, error) {
		time.Sleep(50 * time.Millisecond) // on its way
		mu.Lock()
		defer mu.Unlock()
		return s.answer()
	}
}

func TestManyAtOnceNeverOverdrawTheLimit(t *testing.T) {
	for _, class := range []Priority{Normal, Background, Idle} {
		synctest.Test(t, func(t *testing.T) {
			server, st := limited(60)
			cl, _ := st.client(t, WithRetries(5, time.Hour))
			read := func(ctx context.Context) error { _, err := cl.Job(ctx, jobID); return err }
			require.NoError(t, read(t.Context()), "so that the limit is known")
			ctx := WithPriority(t.Context(), class)
			done := make(chan error)
			for range 500 {
				go func() { done <- read(ctx) }()
			}
			for range 500 {
				require.NoError(t, <-done)
			}
			require.Zero(t, server.over)
			took := time.Since(server.times[0])
			if class == Normal {
				require.Less(t, took, 11*time.Minute)
				return
			}
			require.Greater(t, took, 9*time.Minute, "at four fifths of the limit")
			require.Less(t, took, 12*time.Minute)
		})
	}
}

func TestBackgroundLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, st := limited(60)
		cl, _ := st.client(t, WithRetries(5, time.Hour))
		_, err := cl.Job(t.Context(), jobID)
		require.NoError(t, err, "so that the limit is known")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_, _ = cl.Job(WithPriority(ctx, Background), jobID)
				}
			})
		}
		for range 100 { // well within a fifth of the limit
			time.Sleep(6 * time.Second)
			begin := time.Now()
			require.NoError(t, mutations["start"](WithoutResend(t.Context()), cl, ""))
			require.Equal(t, 50*time.Millisecond, time.Since(begin), "a start never waits for the reads")
		}
		cancel()
		wg.Wait()
		require.Zero(t, server.over)
	})
}

func TestOthersUseOfTheKeyIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, st := limited(60)
		cl, _ := st.client(t, WithRetries(5, time.Hour))
		_, err := cl.Job(t.Context(), jobID)
		require.NoError(t, err, "so that the limit is known")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_, _ = cl.Job(WithPriority(ctx, Background), jobID)
				}
			})
		}
		for range 600 {
			time.Sleep(2 * time.Second) // 30 a minute, by somebody else
			_, _ = st(0, nil)
		}
		cancel()
		wg.Wait()
		require.LessOrEqual(t, server.over, 12, "of 1,200 in 20 minutes")
		require.Greater(t, len(server.times), 1000, "what is left is used")
	})
}

func TestIdleGoesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, st := limited(60)
		cl, _ := st.client(t, WithRetries(5, time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		counts := map[Priority]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, class := range []Priority{Background, Idle} {
			for range 5 {
				wg.Go(func() {
					for {
						if _, err := cl.Job(WithPriority(ctx, class), jobID); err != nil {
							return
						}
						mu.Lock()
						counts[class]++
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		require.Greater(t, counts[Background], 400)
		require.Less(t, counts[Idle], 40)
	})
}

func TestUrgentComesBackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, st := limited(20)
		cl, _ := st.client(t, WithRetries(5, time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 200 { // starts that use up every window at once
			wg.Go(func() {
				for ctx.Err() == nil {
					_, _ = cl.Job(ctx, jobID)
				}
			})
		}
		time.Sleep(90 * time.Second)
		urgent := WithPriority(WithoutResend(t.Context()), Urgent)
		err := mutations["start"](urgent, cl, "")
		require.ErrorIs(t, err, ErrRateLimited)
		time.Sleep(RetryAfter(err) + 10*time.Second) // later than all the others
		require.NoError(t, mutations["start"](urgent, cl, ""))
		cancel()
		wg.Wait()
	})
}

func TestJobPageIsOneRequest(t *testing.T) {
	cl, s := stub(func(int, *http.Request) (*http.Response, error) {
		return response(200, `{"data":[{"id":"`+jobID+`","status":"running"}],"total":250}`)
	}).client(t)
	page, err := cl.JobPage(t.Context(), JobFilter{Status: StatusRunning, Offset: 100, OldestFirst: true})
	require.NoError(t, err)
	require.Equal(t, 250, page.Total)
	require.Equal(t, StatusRunning, page.Jobs[0].Status)
	require.Len(t, s.times, 1)
	_, err = cl.JobPage(t.Context(), JobFilter{PageSize: 101})
	require.ErrorIs(t, err, ErrInvalid)
}

// Clients of one key that know of each other stay under the share together.
func TestClientsShareTheKeyEvenly(t *testing.T) {
	used := func(sharers int) (perMinute int) {
		synctest.Test(t, func(t *testing.T) {
			server, st := limited(200)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for range 4 {
				cl, _ := st.client(t, WithRetries(5, time.Hour))
				cl.SharedBy(sharers)
				for range 30 {
					wg.Go(func() {
						for ctx.Err() == nil {
							_, _ = cl.Job(WithPriority(ctx, Background), jobID)
						}
					})
				}
			}
			wg.Wait()
			perMinute = len(server.times) / 20
		})
		return perMinute
	}
	alone, together := used(1), used(4)
	require.Greater(t, alone, 175, "who knows of nobody uses more than its part")
	require.LessOrEqual(t, together, 165)
	require.Greater(t, together, 140, "what they may use is used")
}
